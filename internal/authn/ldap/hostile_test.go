package ldap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/outbound"
)

const startTLSAnswer = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"

// unanswered is how long a server that has seen a client hang up keeps its answer back: a client that does not wait for it breaks off meanwhile.
const unanswered = 20 * time.Millisecond

// hang waits until the other side has gone.
func hang(c net.Conn) {
	buffer := make([]byte, 4096)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

// TestHostile: whatever a server does, an attempt ends in time with a reason, and the password is sent at most once. The error
// tells whether it was sent, so that the directory may have counted a failure: not where it has said that the password is right, and then failed.
func TestHostile(t *testing.T) {
	t.Parallel()
	isPerson := func(filter string) bool { return !strings.Contains(filter, "member") }
	onPerson := func(f *fakeServer, do func(*fakeConn)) {
		f.search = func(c *fakeConn, filter string) bool {
			if isPerson(filter) {
				do(c)
			}
			return isPerson(filter)
		}
	}
	onBind := func(f *fakeServer, do func(*fakeConn)) {
		f.bind = func(c *fakeConn, name string) bool {
			if name == adaDN {
				do(c)
			}
			return name == adaDN
		}
	}
	tests := map[string]struct {
		prepare   func(f *fakeServer)
		startTLS  bool
		want      string
		wantBinds int
	}{
		"well":      {func(*fakeServer) {}, false, "right", 1},
		"no answer": {func(f *fakeServer) { f.raw = func(c net.Conn) bool { hang(c); return false } }, false, "unavailable: Timeout", 0},
		"hangs in StartTLS": {func(f *fakeServer) {
			f.raw = func(c net.Conn) bool { _, _ = c.Write([]byte(startTLSAnswer)); hang(c); return false }
		}, true, "unavailable: Timeout", 0},
		"no answer to StartTLS": {func(f *fakeServer) { f.raw = func(c net.Conn) bool { hang(c); return false } }, true, "unavailable: Timeout", 0},
		"StartTLS refused": {func(f *fakeServer) {
			f.raw = func(c net.Conn) bool {
				_, _ = c.Write([]byte(strings.Replace(startTLSAnswer, "\x0a\x01\x00", "\x0a\x01\x35", 1)))
				hang(c)
				return false
			}
		}, true, "unavailable: Unreachable", 0},
		"StartTLS answered with 2 GiB": {func(f *fakeServer) {
			f.raw = func(c net.Conn) bool { _, _ = c.Write([]byte("\x30\x84\x7f\xff\xff\xff")); hang(c); return false }
		}, true, "unavailable: Unreachable", 0},
		"StartTLS": {func(f *fakeServer) {
			f.raw = func(c net.Conn) bool {
				request := make([]byte, len(startTLSRequest))
				_, err := c.Read(request)
				_, _ = c.Write([]byte(startTLSAnswer))
				return err == nil && string(request) == startTLSRequest
			}
		}, true, "right", 1},
		"not TLS": {func(f *fakeServer) {
			f.raw = func(c net.Conn) bool { _, _ = c.Write([]byte(startTLSAnswer)); return false }
		}, false, "unavailable: Unreachable", 0},
		"reset at once": {func(f *fakeServer) { f.raw = func(net.Conn) bool { return false } }, false, "unavailable: Unreachable", 0},
		"garbage": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { _, _ = c.Write([]byte("HTTP/1.1 400 " + planted)); hang(c) })
		}, false, "unavailable: Timeout", 0}, // It could be the beginning of a long message.
		"2 GiB": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { _, _ = c.Write([]byte("\x30\x84\x7f\xff\xff\xff")); hang(c) })
		}, false, "unavailable: AnswerUnusable", 0},
		"deep": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { _, _ = c.Write([]byte(strings.Repeat("\x30\x80", 1000))); hang(c) })
		}, false, "unavailable: AnswerUnusable", 0},
		"endless entries": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) {
				for range 1000 {
					c.entry(adaDN, "entryUUID", strings.Repeat(planted, 100))
				}
				hang(c)
			})
		}, false, "unavailable: AnswerUnusable", 0},
		"slow": {func(f *fakeServer) { onPerson(f, func(c *fakeConn) { hang(c) }) }, false, "unavailable: Timeout", 0},
		"reset in the middle of an entry": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { _, _ = c.Write([]byte("\x30\x7f\x02")); _ = c.Close() })
		}, false, "unavailable: Unreachable", 0},
		"referral": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultReferral, planted) })
		}, false, "unavailable: SearchRefused", 0},
		"busy at the search": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultBusy, planted) })
		}, false, "unavailable: ProviderUnavailable", 0},
		"an entry without a name": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) {
				c.entry("", "entryUUID", adaID)
				c.result(ldap.ApplicationSearchResultDone, 0, "")
			})
		}, false, "unavailable: AnswerUnusable", 0},
		"an entry without an ID": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) {
				c.entry(adaDN, "uid", "ada")
				c.result(ldap.ApplicationSearchResultDone, 0, "")
			})
		}, false, "unavailable: AnswerUnusable", 0},
		"more than asked for": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) {
				c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSizeLimitExceeded, planted)
			})
		}, false, "wrong", 0},
		"gone between search and bind": {func(f *fakeServer) {
			onPerson(f, func(c *fakeConn) { f.listener.Close(); c.answerSearch("(uid=ada)") })
		}, false, "unavailable: Unreachable", 0},
		"reset at the bind": {func(f *fakeServer) { onBind(f, func(c *fakeConn) { _ = c.Close() }) }, false, "unavailable, sent: Unreachable", 1},
		"slow at the bind":  {func(f *fakeServer) { onBind(f, func(c *fakeConn) { hang(c) }) }, false, "unavailable, sent: Timeout", 1},
		"busy at the bind": {func(f *fakeServer) {
			onBind(f, func(c *fakeConn) { c.result(ldap.ApplicationBindResponse, ldap.LDAPResultBusy, planted) })
		}, false, "unavailable, sent: ProviderUnavailable", 1},
		"operations error at the bind": {func(f *fakeServer) {
			onBind(f, func(c *fakeConn) { c.result(ldap.ApplicationBindResponse, ldap.LDAPResultOperationsError, planted) })
		}, false, "unavailable, sent: ProviderUnavailable", 1},
		"referral at the bind": {func(f *fakeServer) {
			onBind(f, func(c *fakeConn) { c.result(ldap.ApplicationBindResponse, ldap.LDAPResultReferral, planted) })
		}, false, "unavailable, sent: AnswerUnusable", 1},
		"a control that cannot be read": {func(f *fakeServer) {
			onBind(f, func(c *fakeConn) {
				c.result(ldap.ApplicationBindResponse, 0, "", ldap.NewControlString(ldap.ControlTypeBeheraPasswordPolicy, false, planted))
			})
		}, false, "unavailable, sent: AnswerUnusable", 1},
		"an answer to another message": {func(f *fakeServer) {
			onBind(f, func(c *fakeConn) { c.id += 7; c.result(ldap.ApplicationBindResponse, 0, "") })
		}, false, "unavailable, sent: Timeout", 1},
		"groups refused": {func(f *fakeServer) {
			f.search = func(c *fakeConn, filter string) bool {
				if !isPerson(filter) {
					c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultInsufficientAccessRights, planted)
				}
				return !isPerson(filter)
			}
		}, false, "unavailable: SearchRefused", 1},
		"too many groups": {func(f *fakeServer) {
			f.search = func(c *fakeConn, filter string) bool {
				if !isPerson(filter) {
					c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSizeLimitExceeded, planted)
				}
				return !isPerson(filter)
			}
		}, false, "unavailable: GroupsOverage", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, other := newFakeServer(t), newFakeServer(t)
			other.raw = func(net.Conn) bool { return false } // It makes no connection, so that all of them are to the first.
			tt.prepare(f)
			a := newAsker(t, f, other)
			if strings.HasSuffix(tt.want, ": Timeout") {
				a.bounds = shortBounds
			}
			if tt.startTLS {
				a.settings.Provider.Spec.LDAP.TLS.Mode = v1alpha1.LDAPTLSStart
			}
			if got := a.ask(t, rightPassword); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if n := f.bindsOf(adaDN); n != tt.wantBinds {
				t.Errorf("%d binds, want %d", n, tt.wantBinds)
			}
		})
	}
}

// TestNoSecondServer: a password that was sent to one server is not sent to another, whatever the first one does.
func TestNoSecondServer(t *testing.T) {
	first, second := newFakeServer(t), newFakeServer(t)
	first.bind = func(c *fakeConn, name string) bool {
		if name == adaDN {
			_ = c.Close()
		}
		return name == adaDN
	}
	a := newAsker(t, first, second)
	if got := a.ask(t, rightPassword); got != "unavailable, sent: Unreachable" {
		t.Error(got)
	}
	if first.bindsOf(adaDN) != 1 || second.bindsOf(adaDN) != 0 {
		t.Errorf("the password was sent %d and %d times", first.bindsOf(adaDN), second.bindsOf(adaDN))
	}
}

// TestServersInOrder: the next server is asked where the first cannot be reached, and stays the first choice for a while.
func TestServersInOrder(t *testing.T) {
	first, second := newFakeServer(t), newFakeServer(t)
	a := newAsker(t, first, second)
	address := first.address()
	first.stop()
	if got := a.ask(t, rightPassword); got != "right" {
		t.Error(got)
	}
	if second.bindsOf(adaDN) != 1 {
		t.Error("the second server was not asked")
	}
	first.listen(address)
	if got := a.ask(t, "wrong"); got != "wrong" || first.connections() != 0 {
		t.Errorf("%s; %d connections to a server that was down a moment ago", got, first.connections())
	}
	a.clock.SetTime(noon.Add(avoidDown))
	if got := a.ask(t, "wrong"); got != "wrong" || first.bindsOf(adaDN) != 1 {
		t.Errorf("%s; %d binds at the first server, want one", got, first.bindsOf(adaDN))
	}
}

// TestBreakerOpens: after five attempts without an answer the directory is left alone for ten seconds. One that takes binds, and answers no search, does not
// answer.
func TestBreakerOpens(t *testing.T) {
	f := newFakeServer(t)
	var mu sync.Mutex
	silent := true
	f.search = func(c *fakeConn, _ string) bool {
		mu.Lock()
		defer mu.Unlock()
		if silent {
			_ = c.Close()
		}
		return silent
	}
	a := newAsker(t, f)
	for range 5 {
		if got := a.ask(t, rightPassword); got != "unavailable: Unreachable" {
			t.Error(got)
		}
	}
	asked := f.connections()
	if got := a.ask(t, rightPassword); got != "unavailable: BreakerOpen" || f.connections() != asked || !a.Stats().BreakerOpen {
		t.Errorf("%s, %d connections more, stats %+v", got, f.connections()-asked, a.Stats())
	}
	mu.Lock()
	silent = false
	mu.Unlock()
	a.clock.SetTime(noon.Add(10 * time.Second))
	if got := a.ask(t, rightPassword); got != "right" || a.Stats().BreakerOpen {
		t.Errorf("%s, stats %+v", got, a.Stats())
	}
}

// TestConnectionsAreKept: searches share a connection, passwords do not, and a connection that the server has ended meanwhile is replaced.
func TestConnectionsAreKept(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	for range 3 {
		if got := a.ask(t, rightPassword); got != "right" {
			t.Error(got)
		}
	}
	if n := f.bindsOf(serviceDN); n != 1 || f.connections() != 4 {
		t.Errorf("%d binds of the account that searches, %d connections", n, f.connections())
	}
	f.dropAll()
	if got := a.ask(t, rightPassword); got != "right" {
		t.Error(got)
	}
	if n := f.bindsOf(serviceDN); n != 2 {
		t.Errorf("%d binds of the account that searches", n)
	}
}

// TestHangUp: who hangs up before the password is sent has not guessed; afterwards the answer counts.
func TestHangUp(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	ctx, hangUp := context.WithCancel(t.Context())
	f.search = func(*fakeConn, string) bool { hangUp(); return false }
	if _, _, err := a.verify(ctx, a.request(rightPassword), nil); outcome(err) != "unavailable: Canceled" || f.bindsOf(adaDN) != 0 {
		t.Errorf("before the bind: %v, %d binds", err, f.bindsOf(adaDN))
	}
	ctx, hangUp = context.WithCancel(t.Context())
	f.search = nil
	f.bind = func(_ *fakeConn, name string) bool {
		if name == adaDN {
			hangUp()
		}
		return false
	}
	if _, _, err := a.verify(ctx, a.request("wrong"), nil); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("after the bind: %v", err)
	}
}

// TestHangUpWhileConnecting: who hangs up while the connection for the password is made has not guessed.
func TestHangUpWhileConnecting(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	if got := a.ask(t, rightPassword); got != "right" { // Its connection searches next.
		t.Fatal(got)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	f.raw = func(net.Conn) bool { hangUp(); return true }
	if _, _, err := a.verify(ctx, a.request("wrong"), nil); outcome(err) != "unavailable: Canceled" || f.bindsOf(adaDN) != 1 {
		t.Errorf("%v; the password was sent %d times, want not at all", err, f.bindsOf(adaDN)-1)
	}
}

// TestHangUpKeepsConnection: searches whose clients hang up do not end the connection that searches share, so that the account that searches is bound once.
func TestHangUpKeepsConnection(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	for range 10 {
		ctx, hangUp := context.WithCancel(t.Context())
		f.search = func(*fakeConn, string) bool {
			hangUp()
			<-time.After(unanswered)
			return false
		}
		if _, _, err := a.verify(ctx, a.request(rightPassword), nil); outcome(err) != "unavailable: Canceled" {
			t.Error(err)
		}
	}
	if n := f.bindsOf(serviceDN); n != 1 || a.Stats().BreakerOpen {
		t.Errorf("%d binds of the account that searches, want one; stats %+v", n, a.Stats())
	}
}

// TestHangUpHidesNoSilence: a directory that does not answer counts as such, though those who ask have gone.
func TestHangUpHidesNoSilence(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	a.bounds.operation = 50 * time.Millisecond
	for range outbound.MaxFailures - 1 {
		a.gate.Breaker.Record(false)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	f.bind = func(*fakeConn, string) bool { hangUp(); return true }
	if _, _, err := a.verify(ctx, a.request(rightPassword), nil); outcome(err) != "unavailable: Timeout" || !a.Stats().BreakerOpen {
		t.Errorf("%v, stats %+v", err, a.Stats())
	}
}

// TestCallersTimeForServers: where there was no time left for another server, nobody knows whether that would have answered.
func TestCallersTimeForServers(t *testing.T) {
	down, silent := newFakeServer(t), newFakeServer(t)
	down.raw = func(net.Conn) bool { return false }
	silent.raw = func(c net.Conn) bool { hang(c); return false }
	a := newAsker(t, down, silent)
	for i := range outbound.MaxFailures {
		a.clock.SetTime(noon.Add(time.Duration(i) * avoidDown)) // The first one is asked first again.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, _, err := a.verify(ctx, a.request(rightPassword), nil); err == nil {
			t.Error("right")
		}
		cancel()
	}
	if a.Stats().BreakerOpen {
		t.Error("the breaker is open")
	}
}

// TestCallersTime: that the time of who asks is over before the directory has had all of its own says nothing about the directory, neither bad nor good.
func TestCallersTime(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	for range outbound.MaxFailures - 1 {
		a.gate.Breaker.Record(false)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		f.search = func(*fakeConn, string) bool { <-ctx.Done(); return false }
		if _, _, err := a.verify(ctx, a.request(rightPassword), nil); outcome(err) != "unavailable: Timeout" {
			t.Error(err)
		}
		cancel()
	}
	if a.Stats().BreakerOpen || f.bindsOf(adaDN) != 0 {
		t.Errorf("stats %+v, %d binds", a.Stats(), f.bindsOf(adaDN))
	}
	if a.gate.Breaker.Record(false); !a.Stats().BreakerOpen {
		t.Error("the failures before that were forgotten")
	}
}

// TestBounded: so many attempts ask at once, so many wait, and all others are sent away; nothing of them is left.
func TestBounded(t *testing.T) {
	g := gomega.NewWithT(t)
	before := runtime.NumGoroutine()
	f := newFakeServer(t)
	release := make(chan struct{})
	f.search = func(*fakeConn, string) bool { <-release; return false }
	a := newAsker(t, f)
	outcomes := make(chan string, 100)
	for range maxRunning + maxWaiting {
		go func() { outcomes <- a.ask(t, rightPassword) }()
	}
	g.Eventually(func() []int { return []int{a.gate.Turns.Running(), a.Stats().Waiting} }, time.Minute).Should(gomega.Equal([]int{maxRunning, maxWaiting}))
	if got := a.ask(t, rightPassword); got != "unavailable: Busy" {
		t.Error(got)
	}
	close(release)
	for range maxRunning + maxWaiting {
		if got := <-outcomes; got != "right" {
			t.Error(got)
		}
	}
	if n := f.bindsOf(serviceDN); n > maxRunning {
		t.Errorf("the account that searches was bound %d times", n)
	}
	a.Close()
	f.stop()
	f.wg.Wait()
	g.Eventually(runtime.NumGoroutine, time.Minute).Should(gomega.BeNumerically("<=", before))
}

// TestMemory: an answer of nothing but tiny elements costs little, though each of them takes hundreds of bytes once it is read.
func TestMemory(t *testing.T) {
	f := newFakeServer(t)
	flood := []byte("\x30\x84\x00\x3f\xff\xf0" + strings.Repeat("\x04\x00", 1<<21))
	f.search = func(c *fakeConn, _ string) bool { _, _ = c.Write(flood); hang(c); return true }
	a := newAsker(t, f)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := a.ask(t, rightPassword); got != "unavailable: AnswerUnusable" {
		t.Error(got)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("an answer that is too long has cost %d MiB", grown>>20)
	}
}

// TestTurnInTime: who waits too long for a turn is sent away, and only that: the breaker stays closed, and the others have all of their time.
func TestTurnInTime(t *testing.T) {
	g := gomega.NewWithT(t)
	f := newFakeServer(t)
	release := make(chan struct{})
	f.search = func(*fakeConn, string) bool { <-release; return false }
	a := newAsker(t, f)
	a.bounds.turn = 50 * time.Millisecond
	outcomes := make(chan string, maxRunning)
	for range maxRunning {
		go func() { outcomes <- a.ask(t, rightPassword) }()
	}
	g.Eventually(a.gate.Turns.Running, time.Minute).Should(gomega.Equal(maxRunning))
	for range 10 {
		if got := a.ask(t, rightPassword); got != "unavailable: Busy" {
			t.Error(got)
		}
	}
	if a.Stats().BreakerOpen {
		t.Error("the breaker is open")
	}
	close(release)
	for range maxRunning {
		if got := <-outcomes; got != "right" {
			t.Error(got)
		}
	}
}

// TestTurnsOfAddresses: one address that has all places leaves room for another one.
func TestTurnsOfAddresses(t *testing.T) {
	g := gomega.NewWithT(t)
	f := newFakeServer(t)
	release := make(chan struct{})
	f.search = func(*fakeConn, string) bool { <-release; return false }
	a := newAsker(t, f)
	outcomes := make(chan string, 100)
	askFrom := func(address string) {
		r := a.request(rightPassword)
		r.Address = netip.MustParseAddr(address)
		_, _, err := a.verify(t.Context(), r, nil)
		outcomes <- address + " " + outcome(err)
	}
	for range maxRunning + maxWaiting {
		go askFrom("192.0.2.1")
	}
	g.Eventually(func() []int { return []int{a.gate.Turns.Running(), a.Stats().Waiting} }, time.Minute).Should(gomega.Equal([]int{maxRunning, maxWaiting}))
	go askFrom("192.0.2.2")
	if got := <-outcomes; got != "192.0.2.1 unavailable: Busy" {
		t.Error(got)
	}
	close(release)
	for range maxRunning + maxWaiting {
		if got := <-outcomes; !strings.HasSuffix(got, " right") {
			t.Error(got)
		}
	}
}

// TestSentLate: a right password that is sent when an attempt's time is nearly over is answered all the same.
func TestSentLate(t *testing.T) {
	f := newFakeServer(t)
	a := newAsker(t, f)
	a.bounds.attempt = 2 * time.Second
	f.bind = func(_ *fakeConn, name string) bool {
		if name == adaDN {
			late, cancel := context.WithTimeout(t.Context(), a.bounds.attempt) // Later than the attempt would end.
			<-late.Done()
			cancel()
		}
		return false
	}
	if got := a.ask(t, rightPassword); got != "right" {
		t.Error(got)
	}
}

// TestSlowDial: the time that the connection for a password takes is no part of the time that the directory has for the password.
func TestSlowDial(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	a := newAsker(t, f)
	if got := a.ask(t, rightPassword); got != "right" { // Its connection searches next.
		t.Fatal(got)
	}
	a.bounds.operation, a.bounds.attempt = 3*time.Second, 3*time.Second
	var dialled time.Time
	f.raw = func(net.Conn) bool {
		dialled = time.Now()
		<-time.After(a.bounds.operation / 2)
		return true
	}
	f.bind = func(_ *fakeConn, name string) bool {
		if name == adaDN { // Both together take longer than a request may, and each of them less.
			<-time.After(time.Until(dialled.Add(a.bounds.operation * 6 / 5)))
		}
		return false
	}
	if got := a.ask(t, rightPassword); got != "right" {
		t.Error(got)
	}
}
