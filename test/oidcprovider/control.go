package oidcprovider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// control asks the server for what people and attackers cannot. It asks over a socket, so that pages in a browser and other users of the
// machine cannot. The socket is in a folder of its own, since its path has to be short.
type control struct {
	dir    string
	client *http.Client
}

func newControl() (*control, error) {
	dir, err := os.MkdirTemp("", "oidc-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the provider's socket: %w", err)
	}

	c := &control{dir: dir}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.socket())
	}
	c.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}

	return c, nil
}

func (c *control) socket() string { return filepath.Join(c.dir, "control.sock") }

func (c *control) close() { _ = os.RemoveAll(c.dir) }

func (c *control) ask(ctx context.Context, method, what string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}

	request, err := http.NewRequestWithContext(ctx, method, "http://control/"+what, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}

	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("asking the provider: %s %s answers %s", method, what, response.Status)
	}

	return nil
}

// RotateKeys has both issuers sign with another key, and no longer publish the one before.
func (p *Provider) RotateKeys(ctx context.Context) error {
	return p.control.ask(ctx, http.MethodPost, "rotate-keys", nil)
}

// Behaviour is how the provider answers every request.
type Behaviour struct {
	// Delay before each answer.
	Delay time.Duration
	// Status answers every request, instead of what it asks for; zero for none.
	Status int
}

// Behave sets the behaviour; the zero one is that of a provider that is well.
func (p *Provider) Behave(ctx context.Context, b Behaviour) error {
	return p.control.ask(ctx, http.MethodPut, "behaviour", map[string]int64{
		"delayMilliseconds": b.Delay.Milliseconds(), "status": int64(b.Status),
	})
}

// SetPerson adds a person or replaces the one of the same username.
func (p *Provider) SetPerson(ctx context.Context, person Person) error {
	return p.control.ask(ctx, http.MethodPut, "person", person)
}
