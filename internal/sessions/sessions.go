// Package sessions issues, checks, renews and ends sessions. A session is a signed token (package token). Whether it has ended is in the
// credential of its account, whose metadata every replica watches.
//
// The package does not know HTTP: servers decide in which header or cookie a token travels.
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
	// ErrInvalid means that there is no session, or that it is over. Clients do not learn which.
	ErrInvalid = errors.New("session is not valid")
	// ErrUnavailable means that the session could not be checked, and so is refused, or that it could not be ended.
	ErrUnavailable = errors.New("session cannot be checked at present")
)

// Keys is the key ring of the cluster.
type Keys interface {
	// Ring returns the ring as the watch holds it; it may have no keys.
	Ring() *token.Ring
	// Reload reads the ring live, for one request, unless that was done too often of late.
	Reload(ctx context.Context) (*token.Ring, error)
}

// Credentials finds the session state of credentials.
type Credentials interface {
	// Session returns the session state of the credential with a UID, for a token that was issued at a time. The error is
	// credential.ErrNotFound if there is certainly no such credential, credential.ErrStale if the state may be out of date.
	Session(ctx context.Context, uid string, issued time.Time) (credential.Session, error)
}

// Accounts finds accounts.
type Accounts interface {
	// Account returns an account, which must not be changed. The error is catalog.ErrNotFound if there is certainly none.
	Account(ctx context.Context, namespace, name string) (*v1alpha1.UserAccount, error)
}

// Service issues, checks, renews and ends sessions. It is safe for concurrent use.
type Service struct {
	Keys        Keys
	Credentials Credentials
	Accounts    Accounts
	Catalog     *catalog.Catalog
	// Store records which sessions have ended.
	Store *credential.Store
	// Verifiers are the ways to log in: an account that can use none of them has no session.
	Verifiers authn.Verifiers
	Clock     clock.PassiveClock
}

// Session is a valid session.
type Session struct {
	Account *v1alpha1.UserAccount
	Claims  token.Claims
}

// Login is a login, or a change of password, that succeeded.
type Login struct {
	Record *credential.Record
	Policy policy.Policy
	Answer account.Answer
}

// Ready tells whether sessions can be issued.
func (s *Service) Ready() bool { return s.Keys.Ring().Len() > 0 }

// Issue makes a new session.
func (s *Service) Issue(l Login, audience token.Audience, remember bool) (token.Token, token.Claims, error) {
	now := s.Clock.Now()
	claims := token.New(l.Record.AccountID, l.Record.UID(), l.Record.SessionGeneration, audience, lifetimesOf(l.Policy), remember, now)
	claims.PreviousLogin, claims.FailedAttempts = l.Answer.LastSuccessTime, l.Answer.FailuresBefore
	signed, err := s.Keys.Ring().Sign(claims, now)
	return signed, claims, err
}

// Check returns the session of a token. Errors: ErrInvalid, ErrUnavailable.
func (s *Service) Check(ctx context.Context, text string, audience token.Audience) (Session, error) {
	now := s.Clock.Now()
	claims, err := s.verify(ctx, text, audience, now)
	if err != nil {
		return Session{}, err
	}
	state, err := s.Credentials.Session(ctx, claims.CredentialUID, claims.IssuedTime)
	switch {
	case errors.Is(err, credential.ErrNotFound):
		return Session{}, ErrInvalid
	case errors.Is(err, credential.ErrStale):
		return Session{}, ErrUnavailable // The log says so once, for all sessions.
	case err != nil:
		return Session{}, unavailable(err)
	}
	a, err := s.Accounts.Account(ctx, state.Owner.Namespace, state.Owner.Name)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return Session{}, ErrInvalid
	case err != nil:
		return Session{}, unavailable(err)
	case !GoesOn(s.Verifiers, &claims, &state, a, now):
		return Session{}, ErrInvalid
	}
	return Session{Account: a, Claims: claims}, nil
}

// GoesOn tells whether the session of a token goes on, by the state of its credential and by its account.
func GoesOn(v authn.Verifiers, c *token.Claims, state *credential.Session, a *v1alpha1.UserAccount, now time.Time) bool {
	return !hasEnded(c, state) && state.BelongsTo(a) && account.UnavailableReason(&a.Spec, now) == "" && v.For(a) != nil
}

// hasEnded compares a session with the state of its credential. A higher generation than that of the state is valid: this replica's watch
// is a little behind the replica that issued the session.
func hasEnded(c *token.Claims, state *credential.Session) bool {
	return c.CredentialUID != state.CredentialUID || c.Generation < state.Generation || account.HasEnded(state.Ended, c.SessionID)
}

// verify checks the token itself. It reloads the key ring for an unknown key, which may be newer than the ring.
func (s *Service) verify(ctx context.Context, text string, audience token.Audience, now time.Time) (token.Claims, error) {
	claims, err := s.Keys.Ring().Verify(text, audience, now)
	if errors.Is(err, token.ErrUnknownKey) {
		ring, reloadErr := s.Keys.Reload(ctx)
		if reloadErr != nil {
			return token.Claims{}, unavailable(reloadErr)
		}
		claims, err = ring.Verify(text, audience, now)
	}
	if err != nil {
		return token.Claims{}, ErrInvalid
	}
	return claims, nil
}

// Renew makes a new token for a valid session, whose lifetime begins now. Errors: ErrInvalid if the session is over by the current
// policy, ErrUnavailable.
func (s *Service) Renew(ctx context.Context, current Session) (token.Token, token.Claims, error) {
	claims, err := s.renewed(ctx, current)
	if err != nil {
		return token.Token{}, token.Claims{}, err
	}
	return s.sign(claims)
}

// RenewHalfway renews a session when half of its lifetime is over. It returns false before that, or if the new token would not last
// longer than the old one: a signature costs more than the whole check.
func (s *Service) RenewHalfway(ctx context.Context, current Session) (token.Token, token.Claims, bool) {
	c := current.Claims
	if s.Clock.Now().Before(c.IssuedTime.Add(c.ExpiresTime.Sub(c.IssuedTime) / 2)) {
		return token.Token{}, token.Claims{}, false
	}
	claims, err := s.renewed(ctx, current)
	if err != nil || !claims.ExpiresTime.After(c.ExpiresTime) {
		return token.Token{}, token.Claims{}, false
	}
	signed, claims, err := s.sign(claims)
	return signed, claims, err == nil
}

// renewed returns the claims of a renewed session. Errors: as Renew.
func (s *Service) renewed(ctx context.Context, current Session) (token.Claims, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, current.Account)
	if err != nil {
		return token.Claims{}, unavailable(err)
	}
	claims, ok := current.Claims.Renew(lifetimesOf(resolved.Policy), s.Clock.Now())
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
