package hash

import "context"

// Hasher computes hashes: the functions of this package, somewhere. Its errors are theirs, the context's, or say that it
// could not be done.
type Hasher interface {
	Verify(ctx context.Context, encoded Encoded, password string) (bool, error)
	Create(ctx context.Context, password string, parameters Parameters) (Encoded, error)
	Digest(ctx context.Context, password string, salt []byte) ([]byte, error)
}
