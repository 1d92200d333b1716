package authn_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/token"
)

// inProcess computes hashes here.
type inProcess struct{}

func (inProcess) Verify(_ context.Context, e hash.Encoded, password string) (bool, error) {
	return hash.Verify(e, password)
}

func (inProcess) Create(_ context.Context, password string, p hash.Parameters) (hash.Encoded, error) {
	return hash.Create(password, p)
}

func (inProcess) Digest(_ context.Context, password string, salt []byte) ([]byte, error) {
	return hash.Digest(password, salt), nil
}

func cheap() hash.Parameters {
	p := hash.DefaultParameters()
	p.Argon2id = hash.Argon2idParameters{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	return p
}

// elsewhere is a verifier that answers right at once.
type elsewhere struct{ authn.Verifier }

func (elsewhere) Version(authn.Request) authn.Version { return "elsewhere" }

func (elsewhere) Verify(context.Context, authn.Request) (authn.Proof, error) {
	return authn.Proof{Method: "elsewhere"}, nil
}

func accountOf(kind v1alpha1.AuthenticationType) *v1alpha1.UserAccount {
	return &v1alpha1.UserAccount{Spec: v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{Type: kind}}}
}

// TestFor: the type of authentication says which verifier an account has; an external account has none without a directory.
func TestFor(t *testing.T) {
	own := &local.Verifier{}
	for _, row := range []struct {
		verifiers authn.Verifiers
		kind      v1alpha1.AuthenticationType
		// version that the verifier of the account returns for a password; nil where there is no verifier.
		version authn.Version
	}{
		{authn.Verifiers{Local: own}, "", hash.Encoded("hash")},
		{authn.Verifiers{Local: own}, v1alpha1.AuthenticationLocal, hash.Encoded("hash")},
		{authn.Verifiers{Local: own}, v1alpha1.AuthenticationExternal, nil},
		{authn.Verifiers{Local: own, External: elsewhere{}}, v1alpha1.AuthenticationExternal, "elsewhere"},
		{authn.Verifiers{Local: own, External: elsewhere{}}, v1alpha1.AuthenticationLocal, hash.Encoded("hash")},
	} {
		var got authn.Version
		if v := row.verifiers.For(accountOf(row.kind)); v != nil {
			got = v.Version(authn.Request{Credential: account.Credential{Password: account.Password{Hash: "hash"}}})
		}
		if got != row.version {
			t.Errorf("with %+v, type %q has the verifier of %v, want %v", row.verifiers, row.kind, got, row.version)
		}
	}
}

// TestLocal: a proof is of the hash that was compared; what cannot be a password is wrong, and a hash that cannot be read says
// nothing about the password.
func TestLocal(t *testing.T) {
	encoded, err := hash.Create("correct horse", cheap())
	if err != nil {
		t.Fatal(err)
	}
	v := &local.Verifier{Hasher: inProcess{}}
	request := authn.Request{}
	if version := v.Version(request); version != nil {
		t.Errorf("without a password the version is %v, want none", version)
	}
	request.Credential.Password.Hash = encoded
	for secret, want := range map[string]error{
		"correct horse": nil, "wrong horse": authn.ErrWrong, "": authn.ErrWrong, "correct horse\x00": authn.ErrWrong, "cannot be a password": authn.ErrWrong,
	} {
		request.Secret = secret
		proof, err := v.Verify(t.Context(), request)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", secret, err, want)
		}
		if err == nil && (proof.Method != token.Password || proof.Version != v.Version(request) || proof.Password.Text() != secret) {
			t.Errorf("%q: the proof is %+v", secret, proof)
		}
	}
	request.Credential.Password.Hash = "no hash"
	if _, err := v.Verify(t.Context(), request); err == nil || errors.Is(err, authn.ErrWrong) {
		t.Errorf("a hash that cannot be read: %v, want that it cannot be known", err)
	}
}

// TestVerifyDummy: nothing is right, whatever it is.
func TestVerifyDummy(t *testing.T) {
	v := authn.Verifiers{Local: &local.Verifier{Hasher: inProcess{}}}
	for _, secret := range []string{"correct horse", "", "\x00", "cannot be a password"} {
		if err := v.VerifyDummy(t.Context(), cheap(), secret); !errors.Is(err, authn.ErrWrong) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// TestProven: which answers of a verifier prove the secret, and what the rules have to know then.
func TestProven(t *testing.T) {
	for err, want := range map[error]struct {
		proven account.Proven
		right  bool
	}{
		nil:            {right: true},
		authn.ErrWrong: {},
		&authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalMustChange}: {account.Proven{RefusedElsewhere: v1alpha1.ReasonExternalMustChange}, true},
		&authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalDisabled}:   {account.Proven{RefusedElsewhere: v1alpha1.ReasonExternalDisabled}, true},
		errors.New("no answer"): {},
		context.Canceled:        {},
	} {
		if got, right := authn.Proven(authn.Proof{}, err); !reflect.DeepEqual(got, want.proven) || right != want.right {
			t.Errorf("%v: %+v, %t, want %+v", err, got, right, want)
		}
	}
}
