package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// loginAudience keeps the tokens of logins for kubectl from being accepted as anything else.
const loginAudience Audience = "login"

// maxHostBytes is how long a host can be: the longest name with a port (RFC 1035, section 2.3.4).
const maxHostBytes = 255 + len(":65535")

// LoginLifetime is how long after a login kubectl can be let act as the person.
const LoginLifetime = 10 * time.Minute

// Login says that a session has begun because the person was led to the login page by a kubectl account login. It is in a cookie that browsers
// send to the page alone which asks whether kubectl may act as the person: whoever sees a session, such as an application, does not see this.
type Login struct {
	// SessionID of the session (claim "sid"), and Host at which it began (claim "host"): at another host of this server, an application may be at
	// the path of that page.
	SessionID, Host string
	// Challenge of that kubectl (RFC 7636, claim "s256").
	Challenge string
	// LoginTime is when the person logged in, to the second (claim "iat").
	LoginTime time.Time
}

// loginPayload is the form of [Login] inside a token.
type loginPayload struct {
	jwt.RegisteredClaims
	SessionID string `json:"sid"`
	Host      string `json:"host"`
	Challenge string `json:"s256"`
}

// SignLogin makes the token of a login. Errors: as of [Ring.Sign].
func (r *Ring) SignLogin(l Login) (Token, error) {
	if err := l.check(); err != nil {
		return Token{}, fmt.Errorf("sign login: %w", err)
	}
	at := wholeSecond(l.LoginTime)
	return r.sign(loginPayload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Audience:  jwt.ClaimStrings{string(loginAudience)},
			ExpiresAt: jwt.NewNumericDate(at.Add(LoginLifetime)),
			IssuedAt:  jwt.NewNumericDate(at),
		},
		SessionID: l.SessionID, Host: l.Host, Challenge: l.Challenge,
	}, at)
}

// VerifyLogin returns the login of a token that this ring's keys signed and that is in its time at now. Errors: as of [Ring.Verify].
func (r *Ring) VerifyLogin(token string, now time.Time) (Login, error) {
	var p loginPayload
	if err := r.parse(token, &p); err != nil {
		return Login{}, err
	}
	if err := checkRegistered(p.RegisteredClaims, loginAudience, now); err != nil {
		return Login{}, err
	}
	l := Login{SessionID: p.SessionID, Host: p.Host, Challenge: p.Challenge, LoginTime: wholeSecond(p.IssuedAt.Time)}
	if err := l.check(); err != nil {
		return Login{}, invalid(err.Error())
	}
	return l, nil
}

// check returns an error for a login that cannot be. The error contains no values.
func (l Login) check() error {
	switch {
	case l.SessionID == "" || len(l.SessionID) > maxClaimBytes:
		return fmt.Errorf("the session ID is empty or longer than %d bytes", maxClaimBytes)
	case l.Host == "" || len(l.Host) > maxHostBytes:
		return fmt.Errorf("the host is empty or longer than %d bytes", maxHostBytes)
	case !IsChallenge(l.Challenge):
		return errors.New("the challenge is malformed")
	case l.LoginTime.IsZero():
		return errors.New("the time of the login is missing")
	}
	return nil
}
