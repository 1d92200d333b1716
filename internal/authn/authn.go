package authn

import (
	"context"
	"errors"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

// What a verifier refuses a secret with. Every other error means that it cannot be known whether the secret is right: the
// login is refused, and nothing is counted.
var (
	// ErrWrong: the secret is wrong. It counts as a failure.
	ErrWrong = errors.New("the secret is wrong")
	// ErrMustChangeElsewhere: the secret is right, and has to be changed where it is kept before it logs in.
	ErrMustChangeElsewhere = errors.New("the secret has to be changed where it is kept")
	// ErrDisabledElsewhere: the secret is right, and the system that keeps it does not let its owner log in.
	ErrDisabledElsewhere = errors.New("the account is disabled where its secret is kept")
)

// Version is the state of what a verifier has looked at, such as the hash that a password was compared with. It compares with ==, and
// does not show a hash when it is printed.
type Version any

// Proof says that a secret is the account's. It holds as long as the version of what was looked at is the current one.
type Proof struct {
	Method  token.Method
	Version Version
	// Password that was given, where Keyturn keeps it and its policy judges it; zero for any other method.
	Password policy.Password
}

// Request asks whether a secret is an account's.
type Request struct {
	Account    *v1alpha1.UserAccount
	Credential account.Credential
	// Hashing are the parameters of the policy that applies.
	Hashing hash.Parameters
	// Secret as it was typed.
	Secret string
}

// Verifier proves who somebody is by a secret. It is safe for concurrent use.
type Verifier interface {
	// Version returns the version of what Verify would look at; nil where there is nothing to compare a secret with: the
	// account then answers as a name that nobody has.
	Version(account.Credential) Version
	// Verify returns a proof, or the error that refuses it. When ctx ends before the secret was looked at, it returns the
	// error of ctx; once the secret is looked at, it goes on to the end: a guess counts, also where the client hangs up. An attempt
	// holds one of few slots meanwhile, so a verifier that asks another system bounds its time, and how many wait for it.
	Verify(context.Context, Request) (Proof, error)
}

// Verifiers are the verifiers that a server has.
type Verifiers struct {
	// Local is for passwords that Keyturn keeps. It is required.
	Local Verifier
	// External is for accounts whose password is kept elsewhere; nil where there is none: nobody logs in to these then.
	External Verifier
}

// For returns the verifier of an account; nil where there is none for it.
func (v Verifiers) For(a *v1alpha1.UserAccount) Verifier {
	switch {
	case a.Spec.Authentication.Type != v1alpha1.AuthenticationExternal:
		return v.Local
	case v.External == nil:
		return nil
	default:
		return external{Verifier: v.External, verifiers: v}
	}
}

// external has a verifier answer no sooner than a local one would: otherwise a fast answer would tell an account whose password is
// kept elsewhere from a name that nobody has.
type external struct {
	Verifier

	verifiers Verifiers
}

// Verify implements Verifier.
func (e external) Verify(ctx context.Context, r Request) (Proof, error) {
	hashed := make(chan struct{})
	go func() {
		defer close(hashed)
		_ = e.verifiers.VerifyDummy(ctx, r.Hashing, r.Secret) // Only the time that it takes matters.
	}()
	proof, err := e.Verifier.Verify(ctx, r)
	<-hashed
	return proof, err
}

// VerifyDummy refuses a secret after as much work as a local password with such a hash costs. It is for names that nobody
// has, and for accounts without anything to compare a secret with: they must take as long as others.
func (v Verifiers) VerifyDummy(ctx context.Context, p hash.Parameters, secret string) error {
	r := Request{Secret: secret}
	r.Credential.Password.Hash = hash.Decoy(p)
	if _, err := v.Local.Verify(ctx, r); err != nil {
		return err
	}
	return ErrWrong // Nobody knows the password of a decoy: this is for the one in 2^256.
}

// Assertion is what an identity provider or a ticket says: who somebody is there.
type Assertion struct {
	Method token.Method
	// Namespace whose account the person wants to log in to.
	Namespace string
	// Provider is the name of the IdentityProvider that says so, ProviderUID its UID, and Subject how it names the person: unique there, and
	// never given to another person.
	Provider, ProviderUID, Subject string
	// Groups of the person at the provider, as far as they are mapped.
	Groups []string
	// ProvenTime is when the person last proved there who they are; zero: not known.
	ProvenTime time.Time
}

// Finder finds the account that an assertion is about. The error ErrNoAccount means that there is none.
type Finder func(context.Context, Assertion) (*v1alpha1.UserAccount, error)

// ErrNoAccount: nobody has declared an account for the subject of an assertion.
var ErrNoAccount = errors.New("no account is declared for this subject")

// Proven returns what the rules have to know of the answer of a verifier; false where the secret is not proven.
func Proven(err error) (account.Proven, bool) {
	switch {
	case err == nil:
		return account.Proven{}, true
	case errors.Is(err, ErrMustChangeElsewhere):
		return account.Proven{RefusedElsewhere: account.ReasonMustChangeElsewhere}, true
	case errors.Is(err, ErrDisabledElsewhere):
		return account.Proven{RefusedElsewhere: account.ReasonDisabledElsewhere}, true
	default:
		return account.Proven{}, false
	}
}
