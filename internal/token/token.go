package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Issuer is the "iss" of every token. It names the software, not the installation: keys are never shared
	// between installations, so a signature that verifies already says where a token comes from.
	Issuer = "keyturn"
	// ClockSkew is how far the clock of a replica that verifies may be behind that of the one that signed. It
	// applies to "iat" and "nbf"; a token never lives longer for it.
	ClockSkew = 60 * time.Second
	// MaxTokenBytes bounds a token before anything looks into it. Tokens have about 600 bytes; cookies, the
	// narrowest way they travel, hold 4096 (RFC 6265, section 6.1).
	MaxTokenBytes = 4096

	// tokenType is the "typ" of every token.
	tokenType = "JWT"
	// tokenAlphabet is that of RFC 7515, section 7.1. Go's base64 skips line breaks, so others are refused by hand.
	tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
)

// Errors of [Ring.Verify] and [Ring.Sign]. Their texts, wrapped or not, hold nothing of the token.
var (
	// ErrInvalidToken: not a token of this software, or for another audience, or not yet valid.
	ErrInvalidToken = errors.New("session token is not valid")
	// ErrExpired: valid once, but its time is over; log in again.
	ErrExpired = errors.New("session has expired")
	// ErrUnknownKey: well-formed, but signed with a key that is not in this ring. The key may be newer than the ring:
	// load the ring again, at a limited rate, and verify once more.
	ErrUnknownKey = errors.New("session token is signed with an unknown key")
	// ErrNoSigningKey: the ring holds no key. The operator makes the first one; see its log.
	ErrNoSigningKey = errors.New("there is no key to sign sessions with")
)

// parser checks form, algorithm and signature. The claims are checked by [Ring.Verify], which is stricter than
// the library: it has leeway for some times only, and takes no second audience.
var parser = jwt.NewParser(
	jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
	jwt.WithStrictDecoding(),
	jwt.WithoutClaimsValidation(),
)

// payload is the form of [Claims] inside a token. Pointers tell what is missing from what is zero.
type payload struct {
	jwt.RegisteredClaims
	LoginTime     *jwt.NumericDate `json:"auth_time"`
	SessionID     string           `json:"sid"`
	CredentialUID string           `json:"cred"`
	Generation    *int64           `json:"gen"`
	RememberMe    bool             `json:"remember,omitempty"`
	Previous      *jwt.NumericDate `json:"prev,omitempty"`
	Failed        int              `json:"fails,omitempty"`
	Method        Method           `json:"method,omitempty"`
	Provider      string           `json:"provider,omitempty"`
	Identity      string           `json:"ident,omitempty"`
	Proven        *jwt.NumericDate `json:"proven,omitempty"`
}

// Sign makes a token of claims with the key that signs at now. It returns [ErrNoSigningKey] if the ring is
// empty, and refuses claims that Verify would refuse.
func (r *Ring) Sign(claims Claims, now time.Time) (Token, error) {
	if err := claims.check(); err != nil {
		return Token{}, fmt.Errorf("sign session: %w", err)
	}
	p := payload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   claims.AccountID,
			Audience:  jwt.ClaimStrings{string(claims.Audience)},
			ExpiresAt: jwt.NewNumericDate(claims.ExpiresTime),
			NotBefore: jwt.NewNumericDate(claims.IssuedTime),
			IssuedAt:  jwt.NewNumericDate(claims.IssuedTime),
		},
		LoginTime:     jwt.NewNumericDate(claims.LoginTime),
		SessionID:     claims.SessionID,
		CredentialUID: claims.CredentialUID,
		Generation:    &claims.Generation,
		RememberMe:    claims.RememberMe,
		Failed:        claims.FailedAttempts,
	}
	if !claims.PreviousLogin.IsZero() {
		p.Previous = jwt.NewNumericDate(claims.PreviousLogin)
	}
	if claims.Method != Password { // Of a password, earlier versions and this one write the same.
		p.Method, p.Provider, p.Identity = claims.Method, claims.Provider, claims.Identity
		if !claims.ProvenTime.IsZero() {
			p.Proven = jwt.NewNumericDate(claims.ProvenTime)
		}
	}
	return r.sign(p, now)
}

// sign makes a token with a payload.
func (r *Ring) sign(payload jwt.Claims, now time.Time) (Token, error) {
	key := r.signingKey(now)
	if key == nil {
		return Token{}, ErrNoSigningKey
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, payload)
	token.Header["kid"] = key.id
	text, err := token.SignedString(key.private.get())
	if err != nil {
		return Token{}, fmt.Errorf("sign session with key %s: %w", key.id, err)
	}
	return Token{text: hide(text)}, nil
}

// Verify returns the claims of a token that this ring's keys signed for aud and that is in its time at now. Its
// errors are [ErrUnknownKey], [ErrExpired] (which implies that all else is right) and, for everything else,
// [ErrInvalidToken] wrapped with a reason for logs. Package sessions checks whether the session was ended.
func (r *Ring) Verify(token string, aud Audience, now time.Time) (Claims, error) {
	claims, err := r.signedClaims(token)
	switch {
	case err != nil:
		return Claims{}, err
	case claims.Audience != aud:
		return Claims{}, invalid("it is for another audience")
	case claims.IssuedTime.After(now.Add(ClockSkew)):
		return Claims{}, invalid("it is not valid yet: compare the clocks of the replicas")
	case !claims.ExpiresTime.After(now):
		return Claims{}, ErrExpired
	}
	return claims, nil
}

// parse reads the payload of a token if a key of the ring has signed it.
func (r *Ring) parse(token string, payload jwt.Claims) error {
	if len(token) > MaxTokenBytes {
		return invalid("it is too long")
	}
	if strings.Trim(token, tokenAlphabet) != "" {
		return invalid("it is malformed")
	}
	if _, err := parser.ParseWithClaims(token, payload, r.verificationKey); err != nil {
		return parseError(err)
	}
	return nil
}

// checkRegistered checks the claims that every token but a session's has in the same form: it is for an audience, and in its time at now. Errors: as of [Ring.Verify].
func checkRegistered(c jwt.RegisteredClaims, audience Audience, now time.Time) error {
	switch {
	case c.Issuer != Issuer:
		return invalid("it is from another issuer")
	case len(c.Audience) != 1 || c.Audience[0] != string(audience):
		return invalid("it is for another audience")
	case c.ExpiresAt == nil, c.IssuedAt == nil:
		return invalid("a claim is missing")
	case c.IssuedAt.After(now.Add(ClockSkew)):
		return invalid("it is not valid yet: compare the clocks of the replicas")
	case !c.ExpiresAt.After(now):
		return ErrExpired
	}
	return nil
}

// signedClaims returns the claims of a session token if a key of the ring has signed it.
func (r *Ring) signedClaims(token string) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return Claims{}, invalid("it is too long")
	}
	if r.verified.get != nil {
		if known, found := r.verified.get().Get(token); found {
			return known.(Claims), nil
		}
	}
	var p payload
	if err := r.parse(token, &p); err != nil {
		return Claims{}, err
	}
	claims, err := p.claims()
	if err != nil {
		return Claims{}, err
	}
	r.verified.get().Add(strings.Clone(token), claims) // A clone: the token may be a part of a long header.
	return claims, nil
}

// verificationKey is a [jwt.Keyfunc]. The header must be what Sign writes, member for member: that leaves no room
// for "crit", "jwk", "jku" and the like (RFC 8725, sections 3.1 and 3.10).
func (r *Ring) verificationKey(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	if len(token.Header) != 3 || token.Header["typ"] != tokenType || !isKeyID(id) {
		return nil, ErrInvalidToken
	}
	key := r.find(id)
	if key == nil {
		return nil, ErrUnknownKey
	}
	return key.public, nil
}

// claims returns the claims of a token if none is missing.
func (p *payload) claims() (Claims, error) {
	switch {
	case p.Issuer != Issuer:
		return Claims{}, invalid("it is from another issuer")
	case len(p.Audience) != 1:
		return Claims{}, invalid("it does not have exactly one audience")
	case p.ExpiresAt == nil, p.NotBefore == nil, p.IssuedAt == nil, p.LoginTime == nil, p.Generation == nil:
		return Claims{}, invalid("a claim is missing")
	case !p.NotBefore.Equal(p.IssuedAt.Time):
		return Claims{}, invalid("it is not valid from when it was issued")
	}
	claims := Claims{
		AccountID:      p.Subject,
		SessionID:      p.SessionID,
		CredentialUID:  p.CredentialUID,
		Generation:     *p.Generation,
		Audience:       Audience(p.Audience[0]),
		LoginTime:      wholeSecond(p.LoginTime.Time),
		IssuedTime:     wholeSecond(p.IssuedAt.Time),
		ExpiresTime:    wholeSecond(p.ExpiresAt.Time),
		RememberMe:     p.RememberMe,
		FailedAttempts: p.Failed,
		Method:         p.Method,
		Provider:       p.Provider,
		Identity:       p.Identity,
	}
	if p.Previous != nil {
		claims.PreviousLogin = wholeSecond(p.Previous.Time)
	}
	switch {
	case claims.Method == "":
		claims.Method, claims.ProvenTime = Password, claims.LoginTime
	case p.Proven != nil:
		claims.ProvenTime = wholeSecond(p.Proven.Time)
	}
	if err := claims.check(); err != nil {
		return Claims{}, invalid(err.Error())
	}
	return claims, nil
}

// parseError replaces the library's errors, which quote from the token.
func parseError(err error) error {
	switch {
	case errors.Is(err, ErrUnknownKey):
		return ErrUnknownKey
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid("its algorithm or signature is wrong")
	default:
		return invalid("it is malformed")
	}
}

func invalid(reason string) error { return fmt.Errorf("%w: %s", ErrInvalidToken, reason) }
