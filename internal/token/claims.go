package token

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Audience says where a session is accepted. Each entry point accepts one audience, so that an application that
// gets a person's web session cannot use it in the cluster.
type Audience string

const (
	// Web is for the pages, the JSON API and forward authentication. It is the default.
	Web Audience = "web"
	// Kubernetes is for TokenReview, that is for kubectl and the API server.
	Kubernetes Audience = "kubernetes"
	// Console is for the administrators' pages and API, and at their hosts for the people's pages. It keeps an application that gets a
	// person's web session from administering accounts.
	Console Audience = "console"
)

// ErrUnknownAudience says that a request named an audience that does not exist.
var ErrUnknownAudience = errors.New(`unknown audience: use "web", "kubernetes" or "console"`)

// ParseAudience returns the audience of that name, [Web] for an empty one, or [ErrUnknownAudience].
func ParseAudience(name string) (Audience, error) {
	switch aud := Audience(name); aud {
	case "":
		return Web, nil
	case Web, Kubernetes, Console:
		return aud, nil
	default:
		return "", ErrUnknownAudience
	}
}

// Method is how somebody has proven who they are.
type Method string

// The values of Method.
const (
	// Password is one that Keyturn itself keeps.
	Password Method = "password"
	// OIDC is what an OpenID Connect provider says.
	OIDC Method = "oidc"
	// LDAP is a password that a directory keeps.
	LDAP Method = "ldap"
	// Kerberos is a ticket of a directory's realm.
	Kerberos Method = "kerberos"
)

// isKnown tells whether a method is one of those above.
func (m Method) isKnown() bool {
	switch m {
	case Password, OIDC, LDAP, Kerberos:
		return true
	}
	return false
}

// maxClaimBytes bounds every text in the claims. UIDs have 36 bytes, session IDs 26.
const maxClaimBytes = 128

// Lifetimes says how long sessions last, by the policy of the account.
type Lifetimes struct {
	// Idle is how long a token lasts when it is not renewed.
	Idle time.Duration
	// Max is how long a session lasts from its login on, however often it is renewed.
	Max time.Duration
	// RememberMe replaces both for people who asked to be remembered. 0 or less: nobody can be remembered.
	RememberMe time.Duration
}

// LongestToken returns how long one token can last, and so how long its key has to be kept (see [Ring.Rotate]).
// A renewed session has a new token, signed with the key of that time.
func (l Lifetimes) LongestToken() time.Duration { return max(min(l.Idle, l.Max), l.RememberMe) }

// Within returns lifetimes of at most longest, without RememberMe: of a session that must end when somebody else, such as a provider, has to be
// asked again.
func (l Lifetimes) Within(longest time.Duration) Lifetimes {
	return Lifetimes{Idle: min(l.Idle, longest), Max: min(l.Max, longest)}
}

// Claims is what a session says about itself. All instants are whole seconds in UTC.
type Claims struct {
	// AccountID is the random ID of the account, from its credential (claim "sub").
	AccountID string
	// SessionID is random, at least 128 bits (ASVS 5.0, 7.2.3), and stays the same when a session is renewed,
	// so that one session can be told from the others of its account (claim "sid").
	SessionID string
	// CredentialUID is the UID of the Secret that holds the credential (claim "cred").
	CredentialUID string
	// Generation is the credential's session generation when the session was issued; never negative (claim "gen").
	Generation int64
	// Audience says where the session is accepted (claim "aud").
	Audience Audience
	// Method of the login (claim "method"). Tokens of earlier versions have none, and are of passwords.
	Method Method
	// Provider is the name of the IdentityProvider that has verified the person (claim "provider"), and Identity a digest of who the person is
	// there (claim "ident", see provider.Identity). Both are empty for a password that Keyturn keeps.
	Provider, Identity string
	// ProvenTime is when the person last typed a password, or proved in another way who they are; zero where a provider did not say
	// (claim "proven"). An application may have to know that it was a short time ago.
	ProvenTime time.Time
	// LoginTime is when the person logged in; it does not move when the session is renewed (claim "auth_time").
	LoginTime time.Time
	// IssuedTime is when this token was made (claims "iat" and "nbf").
	IssuedTime time.Time
	// ExpiresTime is the first moment at which this token is not accepted any more (claim "exp").
	ExpiresTime time.Time
	// RememberMe says by which of the lifetimes the session is renewed (claim "remember").
	RememberMe bool
	// PreviousLogin is when the login before this one was, zero where there was none (claim "prev"), and FailedAttempts
	// how many failed in between (claim "fails"): the person is shown both, to notice an intruder.
	PreviousLogin  time.Time
	FailedAttempts int
}

// Renew returns the claims of the same session with a new expiry: life.RememberMe after the login if it is remembered, else
// now + Idle, but no later than Max after the login. It returns false if that is in the past.
func (c Claims) Renew(life Lifetimes, now time.Time) (Claims, bool) {
	now = wholeSecond(now)
	c.RememberMe = c.RememberMe && life.RememberMe > 0
	expires := now.Add(life.Idle)
	if end := c.LoginTime.Add(life.Max); end.Before(expires) {
		expires = end
	}
	if c.RememberMe {
		expires = c.LoginTime.Add(life.RememberMe)
	}
	c.IssuedTime, c.ExpiresTime = now, wholeSecond(expires)
	// Clocks of replicas may differ: a login in the future of this one is a login now.
	if c.LoginTime.After(now) {
		c.IssuedTime = c.LoginTime
	}
	return c, c.ExpiresTime.After(c.IssuedTime)
}

// Forget returns when a credential can forget that this session was ended: when its last token expires, which is this
// one or one that another replica is making just now.
func (c Claims) Forget(life Lifetimes, now time.Time) time.Time {
	last := c.ExpiresTime
	if renewed, ok := c.Renew(life, now); ok && renewed.ExpiresTime.After(last) {
		last = renewed.ExpiresTime
	}
	return last.Add(ClockSkew)
}

// New returns the claims of a new session after a login. It expires at
// now + Idle or now + Max, whichever is sooner; with remember, and if the policy allows it, at now + RememberMe.
// Lifetimes of zero make claims that [Ring.Sign] refuses.
func New(accountID, credentialUID string, generation int64, aud Audience, life Lifetimes, remember bool, now time.Time) Claims {
	now = wholeSecond(now)
	remember = remember && life.RememberMe > 0
	lifetime := min(life.Idle, life.Max)
	if remember {
		lifetime = life.RememberMe
	}
	return Claims{
		AccountID:     accountID,
		SessionID:     rand.Text(),
		CredentialUID: credentialUID,
		Generation:    generation,
		Audience:      aud,
		Method:        Password,
		ProvenTime:    now,
		LoginTime:     now,
		IssuedTime:    now,
		ExpiresTime:   wholeSecond(now.Add(lifetime)),
		RememberMe:    remember,
	}
}

// check returns an error for claims that no session can have, before they are signed and after they are read. The
// error contains no values.
func (c Claims) check() error {
	for _, text := range []struct{ name, value string }{
		{"account ID", c.AccountID},
		{"session ID", c.SessionID},
		{"credential UID", c.CredentialUID},
	} {
		if text.value == "" || len(text.value) > maxClaimBytes {
			return fmt.Errorf("the %s is empty or longer than %d bytes", text.name, maxClaimBytes)
		}
	}
	switch {
	case c.Generation < 0:
		return errors.New("the generation is negative")
	case !c.Method.isKnown():
		return errors.New("the method of the login is unknown")
	case (c.Method == Password) != (c.Provider == "" && c.Identity == "") || (c.Provider == "") != (c.Identity == ""):
		return errors.New("the provider does not go with the method of the login")
	case len(c.Provider) > maxClaimBytes || len(c.Identity) > maxClaimBytes:
		return fmt.Errorf("the provider or the identity is longer than %d bytes", maxClaimBytes)
	case c.ProvenTime.After(c.IssuedTime):
		return errors.New("it was issued before the proof")
	case c.Audience != Web && c.Audience != Kubernetes && c.Audience != Console:
		return ErrUnknownAudience
	case c.FailedAttempts < 0:
		return errors.New("the number of failed attempts is negative")
	case c.LoginTime.IsZero():
		return errors.New("the login time is missing")
	case c.LoginTime.After(c.IssuedTime):
		return errors.New("it was issued before the login")
	case !c.ExpiresTime.After(c.IssuedTime):
		return errors.New("it expires as it is issued: its lifetimes must be positive")
	}
	return nil
}

// wholeSecond cuts off what a token cannot hold (NumericDate, RFC 7519, section 2), so that claims read from a
// token equal those it was made of.
func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
