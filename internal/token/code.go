package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// codeAudience keeps login codes from being accepted as sessions, and sessions as login codes.
const codeAudience Audience = "code"

const (
	// CodeLifetime is how long a login code can be exchanged: a browser hands it over at once, and a person copies it.
	CodeLifetime = 60 * time.Second

	// challengeBytes is the length of a code challenge: a SHA-256 digest in base64url without padding (RFC 7636, section 4.2).
	challengeBytes = 43
	// minVerifierBytes, maxVerifierBytes and verifierAlphabet are those of RFC 7636, section 4.1.
	minVerifierBytes, maxVerifierBytes = 43, 128
	verifierAlphabet                   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)

// ErrWrongVerifier means that a login code was made for another program than the one that wants to exchange it.
var ErrWrongVerifier = errors.New("login code was made for another verifier")

// Code is a login code: with it, a program on the person's computer begins a session of its own, after the person has allowed that on a page.
// Whoever sees the code can do nothing with it, since exchanging it takes the verifier, which never leaves that program (RFC 7636). All
// instants are whole seconds in UTC.
type Code struct {
	// Session is the one in which the person has allowed it. Of its instants, the code has those of the login and its proof.
	Session Claims
	// Challenge is the SHA-256 digest of the verifier, in base64url (claim "s256").
	Challenge string
	// IssuedTime is when the code was made (claim "iat").
	IssuedTime time.Time
}

// codePayload is the form of [Code] inside a token. It repeats what [payload] has in part only: people paste a code into terminals, of which
// some take lines of 1,024 bytes.
type codePayload struct {
	jwt.RegisteredClaims
	LoginTime     *jwt.NumericDate `json:"auth_time"`
	SessionID     string           `json:"sid"`
	CredentialUID string           `json:"cred"`
	Generation    *int64           `json:"gen"`
	Previous      *jwt.NumericDate `json:"prev,omitempty"`
	Failed        int              `json:"fails,omitempty"`
	Method        Method           `json:"method"`
	Provider      string           `json:"provider,omitempty"`
	Identity      string           `json:"ident,omitempty"`
	Proven        *jwt.NumericDate `json:"proven,omitempty"`
	Challenge     string           `json:"s256"`
}

// IsChallenge tells whether a text has the form of a code challenge: 43 characters of base64url.
func IsChallenge(text string) bool {
	digest, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(text) == challengeBytes && len(digest) == sha256.Size
}

// ChallengeOf returns the code challenge of a verifier.
func ChallengeOf(verifier string) string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// SignCode makes a login code, which expires CodeLifetime after it was issued. Errors: as of [Ring.Sign].
func (r *Ring) SignCode(c Code) (Token, error) {
	c.IssuedTime = wholeSecond(c.IssuedTime)
	if err := c.check(); err != nil {
		return Token{}, fmt.Errorf("sign login code: %w", err)
	}
	s := c.Session
	p := codePayload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   s.AccountID,
			Audience:  jwt.ClaimStrings{string(codeAudience)},
			ExpiresAt: jwt.NewNumericDate(c.IssuedTime.Add(CodeLifetime)),
			IssuedAt:  jwt.NewNumericDate(c.IssuedTime),
		},
		LoginTime: jwt.NewNumericDate(s.LoginTime), SessionID: s.SessionID, CredentialUID: s.CredentialUID, Generation: &s.Generation,
		Failed: s.FailedAttempts, Method: s.Method, Provider: s.Provider, Identity: s.Identity, Challenge: c.Challenge,
	}
	if !s.PreviousLogin.IsZero() {
		p.Previous = jwt.NewNumericDate(s.PreviousLogin)
	}
	if !s.ProvenTime.IsZero() {
		p.Proven = jwt.NewNumericDate(s.ProvenTime)
	}
	return r.sign(p, c.IssuedTime)
}

// VerifyCode returns the login code that this ring's keys signed, that is in its time at now, and that was made for a verifier. Errors: those
// of [Ring.Verify], and [ErrWrongVerifier].
func (r *Ring) VerifyCode(text, verifier string, now time.Time) (Code, error) {
	var p codePayload
	if err := r.parse(text, &p); err != nil {
		return Code{}, err
	}
	if err := checkRegistered(p.RegisteredClaims, codeAudience, now); err != nil {
		return Code{}, err
	}
	switch {
	case p.LoginTime == nil, p.Generation == nil:
		return Code{}, invalid("a claim is missing")
	case !matches(p.Challenge, verifier):
		return Code{}, ErrWrongVerifier
	}
	c := p.code()
	if err := c.check(); err != nil {
		return Code{}, invalid(err.Error())
	}
	return c, nil
}

func (p *codePayload) code() Code {
	issued := wholeSecond(p.IssuedAt.Time)
	c := Code{Challenge: p.Challenge, IssuedTime: issued, Session: Claims{
		AccountID: p.Subject, SessionID: p.SessionID, CredentialUID: p.CredentialUID, Generation: *p.Generation,
		LoginTime: wholeSecond(p.LoginTime.Time), FailedAttempts: p.Failed, Method: p.Method, Provider: p.Provider, Identity: p.Identity,
	}}
	if p.Previous != nil {
		c.Session.PreviousLogin = wholeSecond(p.Previous.Time)
	}
	if p.Proven != nil {
		c.Session.ProvenTime = wholeSecond(p.Proven.Time)
	}
	return c
}

// matches tells whether a verifier is the one of a challenge.
func matches(challenge, verifier string) bool {
	if len(verifier) < minVerifierBytes || len(verifier) > maxVerifierBytes || strings.Trim(verifier, verifierAlphabet) != "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(ChallengeOf(verifier)), []byte(challenge)) == 1
}

// check returns an error for a code that cannot exist. The error contains no values.
func (c Code) check() error {
	switch {
	case !IsChallenge(c.Challenge):
		return errors.New("the challenge is not a digest in base64url")
	case c.IssuedTime.IsZero():
		return errors.New("the time of issue is missing")
	}
	// What a code has of a session must be what a session can have, whichever audience that is of and whenever it expires.
	s := c.Session
	s.Audience, s.IssuedTime, s.ExpiresTime = Kubernetes, c.IssuedTime, c.IssuedTime.Add(CodeLifetime)
	return s.check()
}
