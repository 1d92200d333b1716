package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
)

// loginFrom logs in at a server over a proxy on this machine, which says that the person has some address.
func (p *person) loginFrom(ctx context.Context, url, address, password string) (*answer, error) {
	body, err := json.Marshal(map[string]string{"namespace": p.organisation, "username": p.username, "password": password})
	if err != nil {
		return nil, err
	}

	return sendTo(ctx, url, http.MethodPost, "/api/v1/login", map[string]string{
		"Content-Type": "application/json", "X-Forwarded-For": address,
		"X-Real-Ip": "198.51.100.66", "Forwarded": "for=198.51.100.66",
	}, body)
}

// TestAddresses: an address from which too many attempts fail is refused for a while, whatever account it asks for; other addresses are
// not. The client's address is taken from X-Forwarded-For only where a trusted proxy says it.
func TestAddresses(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	nobody := &person{organisation: o.name, username: "nobody"}

	// The server of all tests trusts no proxy.
	a, err := p.loginFrom(t.Context(), loginURL, "192.0.2.1", p.password)
	must(t, err)
	addressInAudit(t, login, a, "127.0.0.1")

	port, err := controlplane.FreePort(0)
	must(t, err)

	url := "http://" + controlplane.Address(port)
	throttled := login.replica(t, "login-throttled", "--health-bind-address", "--bind-address="+controlplane.Address(port),
		"--trusted-proxies=127.0.0.0/8", "--address-failures-per-minute=1")
	throttled.start(t)

	for range 6 {
		a, err := p.loginFrom(t.Context(), url, "192.0.2.1", p.password) // who knows the password does not fail
		must(t, err)
		must(t, a.check(granted))
	}

	began := time.Now()

	for range 5 {
		a, err := nobody.loginFrom(t.Context(), url, "203.0.113.9, 192.0.2.1", newPassword())
		must(t, err)
		must(t, a.check(wrong))
		addressInAudit(t, throttled, a, "192.0.2.1")
	}

	known, err := p.loginFrom(t.Context(), url, "192.0.2.1", p.password)
	must(t, err)
	must(t, known.check(locked))

	unknown, err := nobody.loginFrom(t.Context(), url, "127.0.0.1, 192.0.2.1", p.password)
	must(t, err)
	must(t, unknown.check(locked))

	// A failure takes a minute to be forgotten, of which some has passed since the first one.
	least := int((time.Minute - time.Since(began)).Seconds())
	if wait, err := strconv.Atoi(known.header.Get("Retry-After")); err != nil || wait < least || wait > 60 {
		t.Errorf("Retry-After is %q, want from %d to 60 seconds", known.header.Get("Retry-After"), least)
	}

	if string(known.body) != string(unknown.body) {
		t.Errorf("a known name gets %s, an unknown one %s", known.body, unknown.body)
	}

	if l := addressInAudit(t, throttled, known, "192.0.2.1"); l.Reason != "AddressThrottled" {
		t.Errorf("the reason is %q", l.Reason)
	}

	other, err := p.loginFrom(t.Context(), url, "192.0.2.2", p.password)
	must(t, err)
	must(t, other.check(granted))
}

// addressInAudit waits for the line of an attempt, and wants it to come from an address.
func addressInAudit(t *testing.T, s *server, a *answer, address string) (line *auditLine) {
	t.Helper()

	id := a.header.Get("X-Request-Id")
	eventually(t, "audit of request "+id, func() error {
		for _, l := range s.audit(t) {
			if l.RequestID == id && l.Event == "attempt" {
				line = l

				return nil
			}
		}

		return fmt.Errorf("no attempt of request %s", id)
	})

	if line.Address.String() != address {
		t.Errorf("the address is %s, want %s", line.Address, address)
	}

	return line
}
