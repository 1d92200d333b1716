package hash

import "context"

// Hasher computes hashes as the functions of this package do, perhaps in another process. Its errors are those of the functions, the
// context's, or say that no hash could be computed.
type Hasher interface {
	Verify(ctx context.Context, encoded Encoded, password string) (bool, error)
	Create(ctx context.Context, password string, parameters Parameters) (Encoded, error)
	Digest(ctx context.Context, password string, salt []byte) ([]byte, error)
}
