package oidc

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/keyturn/keyturn/internal/authn/outbound"
)

const (
	// maxFlow is how long a person may take at the provider.
	maxFlow = 10 * time.Minute
	// leeway is how far the clocks of the provider and of this server, or of two servers, may differ.
	leeway = time.Minute
)

// Flow is what a login has to remember between Begin and Finish, in a signed cookie of the browser. It prints nothing of itself.
type Flow struct {
	// State and Nonce are random. Verifier is that of PKCE (RFC 7636).
	State, Nonce, Verifier string
	// Recent: the person has to prove anew who they are, though the provider may know them already.
	Recent bool
	// Began is when the login began.
	Began time.Time
}

// NewFlow returns a flow that begins now.
func NewFlow(recent bool, now time.Time) Flow {
	return Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Recent: recent, Began: now}
}

// Format implements [fmt.Formatter] for all verbs.
func (Flow) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[login flow]") }

// LogValue implements [slog.LogValuer].
func (Flow) LogValue() slog.Value { return slog.StringValue("[login flow]") }

// accept tells whether an answer may belong to the flow: its state is looked at before anything else of it.
func (f Flow) accept(answer url.Values, now time.Time) *Error {
	state := answer["state"]
	if f.State == "" || f.Nonce == "" || f.Verifier == "" || len(state) != 1 || subtle.ConstantTimeCompare([]byte(state[0]), []byte(f.State)) != 1 {
		return refused(ReasonStateMismatch)
	}
	if age := now.Sub(f.Began); age > maxFlow || age < -leeway {
		return refused(ReasonFlowExpired)
	}
	for _, values := range answer {
		if len(values) > 1 {
			return refused(ReasonAnswerMalformed)
		}
	}
	if answer.Get("error") == "" && answer.Get("code") == "" {
		return refused(ReasonAnswerMalformed)
	}
	return nil
}

// refusal says what an error of the authorization endpoint means (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6).
func refusal(code string) *Error {
	switch code {
	case "access_denied":
		return refused(ReasonAccessDenied)
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return refused(ReasonInteractionRequired)
	case "temporarily_unavailable", "server_error":
		return undecided(ReasonProviderUnavailable, outbound.BreakerPause)
	default:
		return refused(ReasonProviderRefused)
	}
}
