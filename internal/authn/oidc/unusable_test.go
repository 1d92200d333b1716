package oidc

import (
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// TestKeysFetchedAgain: a fetch that has failed does not keep later logins from fetching. Keys that cannot be used are not asked for at every
// login, but a provider that was not reached is: the breaker counts that.
func TestKeysFetchedAgain(t *testing.T) {
	for status, row := range map[int]struct {
		reason Reason
		pause  time.Duration
	}{
		http.StatusNotFound:   {ReasonAnswerUnusable, unusablePause},
		http.StatusBadGateway: {ReasonUnreachable, 0},
	} {
		h := newHostile(t)
		h.handle["/keys"] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted", status) }
		c := h.client()
		failing := func(asked int) {
			t.Helper()
			_, err := h.login(c)
			refusedFor(t, err, row.reason, true)
			if n := h.timesAsked("/keys"); n != asked {
				t.Errorf("%d: the keys were asked for %d times, want %d", status, n, asked)
			}
		}
		failing(1)
		if row.pause > 0 {
			h.pass(row.pause - time.Second)
			failing(1)
			h.pass(time.Second)
		}
		failing(2)
		h.mu.Lock()
		delete(h.handle, "/keys")
		h.mu.Unlock()
		h.pass(row.pause)
		if _, err := h.login(c); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestDiscoveryUnusable: a document that cannot be used is not asked for at every login, and is used as soon as it is asked for again.
func TestDiscoveryUnusable(t *testing.T) {
	for name, row := range map[string]struct {
		document map[string]any
		reason   Reason
	}{
		"another issuer": {map[string]any{"issuer": "https://planted.example.org"}, ReasonIssuerMismatch},
		"another host":   {map[string]any{"token_endpoint": "https://planted.example.org/"}, ReasonServerNotAllowed},
		"no keys":        {map[string]any{"jwks_uri": nil}, ReasonAnswerUnusable},
	} {
		h := newHostile(t)
		h.document = with(row.document)
		c := h.client()
		for _, asked := range []int{1, 1, 2, 2} {
			_, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
			refusedFor(t, err, row.reason, true)
			if n := h.timesAsked(wellKnown); n != asked {
				t.Errorf("%s: the document was asked for %d times, want %d", name, n, asked)
			}
			h.pass(unusablePause / 2)
		}
		h.document = func(map[string]any) {}
		if _, err := h.login(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
