package token

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// flowAudience keeps flow tokens from being accepted as sessions, and sessions as flow tokens.
const flowAudience Audience = "flow"

// maxFlowBytes bounds the token of a flow: a cookie holds 4096 bytes, its name and attributes included (RFC 6265, section 6.1).
const maxFlowBytes = 3900

// JSON writes & as six characters. An address to return to can have hundreds, and never a space.
var (
	packAddress   = strings.NewReplacer("&", " ")
	unpackAddress = strings.NewReplacer(" ", "&")
)

// FlowLifetime is how long a person may take to log in at a provider.
const FlowLifetime = 10 * time.Minute

// Flow is the content of the cookie that a browser has while its person logs in at an identity provider. It is no session.
type Flow struct {
	// Provider is the name of the IdentityProvider, and ProviderUID its UID (claims "provider" and "provider_uid").
	Provider, ProviderUID string
	// Namespace whose account the person wants to log in to (claim "ns").
	Namespace string
	// ReturnTo is where the person goes after the login; empty: nowhere in particular (claim "to"). It has no spaces. One that is too long for
	// a cookie is left out.
	ReturnTo string
	// State and Nonce are random, and Verifier is that of PKCE (claims "state", "nonce" and "pkce"). Only this browser has them.
	State, Nonce, Verifier string
	// Recent: the person has to prove anew who they are (claim "recent").
	Recent bool
	// BeganTime is when the flow began, to the second (claim "iat").
	BeganTime time.Time
}

// Format implements [fmt.Formatter] for all verbs: a flow has what only its browser may know.
func (Flow) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// flowPayload is the form of [Flow] inside a token.
type flowPayload struct {
	jwt.RegisteredClaims
	Provider    string `json:"provider"`
	ProviderUID string `json:"provider_uid"`
	Namespace   string `json:"ns"`
	ReturnTo    string `json:"to,omitempty"`
	State       string `json:"state"`
	Nonce       string `json:"nonce"`
	Verifier    string `json:"pkce"`
	Recent      bool   `json:"recent,omitempty"`
}

// SignFlow makes the token of a flow. Errors: as of [Ring.Sign].
func (r *Ring) SignFlow(f Flow) (Token, error) {
	if err := f.check(); err != nil {
		return Token{}, fmt.Errorf("sign flow: %w", err)
	}
	signed, err := r.signFlow(f)
	if err == nil && len(signed.Text()) > maxFlowBytes {
		f.ReturnTo = ""
		signed, err = r.signFlow(f)
	}
	return signed, err
}

func (r *Ring) signFlow(f Flow) (Token, error) {
	began := wholeSecond(f.BeganTime)
	return r.sign(flowPayload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Audience:  jwt.ClaimStrings{string(flowAudience)},
			ExpiresAt: jwt.NewNumericDate(began.Add(FlowLifetime)),
			IssuedAt:  jwt.NewNumericDate(began),
		},
		Provider: f.Provider, ProviderUID: f.ProviderUID, Namespace: f.Namespace, ReturnTo: packAddress.Replace(f.ReturnTo),
		State: f.State, Nonce: f.Nonce, Verifier: f.Verifier, Recent: f.Recent,
	}, began)
}

// VerifyFlow returns the flow of a token that this ring's keys signed and that is in its time at now. Errors: as of [Ring.Verify].
func (r *Ring) VerifyFlow(token string, now time.Time) (Flow, error) {
	var p flowPayload
	if err := r.parse(token, &p); err != nil {
		return Flow{}, err
	}
	if err := checkRegistered(p.RegisteredClaims, flowAudience, now); err != nil {
		return Flow{}, err
	}
	f := Flow{
		Provider: p.Provider, ProviderUID: p.ProviderUID, Namespace: p.Namespace, ReturnTo: unpackAddress.Replace(p.ReturnTo),
		State: p.State, Nonce: p.Nonce, Verifier: p.Verifier, Recent: p.Recent, BeganTime: wholeSecond(p.IssuedAt.Time),
	}
	if err := f.check(); err != nil {
		return Flow{}, invalid(err.Error())
	}
	return f, nil
}

// check returns an error for a flow that cannot exist. The error contains no values.
func (f Flow) check() error {
	for _, text := range []string{f.Provider, f.ProviderUID, f.Namespace, f.State, f.Nonce, f.Verifier} {
		if text == "" || len(text) > maxClaimBytes {
			return fmt.Errorf("a text of the flow is empty or longer than %d bytes", maxClaimBytes)
		}
	}
	if f.BeganTime.IsZero() {
		return errors.New("the beginning is missing")
	}
	return nil
}
