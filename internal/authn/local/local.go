// Package local verifies passwords that Keyturn keeps: it compares them with the hash in the credential.
package local

import (
	"context"

	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

// notAPassword is hashed where what was typed cannot be a password: it is wrong whatever the hash says, and costs the same.
const notAPassword = "cannot be a password"

// Verifier is an authn.Verifier. Its hasher must not give up a hash that has begun because the context ends (hash.Bounded).
type Verifier struct{ Hasher hash.Hasher }

// Version implements authn.Verifier: it is the stored hash.
func (*Verifier) Version(r authn.Request) authn.Version {
	if r.Credential.Password.IsZero() {
		return nil
	}
	return r.Credential.Password.Hash
}

// Verify implements authn.Verifier.
func (v *Verifier) Verify(ctx context.Context, r authn.Request) (authn.Proof, error) {
	password, unusable := policy.Prepare(r.Secret)
	text := password.Text()
	if unusable != nil {
		text = notAPassword
	}
	right, err := v.Hasher.Verify(ctx, r.Credential.Password.Hash, text)
	switch {
	case err != nil:
		return authn.Proof{}, err
	case !right || unusable != nil:
		return authn.Proof{}, authn.ErrWrong
	}
	return authn.Proof{Method: token.Password, Version: v.Version(r), Password: password}, nil
}
