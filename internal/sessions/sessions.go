// Package sessions issues sessions, tells whether they hold, renews and ends them. A session is a signed token (package token)
// and nothing else: whether it has been ended is in the credential of its account, whose metadata every replica watches.
//
// The package knows no HTTP: who carries a token, in which header or cookie, is for the servers to say.
package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

var (
	// ErrInvalid means that there is no session, or that it is over; which of the two is not told.
	ErrInvalid = errors.New("session is not valid")
	// ErrUnavailable means that it cannot be known at present whether the session holds, or that it could not be ended. It is
	// refused.
	ErrUnavailable = errors.New("session cannot be checked at present")
)

// Keys is the key ring of the cluster.
type Keys interface {
	// Ring returns the ring as the watch holds it; it may have no keys.
	Ring() *token.Ring
	// Reload reads the ring live, unless that was done too often of late, and returns it for the request that asked.
	Reload(ctx context.Context) (*token.Ring, error)
}

// Credentials is what sessions need to know of credentials.
type Credentials interface {
	// Session returns what is known of the credential with a UID, for a token that was issued at a time. The error is
	// credential.ErrNotFound where there is certainly none, credential.ErrStale where what is known may be out of date.
	Session(ctx context.Context, uid string, issued time.Time) (credential.Session, error)
}

// Accounts finds accounts.
type Accounts interface {
	// Account returns an account, which must not be changed. The error is catalog.ErrNotFound where there is certainly none.
	Account(ctx context.Context, namespace, name string) (*v1alpha1.UserAccount, error)
}

// Service issues, checks, renews and ends sessions. It is safe for concurrent use.
type Service struct {
	Keys        Keys
	Credentials Credentials
	Accounts    Accounts
	Catalog     *catalog.Catalog
	// Store reads credentials live, and writes which sessions have ended.
	Store *credential.Store
	// Verifiers are those that people can log in by: an account that has none has no session.
	Verifiers authn.Verifiers
	Clock     clock.PassiveClock
}

// Session is a session that holds.
type Session struct {
	Account *v1alpha1.UserAccount
	Claims  token.Claims
}

// Login is what a session begins with.
type Login struct {
	Record *credential.Record
	Policy policy.Policy
	Answer account.Answer
}

// Ready tells whether sessions can be issued.
func (s *Service) Ready() bool { return s.Keys.Ring().Len() > 0 }

// Issue makes a new session after a login or a change that was granted.
func (s *Service) Issue(l Login, audience token.Audience, remember bool) (token.Token, token.Claims, error) {
	now := s.Clock.Now()
	claims := token.New(l.Record.AccountID, l.Record.UID(), l.Record.SessionGeneration, audience, lifetimesOf(l.Policy), remember, now)
	claims.PreviousLogin, claims.FailedAttempts = l.Answer.LastSuccessTime, l.Answer.FailuresBefore
	signed, err := s.Keys.Ring().Sign(claims, now)
	return signed, claims, err
}

// Check returns the session of a token. Errors: ErrInvalid, ErrUnavailable.
func (s *Service) Check(ctx context.Context, text string, audience token.Audience) (Session, error) {
	claims, err := s.verify(ctx, text, audience)
	if err != nil {
		return Session{}, err
	}
	known, err := s.Credentials.Session(ctx, claims.CredentialUID, claims.IssuedTime)
	switch {
	case errors.Is(err, credential.ErrNotFound):
		return Session{}, ErrInvalid
	case errors.Is(err, credential.ErrStale):
		return Session{}, ErrUnavailable // The log says so once, for all sessions.
	case err != nil:
		return Session{}, unavailable(err)
	case hasEnded(claims, known):
		return Session{}, ErrInvalid
	}
	a, err := s.Accounts.Account(ctx, known.Owner.Namespace, known.Owner.Name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return Session{}, ErrInvalid
	case err != nil:
		return Session{}, unavailable(err)
	case !known.BelongsTo(a), account.UnavailableReason(&a.Spec, s.Clock.Now()) != "", s.Verifiers.For(a) == nil:
		return Session{}, ErrInvalid
	}
	return Session{Account: a, Claims: claims}, nil
}

// hasEnded holds a session against the credential of its account. A session of a higher generation than the known one holds: it
// is newer than what this replica has heard.
func hasEnded(c token.Claims, known credential.Session) bool {
	return c.CredentialUID != known.CredentialUID || c.Generation < known.Generation || account.HasEnded(known.Ended, c.SessionID)
}

// verify looks at the token alone. A key that is not in the ring may be newer than the ring.
func (s *Service) verify(ctx context.Context, text string, audience token.Audience) (token.Claims, error) {
	claims, err := s.Keys.Ring().Verify(text, audience, s.Clock.Now())
	if errors.Is(err, token.ErrUnknownKey) {
		ring, reloadErr := s.Keys.Reload(ctx)
		if reloadErr != nil {
			return token.Claims{}, unavailable(reloadErr)
		}
		claims, err = ring.Verify(text, audience, s.Clock.Now())
	}
	if err != nil {
		return token.Claims{}, ErrInvalid
	}
	return claims, nil
}

// Renew makes a new token for a session that holds, which lasts from now on. Errors: ErrInvalid where its time is over by the
// policy of now, ErrUnavailable.
func (s *Service) Renew(ctx context.Context, held Session) (token.Token, token.Claims, error) {
	claims, err := s.renewed(ctx, held)
	if err != nil {
		return token.Token{}, token.Claims{}, err
	}
	return s.sign(claims)
}

// RenewHalfway is Renew for a session half of whose time is over. It returns false where it is not, or where a new token would not
// last longer than the one that there is: a signature that nobody needs costs more than the whole check.
func (s *Service) RenewHalfway(ctx context.Context, held Session) (token.Token, token.Claims, bool) {
	c := held.Claims
	if s.Clock.Now().Before(c.IssuedTime.Add(c.ExpiresTime.Sub(c.IssuedTime) / 2)) {
		return token.Token{}, token.Claims{}, false
	}
	claims, err := s.renewed(ctx, held)
	if err != nil || !claims.ExpiresTime.After(c.ExpiresTime) {
		return token.Token{}, token.Claims{}, false
	}
	signed, claims, err := s.sign(claims)
	return signed, claims, err == nil
}

// renewed returns the claims of a session as they would be renewed now. Errors: as Renew.
func (s *Service) renewed(ctx context.Context, held Session) (token.Claims, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, held.Account)
	if err != nil {
		return token.Claims{}, unavailable(err)
	}
	claims, ok := held.Claims.Renew(lifetimesOf(resolved.Policy), s.Clock.Now())
	if !ok {
		return token.Claims{}, ErrInvalid
	}
	return claims, nil
}

func (s *Service) sign(claims token.Claims) (token.Token, token.Claims, error) {
	signed, err := s.Keys.Ring().Sign(claims, s.Clock.Now())
	if err != nil {
		return token.Token{}, token.Claims{}, unavailable(err)
	}
	return signed, claims, nil
}

func lifetimesOf(p policy.Policy) token.Lifetimes {
	return token.Lifetimes{Idle: p.SessionIdle, Max: p.SessionMax, RememberMe: p.SessionRememberMe}
}

func unavailable(err error) error {
	slog.Warn("Session refused because it cannot be checked", "error", err)
	return ErrUnavailable
}
