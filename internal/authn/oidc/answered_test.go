package oidc

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/keyturn/keyturn/internal/authn/outbound"
)

// TestAnsweredOnce: the provider is asked once for each login that has begun, whatever came of it.
func TestAnsweredOnce(t *testing.T) {
	for name, row := range map[string]struct {
		change func(url.Values)
		reason Reason
		asked  int
	}{
		"a good code":              {func(url.Values) {}, "", 1},
		"a made-up code":           {func(v url.Values) { v.Set("code", "planted") }, ReasonCodeRefused, 1},
		"an error of the provider": {func(v url.Values) { v.Del("code"); v.Set("error", "access_denied") }, ReasonAccessDenied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			c := h.client()
			f := NewFlow(false, h.clock.Now())
			good := h.begun(c, f)
			answer := url.Values{}
			for parameter := range good {
				answer.Set(parameter, good.Get(parameter))
			}
			row.change(answer)
			_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
			if row.reason != "" {
				refusedFor(t, err, row.reason, false)
			} else if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, good)
				refusedFor(t, err, ReasonFlowUsed, false, f.State, f.Nonce, f.Verifier)
			}
			if n := h.timesAsked("/token"); n != row.asked {
				t.Errorf("the provider was asked %d times, want %d", n, row.asked)
			}
		})
	}
}

// TestAnsweredWhileAsking: a second answer does not wait for the first one, nor for a turn.
func TestAnsweredWhileAsking(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	arrived, release := make(chan struct{}), make(chan struct{})
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		close(arrived) // A second request would panic.
		<-release
		h.token(w, r)
	}
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	first := make(chan error)
	go func() {
		_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
		first <- err
	}()
	<-arrived
	_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
	refusedFor(t, err, ReasonFlowUsed, false)
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestAnsweredAgain: an answer that has not reached the provider can be given again.
func TestAnsweredAgain(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	finish := func(ctx context.Context) error {
		_, err := c.Finish(ctx, netip.Addr{}, redirectURL, f, answer)
		return err
	}
	for range outbound.MaxFailures {
		c.gate.Breaker.Record(false)
	}
	refusedFor(t, finish(t.Context()), ReasonBreakerOpen, true)
	c.gate.Breaker.Record(true)

	for range maxRunning {
		if refusal := c.gate.Turns.Take(t.Context(), netip.Addr{}); refusal != nil {
			t.Fatal(refusal)
		}
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	refusedFor(t, finish(gone), ReasonCanceled, true)
	for range maxRunning {
		c.gate.Turns.Give(netip.Addr{})
	}

	h.pass(maxFlow)
	c.discovered.Store(nil)
	h.handle[wellKnown] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted", http.StatusBadGateway) }
	refusedFor(t, finish(t.Context()), ReasonUnreachable, true)
	h.mu.Lock()
	delete(h.handle, wellKnown)
	h.mu.Unlock()

	if err := finish(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnsweredIsBounded: however many logins are answered, so many are remembered: those that were answered last.
func TestAnsweredIsBounded(t *testing.T) {
	a := newAnswered()
	for i := range maxAnswered + 1 {
		if !a.add(fmt.Sprint(i)) {
			t.Fatalf("%d was answered before", i)
		}
	}
	if a.add(fmt.Sprint(maxAnswered)) || a.add("1") || !a.add("0") || a.states.Len() != maxAnswered {
		t.Errorf("%d are remembered", a.states.Len())
	}
}

// TestHangUp: a browser that hangs up once the provider is asked does not hide what the provider answers.
func TestHangUp(t *testing.T) {
	for name, row := range map[string]struct {
		code   string
		reason Reason
	}{"a good code": {}, "a made-up code": {"planted", ReasonCodeRefused}} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			c := h.client()
			f := NewFlow(false, h.clock.Now())
			answer := h.begun(c, f)
			if row.code != "" {
				answer.Set("code", row.code)
			}
			ctx, hangUp := context.WithCancel(t.Context())
			h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
				hangUp()
				h.token(w, r)
			}
			person, err := c.Finish(ctx, netip.Addr{}, redirectURL, f, answer)
			if row.reason != "" {
				refusedFor(t, err, row.reason, false)
			} else if err != nil || person.Subject != subject {
				t.Errorf("the person is %+v, %v", person, err)
			}
		})
	}
}
