package oidc

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/internal/authn/outbound"
)

// TestTurns: so many logins ask the provider at once, so many wait, and one more is sent away.
func TestTurns(t *testing.T) {
	g := gomega.NewWithT(t)
	h := newHostile(t)
	release := make(chan struct{})
	var running, most atomic.Int32
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		running.Add(-1)
		h.token(w, r)
	}
	c := h.client()
	var logins sync.WaitGroup
	for range maxRunning + maxWaiting {
		f := NewFlow(false, h.clock.Now())
		answer := h.begun(c, f)
		logins.Go(func() {
			if _, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer); err != nil {
				t.Error(err)
			}
		})
	}
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	g.Eventually(func() []int { return []int{int(running.Load()), c.Stats().Waiting} }, time.Minute).Should(gomega.Equal([]int{maxRunning, maxWaiting}))
	_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
	refusedFor(t, err, ReasonBusy, true)
	if s := c.Stats(); s.Waiting != maxWaiting || s.BreakerOpen {
		t.Errorf("the stats are %+v", s)
	}
	close(release)
	logins.Wait()
	if most.Load() > maxRunning {
		t.Errorf("the provider was asked by %d logins at once, want at most %d", most.Load(), maxRunning)
	}
	if _, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer); err != nil {
		t.Errorf("after that: %v", err)
	}
	if s := c.Stats(); s.Waiting != 0 {
		t.Errorf("the stats are %+v", s)
	}
}

// TestTurnNeverComes: a login waits for its turn no longer than it may, nor than the browser does.
func TestTurnNeverComes(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	for range maxRunning {
		if refusal := c.gate.Turns.Take(t.Context(), netip.Addr{}); refusal != nil {
			t.Fatal(refusal)
		}
	}
	c.bounds.turn = time.Millisecond
	_, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonBusy, true)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	_, err = c.Begin(ctx, netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonCanceled, true)
	if n := c.Stats().Waiting; n != 0 {
		t.Errorf("%d are still waiting", n)
	}
}

// TestWaitTakesNoTime: a login that has waited for its turn for as long as it may ask has all of that time left.
func TestWaitTakesNoTime(t *testing.T) {
	g := gomega.NewWithT(t)
	h := newHostile(t)
	c := h.client()
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	for range maxRunning {
		if refusal := c.gate.Turns.Take(t.Context(), netip.Addr{}); refusal != nil {
			t.Fatal(refusal)
		}
	}
	c.bounds.attempt = 2 * time.Second
	finished := make(chan error)
	go func() {
		_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
		finished <- err
	}()
	g.Eventually(func() int { return c.Stats().Waiting }, time.Minute).Should(gomega.Equal(1))
	attempt, cancel := context.WithTimeout(t.Context(), c.bounds.attempt)
	defer cancel()
	select {
	case err := <-finished:
		t.Fatalf("it has waited no longer than it may ask: %v", err)
	case <-attempt.Done():
	}
	for range maxRunning {
		c.gate.Turns.Give(netip.Addr{})
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
}

// TestSentLate: a code that is sent when the time of who asks is nearly over is answered all the same, and the provider is not blamed.
func TestSentLate(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	f := NewFlow(false, h.clock.Now())
	answer := h.begun(c, f)
	for range outbound.MaxFailures - 1 {
		c.gate.Breaker.Record(false)
	}

	// Too late: nothing is asked.
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err := c.Finish(over, netip.Addr{}, redirectURL, f, answer)
	refusedFor(t, err, ReasonUnreachable, true)
	if n := h.timesAsked("/token"); n != 0 || c.Stats().BreakerOpen {
		t.Errorf("the code was sent %d times, want not at all; stats %+v", n, c.Stats())
	}

	late, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	h.mu.Lock()
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		<-late.Done()
		h.token(w, r)
	}
	h.mu.Unlock()
	if _, err := c.Finish(late, netip.Addr{}, redirectURL, f, answer); err != nil || c.Stats().BreakerOpen {
		t.Errorf("%v, stats %+v", err, c.Stats())
	}
}

// TestBreaker: after five requests without an answer nobody asks for ten seconds; then one login does, and what comes of it decides.
func TestBreaker(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	finish := func() error {
		f := NewFlow(false, h.clock.Now())
		// Begin would be refused while the breaker is open.
		answer := h.logIn(c.authorization(c.current(), redirectURL, f))
		_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
		return err
	}
	if err := func() error { _, err := h.login(c); return err }(); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	h.handle["/token"] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted", http.StatusBadGateway) }
	h.mu.Unlock()
	for range outbound.MaxFailures {
		refusedFor(t, finish(), ReasonUnreachable, true)
	}
	asked := h.timesAsked("/token")
	h.pass(outbound.BreakerPause - time.Second)
	if after := refusedFor(t, finish(), ReasonBreakerOpen, true); after != time.Second {
		t.Errorf("to be tried again after %v, want %v", after, time.Second)
	}
	_, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonBreakerOpen, true)
	if n := h.timesAsked("/token"); n != asked || !c.Stats().BreakerOpen {
		t.Errorf("while the breaker is open, the provider was asked %d times more; stats %+v", n-asked, c.Stats())
	}

	// The one login fails: the breaker stays open for as long again.
	h.pass(time.Second)
	refusedFor(t, finish(), ReasonUnreachable, true)
	refusedFor(t, finish(), ReasonBreakerOpen, true)

	// The next one waits for its answer: no other one asks meanwhile. It is answered, and all may ask.
	h.pass(outbound.BreakerPause)
	arrived, release := make(chan struct{}), make(chan struct{})
	h.mu.Lock()
	h.handle["/token"] = func(w http.ResponseWriter, r *http.Request) {
		close(arrived) // A second request would panic.
		<-release
		h.token(w, r)
	}
	h.mu.Unlock()
	probe := make(chan error)
	go func() { probe <- finish() }()
	<-arrived
	refusedFor(t, finish(), ReasonBreakerOpen, true)
	close(release)
	if err := <-probe; err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	delete(h.handle, "/token")
	h.mu.Unlock()
	if err := finish(); err != nil || c.Stats().BreakerOpen {
		t.Errorf("after an answer: %v, stats %+v", err, c.Stats())
	}
}

// TestBreakerStaysClosed: refusals, answers that cannot be used and requests that are broken off are no failures of the connection.
func TestBreakerStaysClosed(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	for range 2 * outbound.MaxFailures {
		f := NewFlow(false, h.clock.Now())
		answer := h.begun(c, f)
		answer.Set("code", "planted")
		_, err := c.Finish(t.Context(), netip.Addr{}, redirectURL, f, answer)
		refusedFor(t, err, ReasonCodeRefused, false)
	}
	for _, handler := range []http.HandlerFunc{endless, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "planted") }} {
		h.mu.Lock()
		h.handle["/token"] = handler
		h.mu.Unlock()
		for range outbound.MaxFailures {
			_, err := h.login(c)
			refusedFor(t, err, ReasonAnswerUnusable, true)
		}
	}
	c.gate.Breaker.Record(false) // A request that is broken off says nothing about the provider, neither bad nor good.
	h.mu.Lock()
	h.handle["/planted"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	h.mu.Unlock()
	for range 2 * outbound.MaxFailures {
		ctx, breakOff := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.issuer()+"/planted", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		breakOff()
		response, err := c.transport.RoundTrip(request)
		if err == nil {
			response.Body.Close()
		}
		if failed, ok := errors.AsType[*failure](err); !ok || failed.cause != causeCanceled {
			t.Errorf("a request that is broken off: %v", err)
		}
	}
	for range outbound.MaxFailures - 2 {
		c.gate.Breaker.Record(false)
	}
	if s := c.Stats(); s.BreakerOpen || s.Waiting != 0 {
		t.Errorf("the stats are %+v before the last failure", s)
	}
	if c.gate.Breaker.Record(false); !c.Stats().BreakerOpen {
		t.Error("the first failure was forgotten")
	}
}

// TestProbeHangsUp: the one login that may ask goes away without an answer: the next one may ask.
func TestProbeHangsUp(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	for range outbound.MaxFailures {
		c.gate.Breaker.Record(false)
	}
	h.pass(outbound.BreakerPause)
	ctx, hangUp := context.WithCancel(t.Context())
	end := make(chan struct{})
	defer close(end) // The question itself goes on, for others.
	h.handle[wellKnown] = func(http.ResponseWriter, *http.Request) {
		hangUp()
		<-end
	}
	_, err := c.Begin(ctx, netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonCanceled, true)
	leave, refusal := c.gate.Breaker.Enter()
	if refusal != nil {
		t.Fatal(refusal)
	}
	leave()
}

// TestConnecting: a server that takes connections and says nothing has less time than one that computes an answer.
func TestConnecting(t *testing.T) {
	h := newHostile(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := h.settings()
	s.Provider.Spec.OIDC.Issuer, s.Servers = "https://"+listener.Addr().String(), []string{listener.Addr().String()}
	c := newClient(s, h.clock, bounds{connect: 50 * time.Millisecond, operation: time.Hour, attempt: time.Hour, turn: time.Hour})
	c.transport.base.TLSHandshakeTimeout = time.Hour // The connection and its TLS share the time.
	_, err = c.Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
	refusedFor(t, err, ReasonUnreachable, true)
}

// TestDefaultBounds: what is promised.
func TestDefaultBounds(t *testing.T) {
	h := newHostile(t)
	c := New(h.settings(), h.clock)
	if c.bounds != (bounds{connect: 3 * time.Second, operation: 5 * time.Second, attempt: 8 * time.Second, turn: 3 * time.Second}) || c.transport.bounds != c.bounds {
		t.Errorf("the bounds are %+v", c.bounds)
	}
}

// TestServersOnly: an address on another host or port is not asked, whatever has led to it.
func TestServersOnly(t *testing.T) {
	h := newHostile(t)
	c := h.client()
	for _, address := range []string{"https://localhost/planted", "https://127.0.0.1/planted", "http://" + h.Listener.Addr().String(), "https://planted@" + h.Listener.Addr().String()} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.transport.RoundTrip((&http.Request{Method: http.MethodPost, URL: u, Body: http.NoBody}).WithContext(t.Context()))
		if err == nil {
			response.Body.Close()
		}
		if failed, ok := errors.AsType[*failure](err); !ok || failed.cause != causeServerNotAllowed {
			t.Errorf("%s was asked: %v", address, err)
			continue
		}
		tellsNothing(t, err)
	}
}
