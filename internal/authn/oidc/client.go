package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
)

// maxRunning logins ask a provider at once, maxWaiting wait for their turn.
const maxRunning, maxWaiting = 8, 32

// Person is who a provider says somebody is.
type Person struct {
	// Subject as the provider names the person.
	Subject string
	// Groups of the person, as far as they are mapped (provider.Mapped).
	Groups []string
	// ProvenTime is when the person last proved there who they are; zero where the provider does not say.
	ProvenTime time.Time
}

// Client asks one provider. It is safe for concurrent use. It keeps what it has discovered, so there should be one for each version of the
// settings.
type Client struct {
	// OnRequest is told how long each request to the provider took, if it is set. Set it before the client is used.
	OnRequest func(time.Duration)

	settings *provider.Settings
	clock    clock.PassiveClock
	bounds   bounds

	transport   *transport
	gate        outbound.Gate
	answered    *answered
	discovering singleflight.Group
	discovered  atomic.Pointer[discovered]
	// unusable is of the discovery document.
	unusable unusable
}

// New returns a client, which asks nothing yet.
func New(settings *provider.Settings, c clock.PassiveClock) *Client {
	return newClient(settings, c, defaultBounds())
}

func newClient(settings *provider.Settings, clk clock.PassiveClock, b bounds) *Client {
	c := &Client{
		settings: settings, clock: clk, bounds: b, answered: newAnswered(), unusable: unusable{clock: clk},
		gate: outbound.Gate{Turns: outbound.NewTurns(maxRunning, maxWaiting), Breaker: outbound.NewBreaker(clk)},
	}
	c.transport = newTransport(settings, clk, b)
	c.transport.done = c.recordRequest
	return c
}

// recordRequest tells the breaker and OnRequest of a request.
func (c *Client) recordRequest(took time.Duration, failed *failure) {
	if failed == nil || failed.cause != causeCanceled {
		c.gate.Breaker.Record(failed == nil || !failed.isTransport())
	}
	if c.OnRequest != nil {
		c.OnRequest(took)
	}
}

// Stats of a client, for metrics.
type Stats = outbound.Stats

// Stats returns the present ones.
func (c *Client) Stats() Stats { return c.gate.Stats() }

// Begin returns the address at the provider that the browser is sent to. redirectURL is where it sends the browser back to, and from the
// browser's address, if it is known. Error: *Error.
func (c *Client) Begin(ctx context.Context, from netip.Addr, redirectURL string, f Flow) (string, error) {
	if d := c.current(); d != nil {
		if refusal := c.gate.Breaker.Check(); refusal != nil {
			return "", notAsked(refusal)
		}
		return c.authorization(d, redirectURL, f), nil
	}
	var address string
	err := c.attempt(ctx, from, func(ctx context.Context) *Error {
		d, err := c.discover(ctx)
		if err != nil {
			return errorOf(err)
		}
		address = c.authorization(d, redirectURL, f)
		return nil
	})
	if err != nil {
		return "", err
	}
	return address, nil
}

func (c *Client) authorization(d *discovered, redirectURL string, f Flow) string {
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if f.Recent {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return c.config(d, redirectURL).AuthCodeURL(f.State, options...)
}

func (c *Client) config(d *discovered, redirectURL string) *oauth2.Config {
	declared := c.settings.Provider.Spec.OIDC
	return &oauth2.Config{
		ClientID: declared.ClientID, ClientSecret: c.settings.ClientSecret.Text(), Endpoint: d.endpoint,
		RedirectURL: redirectURL, Scopes: declared.Scopes,
	}
}

// Finish looks at the parameters with which the provider has sent the browser back. A login is answered once: a second answer is refused,
// unless the first one has not reached the provider. From when its turn has come, it goes on though ctx is canceled, so that hanging up
// hides no refusal. Error: *Error.
func (c *Client) Finish(ctx context.Context, from netip.Addr, redirectURL string, f Flow, answer url.Values) (Person, error) {
	if refusal := f.accept(answer, c.clock.Now()); refusal != nil {
		return Person{}, refusal
	}
	if answer.Has("iss") && answer.Get("iss") != c.settings.Provider.Spec.OIDC.Issuer {
		return Person{}, refused(ReasonIssuerMismatch)
	}
	if !c.answered.add(f.State) {
		return Person{}, refused(ReasonFlowUsed)
	}
	var person Person
	isAnswered := false
	err := c.attempt(ctx, from, func(ctx context.Context) *Error {
		deadline, _ := ctx.Deadline()
		ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
		defer cancel()
		d, err := c.discover(ctx)
		if err == nil && ctx.Err() != nil {
			err = ended(ctx)
		}
		if err != nil {
			return errorOf(err)
		}
		isAnswered = true
		finish, cancel := outbound.Finishing(ctx, c.bounds.operation)
		defer cancel()
		var refusal *Error
		person, refusal = c.read(finish, d, redirectURL, f, answer)
		return refusal
	})
	if !isAnswered {
		c.answered.remove(f.State)
	}
	if err != nil {
		return Person{}, err
	}
	return person, nil
}

// read turns an answer into a person.
func (c *Client) read(ctx context.Context, d *discovered, redirectURL string, f Flow, answer url.Values) (Person, *Error) {
	if d.announcesIssuer && answer.Get("iss") == "" {
		return Person{}, refused(ReasonIssuerMismatch)
	}
	if answer.Has("error") {
		return Person{}, refusal(answer.Get("error"))
	}
	return c.exchange(ctx, d, redirectURL, f, answer.Get("code"))
}

// attempt has a login ask the provider in its turn, and from then on within its time, unless the breaker is open. Error: *Error.
func (c *Client) attempt(ctx context.Context, from netip.Addr, ask func(context.Context) *Error) error {
	waiting, stopWaiting := context.WithTimeout(ctx, c.bounds.turn)
	leave, refusal := c.gate.Enter(waiting, from)
	stopWaiting()
	if refusal != nil {
		return notAsked(refusal)
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, c.bounds.attempt)
	defer cancel()
	if refusal := ask(bounded); refusal != nil {
		return refusal
	}
	return nil
}

// errorOf says what an error of discovery, or of the keys, means for a login.
func errorOf(err error) *Error {
	if failed, ok := errors.AsType[*failure](err); ok {
		return undecided(failed.reason(), outbound.BreakerPause)
	}
	if _, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
		return undecided(ReasonIssuerMismatch, outbound.BreakerPause)
	}
	return undecided(ReasonAnswerUnusable, outbound.BreakerPause)
}

// client returns an HTTP client that asks through the transport alone.
func (t *transport) client() *http.Client { return &http.Client{Transport: t} }

// context has go-oidc and oauth2 ask through the transport.
func (t *transport) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, t.client())
}

// Discover asks the provider what it says of itself, unless that is known. from is the address of the client that makes it necessary.
// Error: *Error.
func (c *Client) Discover(ctx context.Context, from netip.Addr) error {
	if c.discovered.Load() != nil {
		return nil
	}
	return c.attempt(ctx, from, func(ctx context.Context) *Error {
		if _, err := c.discover(ctx); err != nil {
			return errorOf(err)
		}
		return nil
	})
}

// LogoutAddress returns where a person ends the provider's own session; empty where the provider has no such address, or is not known yet.
// The last discovery counts, however old it is: nothing but a link comes of it.
func (c *Client) LogoutAddress() string {
	d := c.discovered.Load()
	if d == nil || d.endSession == "" {
		return ""
	}
	u, err := url.Parse(d.endSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", c.settings.Provider.Spec.OIDC.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}
