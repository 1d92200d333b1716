package oidc

import (
	"context"
	"errors"
	"net/url"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/provider"
)

// Flow is what a login has to remember between Begin and Finish, in a signed cookie of the browser.
type Flow struct {
	// State and Nonce are random. Verifier is that of PKCE (RFC 7636).
	State, Nonce, Verifier string
	// Recent: the person has to prove anew who they are, though the provider may know them already.
	Recent bool
	// Began is when the login began.
	Began time.Time
}

// NewFlow returns a flow that begins now.
func NewFlow(recent bool, now time.Time) Flow { return Flow{Recent: recent, Began: now} }

// Person is who a provider says somebody is.
type Person struct {
	// Subject as the provider names the person.
	Subject string
	// Groups of the person, as far as they are mapped (provider.Mapped).
	Groups []string
	// ProvenTime is when the person last proved there who they are; zero where the provider does not say.
	ProvenTime time.Time
}

// Reason is why a login at a provider is refused or cannot be decided. It is a word of the audit log.
type Reason string

// Error is a login that a provider, or a check of its answer, has refused. Its text has nothing of what the provider or the browser has
// sent.
type Error struct {
	Reason Reason
	// Unavailable: the provider could not be asked. RetryAfter is when to try again.
	Unavailable bool
	RetryAfter  time.Duration
}

// Error implements error.
func (e *Error) Error() string { return "login at the identity provider: " + string(e.Reason) }

// Client asks one provider. It is safe for concurrent use.
type Client struct {
	settings *provider.Settings
	clock    clock.PassiveClock
}

// New returns a client, which asks nothing yet.
func New(settings *provider.Settings, c clock.PassiveClock) *Client {
	return &Client{settings: settings, clock: c}
}

var errNotBuilt = errors.New("not built yet")

// Begin returns the address at the provider that the browser is sent to. redirectURL is where it sends the browser back to. Error: *Error.
func (c *Client) Begin(ctx context.Context, redirectURL string, f Flow) (string, error) {
	return "", errNotBuilt
}

// Finish looks at the parameters with which the provider has sent the browser back. Error: *Error.
func (c *Client) Finish(ctx context.Context, redirectURL string, f Flow, answer url.Values) (Person, error) {
	return Person{}, errNotBuilt
}

// LogoutAddress returns where a person ends the provider's own session; empty where the provider has no such address, or is not known yet.
func (c *Client) LogoutAddress() string { return "" }

// Test asks the provider for its discovery document and its keys, and whether it knows the client. Error: *TestError.
func (c *Client) Test(ctx context.Context) error { return errNotBuilt }

// TestError says why a provider cannot be used.
type TestError struct {
	// Reason of the condition Connected.
	Reason string
	// Message says what to do. It has nothing of a Secret, and no text of the provider.
	Message string
}

// Error implements error.
func (e *TestError) Error() string { return e.Message }
