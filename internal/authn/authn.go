package authn

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

// What a verifier refuses a secret with. Every other error, and *UnavailableError, means that it cannot be known whether the secret is right: the
// login is refused, and nothing is counted unless the secret was sent elsewhere (UnavailableError.Sent).
var (
	// ErrWrong: the secret is wrong. It counts as a failure.
	ErrWrong = errors.New("the secret is wrong")
	// ErrSubjectMismatch: the name of the person belongs to somebody else there by now. The secret was not looked at. It counts as a failure, so that
	// it answers as one.
	ErrSubjectMismatch = errors.New("the name belongs to another entry than the account is bound to")
)

// RefusedElsewhereError says that the secret is right, and that the system that keeps it does not let its owner log in.
type RefusedElsewhereError struct {
	// Reason is one of those that begin with External.
	Reason v1alpha1.StandingReason
	// External is who the person is there.
	External account.External
}

// Error implements error.
func (e *RefusedElsewhereError) Error() string {
	return "refused where the secret is kept: " + string(e.Reason)
}

// UnavailableError says that the system that keeps the secret cannot be asked at present.
type UnavailableError struct {
	Provider *v1alpha1.IdentityProvider
	// Reason is one word for metrics, the audit log and people, such as Timeout.
	Reason string
	// Sent tells that the secret was sent, so that the other system may have counted a failure.
	Sent bool
	// RetryAfter is when another attempt makes sense; zero: not known.
	RetryAfter time.Duration
	// Cause is for the log. It holds nothing of a secret, and nothing that the other system has answered.
	Cause error
}

// Error implements error.
func (e *UnavailableError) Error() string { return "identity provider unavailable: " + e.Reason }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// Version is the state of what a verifier has looked at, such as the hash that a password was compared with. It compares with ==, and
// does not show a hash when it is printed.
type Version any

// Proof says that a secret is the account's. It holds as long as the version of what was looked at is the current one.
type Proof struct {
	Method  token.Method
	Version Version
	// Password that was given, where Keyturn keeps it and its policy judges it; zero for any other method.
	Password policy.Password
	// External is who the person is at Request.Provider; zero for a password that Keyturn keeps.
	External account.External
}

// Request asks whether a secret is an account's.
type Request struct {
	Account    *v1alpha1.UserAccount
	Credential account.Credential
	// CredentialUID is the UID of the Secret that has the credential.
	CredentialUID string
	// Provider verifies an External account; nil where there is none, or none that may.
	Provider *v1alpha1.IdentityProvider
	// Hashing are the parameters of the policy that applies.
	Hashing hash.Parameters
	// Address is the client's. The addresses of those who ask another system at once share its places.
	Address netip.Addr
	// Secret as it was typed.
	Secret string
}

// Verifier proves who somebody is by a secret. It is safe for concurrent use.
type Verifier interface {
	// Version returns the version of what Verify would look at, whatever the secret; nil where there is nothing to compare a secret with: the
	// account then answers as a name that nobody has.
	Version(Request) Version
	// Verify returns a proof, or the error that refuses it. When ctx ends before the secret was looked at, it returns the
	// error of ctx, or that the other system is unavailable; once the secret is looked at, it goes on to the end: a guess counts, also
	// where the client hangs up. An attempt holds one of few slots meanwhile, so a verifier that asks another system bounds its time, and
	// how many wait for it.
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
		return v.External
	}
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
	// Address is the client's, as in Request.
	Address netip.Addr
	// Provider is the name of the IdentityProvider that says so, ProviderUID its UID, and Subject how it names the person: unique there, and
	// never given to another person.
	Provider, ProviderUID, Subject string
	// Directory tells that a directory knows the person, and Names are those by which it does.
	Directory bool
	Names     []string
	// Groups of the person at the provider, as far as they are mapped.
	Groups []string
	// PasswordSetTime is when the password was set in a directory; zero: not known. State is why the directory does not let the person log in.
	PasswordSetTime time.Time
	State           v1alpha1.StandingReason
	// ProvenTime is when the person last proved there who they are; zero: not known.
	ProvenTime time.Time
}

// RefusedTicketError says that a ticket does not prove who somebody is.
type RefusedTicketError struct {
	// Reason is one word for metrics, the audit log and people, such as ClockSkew.
	Reason string
}

// Error implements error.
func (e *RefusedTicketError) Error() string { return "ticket refused: " + e.Reason }

// Finder finds the account that an assertion is about. The error ErrNoAccount means that there is none.
type Finder func(context.Context, Assertion) (*v1alpha1.UserAccount, error)

// ErrNoAccount: nobody has declared an account for the subject of an assertion.
var ErrNoAccount = errors.New("no account is declared for this subject")

// Proven returns what the rules have to know of the answer of a verifier; false where the secret is not proven.
func Proven(p Proof, err error) (account.Proven, bool) {
	if err == nil {
		return account.Proven{External: p.External}, true
	}
	if refused, ok := errors.AsType[*RefusedElsewhereError](err); ok {
		return account.Proven{External: refused.External, RefusedElsewhere: refused.Reason}, true
	}
	return account.Proven{}, false
}
