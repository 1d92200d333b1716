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
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
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
	Clock clock.PassiveClock
}

// Session is a valid session.
type Session struct {
	Account *v1alpha1.UserAccount
	Claims  token.Claims
	// Groups are those of the account, and the mapped ones that the person has at the provider. They must not be changed.
	Groups []string
}

// Login is a login, or a change of password, that succeeded.
type Login struct {
	Record *credential.Record
	Policy policy.Policy
	Answer account.Answer
	// Method by which the person has proven who they are.
	Method token.Method
	// Provider that has said who the person is; nil where Keyturn keeps the password. ProvenTime is when the person last proved there who they
	// are; zero: not known. A password that was given here is a proof of now.
	Provider   *v1alpha1.IdentityProvider
	ProvenTime time.Time
}

// Ready tells whether sessions can be issued.
func (s *Service) Ready() bool { return s.Keys.Ring().Len() > 0 }

// Issue makes a new session.
func (s *Service) Issue(l Login, audience token.Audience, remember bool) (token.Token, token.Claims, error) {
	now := s.Clock.Now()
	life := lifetimesOf(l.Policy)
	if l.Provider != nil {
		life = within(life, l.Provider)
	}
	claims := token.New(l.Record.AccountID, l.Record.UID(), l.Record.SessionGeneration, audience, life, remember, now)
	claims.PreviousLogin, claims.FailedAttempts = l.Answer.LastSuccessTime, l.Answer.FailuresBefore
	if l.Provider != nil {
		claims.Method, claims.Provider = l.Method, l.Provider.Name
		claims.Identity = provider.Identity(string(l.Provider.UID), l.Record.External.Subject)
		if l.Method != token.LDAP {
			claims.ProvenTime = l.ProvenTime.UTC().Truncate(time.Second)
		}
		if claims.ProvenTime.After(claims.LoginTime) { // By the provider's clock.
			claims.ProvenTime = claims.LoginTime
		}
	}
	signed, err := s.Keys.Ring().Sign(claims, now)
	return signed, claims, err
}

// Check returns the session of a token. Errors: ErrInvalid, ErrUnavailable.
func (s *Service) Check(ctx context.Context, text string, audience token.Audience) (Session, error) {
	claims, err := s.verify(ctx, text, audience, s.Clock.Now())
	if err != nil {
		return Session{}, err
	}
	return s.Current(ctx, claims)
}

// Current returns the session that claims are about, unless it has ended. The claims have to be of a signed token that is in its time.
// Errors: as Check.
func (s *Service) Current(ctx context.Context, claims token.Claims) (Session, error) {
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
	}
	var verifiedBy provider.Resolution // None verifies a Local account, and most accounts are.
	if a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal {
		if verifiedBy, err = s.Catalog.Provider(ctx, a); err != nil {
			return Session{}, unavailable(err)
		}
	}
	if !GoesOn(&claims, &state, a, &verifiedBy, s.Clock.Now()) {
		return Session{}, ErrInvalid
	}
	return Session{Account: a, Claims: claims, Groups: GroupsOf(&claims, &state, a, &verifiedBy)}, nil
}

// GoesOn tells whether the session of a token goes on, by the state of its credential, by its account, and by the provider that verifies
// the account.
func GoesOn(c *token.Claims, state *credential.Session, a *v1alpha1.UserAccount, verifiedBy *provider.Resolution, now time.Time) bool {
	return !hasEnded(c, state) && state.BelongsTo(a) && account.UnavailableReason(&a.Spec, now) == "" && isVerifiedBy(c, state, a, verifiedBy, now)
}

// isVerifiedBy tells whether a session began in the way in which the account is declared to be verified now: by a password here or, of an
// External account, by what its provider has said about the very person whom it declares, not longer ago than the provider's sessions last.
func isVerifiedBy(c *token.Claims, state *credential.Session, a *v1alpha1.UserAccount, verifiedBy *provider.Resolution, now time.Time) bool {
	if a.Spec.Authentication.Type != v1alpha1.AuthenticationExternal {
		return c.Method == token.Password
	}
	p := verifiedBy.Provider
	if p == nil || verifiedBy.Problem != "" || c.Provider != p.Name || !isMethodOf(c.Method, p) {
		return false
	}
	if longest, limited := provider.MaxSession(p); limited && !now.Before(c.LoginTime.Add(longest)) {
		return false
	}
	declared := a.Spec.Authentication.Subject
	if declared == "" && provider.IsDirectory(p) {
		// The first right password or ticket bound the account. This replica may not know it yet: then the session is of a higher generation than the state.
		return c.Identity == state.Identity || c.Generation > state.Generation
	}
	return c.Identity == provider.Identity(string(p.UID), declared)
}

// isMethodOf tells whether people log in through a provider in this way.
func isMethodOf(m token.Method, p *v1alpha1.IdentityProvider) bool {
	if provider.IsDirectory(p) {
		return m == token.LDAP || m == token.Kerberos
	}
	return m == token.OIDC
}

// GroupsOf returns the groups of a session that goes on: those of the account, and the mapped ones of the person at the provider. They
// must not be changed.
func GroupsOf(c *token.Claims, state *credential.Session, a *v1alpha1.UserAccount, verifiedBy *provider.Resolution) []string {
	if verifiedBy.Provider == nil || state.Identity != c.Identity {
		return a.Spec.Groups
	}
	return provider.MapGroups(verifiedBy.Provider, a.Spec.Groups, state.Groups)
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
	life, err := s.lifetimes(ctx, current)
	if err != nil {
		return token.Claims{}, err
	}
	claims, ok := current.Claims.Renew(life, s.Clock.Now())
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

// lifetimes returns how long a session may last by the policy and the provider of today. The error is ErrUnavailable.
func (s *Service) lifetimes(ctx context.Context, current Session) (token.Lifetimes, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, current.Account)
	if err != nil {
		return token.Lifetimes{}, unavailable(err)
	}
	life := lifetimesOf(resolved.Policy)
	if current.Claims.Method == token.Password {
		return life, nil
	}
	verifiedBy, err := s.Catalog.Provider(ctx, current.Account)
	switch {
	case err != nil:
		return token.Lifetimes{}, unavailable(err)
	case verifiedBy.Provider == nil:
		return life.Within(0), nil
	}
	return within(life, verifiedBy.Provider), nil
}

// within returns lifetimes within the limit of a provider, where it has one.
func within(life token.Lifetimes, p *v1alpha1.IdentityProvider) token.Lifetimes {
	if longest, limited := provider.MaxSession(p); limited {
		return life.Within(longest)
	}
	return life
}

func lifetimesOf(p policy.Policy) token.Lifetimes {
	return token.Lifetimes{Idle: p.SessionIdle, Max: p.SessionMax, RememberMe: p.SessionRememberMe}
}

func unavailable(err error) error {
	slog.Warn("Session refused because it cannot be checked", "error", err)
	return ErrUnavailable
}
