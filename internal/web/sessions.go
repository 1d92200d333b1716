package web

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

var (
	// ErrInvalidSession means no session, or one that is over; which, is not told.
	ErrInvalidSession = errors.New("session is not valid")
	// ErrSessionUnknown means that it cannot be known at present whether the session holds. It is refused.
	ErrSessionUnknown = errors.New("session cannot be checked at present")
)

// Keys is the key ring of the cluster.
type Keys interface {
	// Ring returns the ring as the watch holds it; it may have no keys.
	Ring() *token.Ring
	// Reload reads the ring live, unless that was done too often of late, and returns it for the request that asked.
	Reload(ctx context.Context) (*token.Ring, error)
}

// Credentials tells what sessions need to know of credentials.
type Credentials interface {
	// Session returns what is known of the credential with a UID, of a token that was issued at a time. The error is credential.ErrNotFound where there is
	// none for certain, credential.ErrStale where what is known may be out of date.
	Session(ctx context.Context, uid string, issued time.Time) (credential.Session, error)
}

// Accounts tells of declared accounts.
type Accounts interface {
	// Account returns a declared account, which must not be changed. The error is catalog.ErrNotFound where there is none
	// for certain.
	Account(ctx context.Context, namespace, name string) (*v1alpha1.UserAccount, error)
}

// Sessions issues sessions and tells whether they hold. Every door that takes a token goes through its Check.
type Sessions struct {
	Keys        Keys
	Credentials Credentials
	Accounts    Accounts
	Catalog     *catalog.Catalog
	Clock       clock.PassiveClock
	// Metrics count what Check finds; nil: nobody counts.
	Metrics *Metrics
}

// Session is a session that holds.
type Session struct {
	Account *v1alpha1.UserAccount
	Claims  token.Claims
}

// Ready tells whether sessions can be issued. Whoever is about to spend an attempt asks first.
func (s *Sessions) Ready() bool { return s.Keys.Ring().Len() > 0 }

// Issue makes a new session after a login or a change that was granted.
func (s *Sessions) Issue(granted *login.Result, audience token.Audience, remember bool) (token.Token, token.Claims, error) {
	now := s.Clock.Now()
	claims := token.New(granted.Record.AccountID, granted.Record.UID(), granted.Record.SessionGeneration,
		audience, lifetimesOf(granted.Policy), remember, now)
	claims.PreviousLogin, claims.FailedAttempts = granted.Answer.LastSuccessTime, granted.Answer.FailuresBefore
	signed, err := s.Keys.Ring().Sign(claims, now)
	return signed, claims, err
}

// Renew makes a new token for a session that holds, which lasts from now on. Errors: ErrInvalidSession where its time is
// over by the policy of now, ErrSessionUnknown.
func (s *Sessions) Renew(ctx context.Context, held Session) (token.Token, token.Claims, error) {
	claims, err := s.renewed(ctx, held)
	if err != nil {
		return token.Token{}, token.Claims{}, err
	}
	signed, err := s.sign(claims)
	return signed, claims, err
}

// renewed returns the claims of a session as they would be renewed now. Errors as of Renew.
func (s *Sessions) renewed(ctx context.Context, held Session) (token.Claims, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, held.Account)
	if err != nil {
		return token.Claims{}, unknown(err)
	}
	claims, ok := held.Claims.Renew(lifetimesOf(resolved.Policy), s.Clock.Now())
	if !ok {
		return token.Claims{}, ErrInvalidSession
	}
	return claims, nil
}

// sign makes the token of claims. The error is ErrSessionUnknown.
func (s *Sessions) sign(claims token.Claims) (token.Token, error) {
	signed, err := s.Keys.Ring().Sign(claims, s.Clock.Now())
	if err != nil {
		return token.Token{}, unknown(err)
	}
	return signed, nil
}

// Forget returns when the last token of a session expires. The error is ErrSessionUnknown.
func (s *Sessions) Forget(ctx context.Context, held Session) (time.Time, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, held.Account)
	if err != nil {
		return time.Time{}, unknown(err)
	}
	return held.Claims.Forget(lifetimesOf(resolved.Policy), s.Clock.Now()), nil
}

func lifetimesOf(p policy.Policy) token.Lifetimes {
	return token.Lifetimes{Idle: p.SessionIdle, Max: p.SessionMax, RememberMe: p.SessionRememberMe}
}

// Verify returns the session of a token. Errors: ErrInvalidSession, ErrSessionUnknown.
func (s *Sessions) Verify(ctx context.Context, signed string, audience token.Audience) (Session, error) {
	claims, err := s.verifyToken(ctx, signed, audience)
	if err != nil {
		return Session{}, err
	}
	known, err := s.Credentials.Session(ctx, claims.CredentialUID, claims.IssuedTime)
	switch {
	case errors.Is(err, credential.ErrNotFound):
		return Session{}, ErrInvalidSession
	case errors.Is(err, credential.ErrStale):
		return Session{}, ErrSessionUnknown // The log has been told once, for all.
	case err != nil:
		return Session{}, unknown(err)
	case claims.Validity(token.Known{
		UID: known.CredentialUID, Generation: known.Generation,
		Ended: func(id string) bool { return account.HasEnded(known.Ended, id) },
	}) != token.Valid:
		return Session{}, ErrInvalidSession
	}
	declared, err := s.Accounts.Account(ctx, known.Owner.Namespace, known.Owner.Name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return Session{}, ErrInvalidSession
	case err != nil:
		return Session{}, unknown(err)
	}
	rules := account.Rules{Spec: &declared.Spec, Now: s.Clock.Now()}
	if string(declared.UID) != known.Owner.UID || rules.Unavailable() != "" || rules.IsExternal() {
		return Session{}, ErrInvalidSession
	}
	return Session{Account: declared, Claims: claims}, nil
}

// verifyToken looks at the token alone. A key that is not in the ring may be newer than it.
func (s *Sessions) verifyToken(ctx context.Context, signed string, audience token.Audience) (token.Claims, error) {
	claims, err := s.Keys.Ring().Verify(signed, audience, s.Clock.Now())
	if errors.Is(err, token.ErrUnknownKey) {
		ring, reloadErr := s.Keys.Reload(ctx)
		if reloadErr != nil {
			return token.Claims{}, unknown(reloadErr)
		}
		claims, err = ring.Verify(signed, audience, s.Clock.Now())
	}
	if err != nil {
		return token.Claims{}, ErrInvalidSession
	}
	return claims, nil
}

func unknown(err error) error {
	slog.Warn("Session refused because it cannot be checked", "error", err)
	return ErrSessionUnknown
}
