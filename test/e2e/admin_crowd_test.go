package e2e_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// slowWrites makes writes of Secrets take a time, and returns a channel that is closed when the first one begins.
func (g *gate) slowWrites(by time.Duration) (begun <-chan struct{}) {
	first, once := make(chan struct{}), &sync.Once{}

	g.answerWrites(func(w http.ResponseWriter, carry func() *httptest.ResponseRecorder) {
		once.Do(func() { close(first) })
		<-time.After(by)
		passOn(w, carry())
	})

	return first
}

// resetsAtOnce has an administrator reset an account many times at once, and returns a function that waits for the answers and counts them.
func (a *administrator) resetsAtOnce(ctx context.Context, t *testing.T, namespace, account string, times int) (answers func() map[outcome]int) {
	t.Helper()

	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)

	counts := map[outcome]int{}

	for range times {
		all.Go(func() {
			got, err := a.try(ctx, action("generate", namespace, account))

			mu.Lock()
			defer mu.Unlock()

			switch {
			case err == nil:
				counts[got.outcome()]++
			case ctx.Err() == nil:
				t.Error(err)
			}
		})
	}

	return func() map[outcome]int {
		all.Wait()

		return counts
	}
}

// overloaded is the answer to whoever has waited too long for others.
var overloaded = outcome{code: http.StatusServiceUnavailable, id: "overloaded"}

// TestQueuedResetsOfOneWhoLosesTheRight: resets of an administrator wait for each other, and meanwhile the right to them is taken away. Those
// that have not begun are refused, and none takes effect later than two seconds after the API server knows.
func TestQueuedResetsOfOneWhoLosesTheRight(t *testing.T) {
	t.Parallel()

	const (
		queued = 20
		slow   = 700 * time.Millisecond
		late   = 2 * time.Second
	)

	for _, name := range []string{"the binding is deleted", "the account is disabled"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			o.settled(t, "grace", nil)
			p := o.settled(t, "ada", nil)
			binding := o.binds(t, p, adminRole)
			_, console := newConsole(t)
			a := p.administersAt(t, console.url)
			a.looks(t, o.name, "grace", outcome{code: http.StatusOK})

			begun := console.gate.slowWrites(slow)
			answers := a.resetsAtOnce(t.Context(), t, o.name, "grace", queued)
			<-begun
			losses[name].lose(t, o, a, binding)

			known, counts := time.Now(), answers()
			if counts[losses[name].want] == 0 {
				t.Errorf("no reset was refused, the answers are %v: the test proves nothing", counts)
			}

			reset, err := time.Parse(time.RFC3339Nano, string(o.credential(t, "grace").Data["acted.resetTime"]))
			must(t, err)

			if after := reset.Sub(known); after > late {
				t.Errorf("a reset took effect %s after the right to it was gone; the answers are %v", after, counts)
			}

			for _, l := range console.audit(t) {
				if after := l.Time.Sub(known); l.Event == "reset" && after > late {
					t.Errorf("a reset was told %s after the right to it was gone", after)
				}
			}
		})
	}
}

// TestCrowdOfResets: an administrator of one organisation resets as much as they can, and one of another resets meanwhile, at once.
func TestCrowdOfResets(t *testing.T) {
	t.Parallel()

	const (
		crowd  = 100
		slow   = 200 * time.Millisecond
		atOnce = 4 * time.Second
	)

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)

	another, chief := ruled(t, v1alpha1.PasswordPolicySpec{})
	another.settled(t, "grace", nil)

	_, console := newConsole(t)
	for _, a := range []*administrator{boss, chief} {
		a.console = console.url
		a.logInAgain(t)
	}

	begun := console.gate.slowWrites(slow)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	answers := boss.resetsAtOnce(ctx, t, o.name, "grace", crowd)
	<-begun

	for range 3 {
		if took := chief.acts(t, "generate", another.name, "grace", granted).took; took > atOnce {
			t.Errorf("the reset of another administrator took %s", took)
		}
	}

	cancel()

	counts := answers()
	for got := range counts {
		if got != granted && got != overloaded {
			t.Errorf("a reset of the crowd is answered with %q", got)
		}
	}

	t.Logf("the crowd was answered %v", counts)
}

// TestRefusalsFillNoLog: somebody without a role who asks over and over leaves some sixty lines in the audit log, and a later one says how
// many have none.
func TestRefusalsFillNoLog(t *testing.T) {
	t.Parallel()

	const (
		asks     = 200
		lines    = 60 // at once, and then one in two seconds
		interval = 2 * time.Second
	)

	o := newOrganisation(t)
	o.settled(t, "grace", nil)
	eve := o.settled(t, "eve", nil).administers(t)
	began, asked := time.Now(), 0

	told := func() (lines, omitted int) {
		for _, l := range console.audit(t) {
			if l.Actor == eve.kubernetesName() {
				lines, omitted = lines+1, omitted+l.Omitted
			}
		}

		return lines, omitted
	}

	for range asks {
		eve.looks(t, o.name, "grace", notFound)

		asked++
	}

	if got, _ := told(); got < lines || got > lines+1+int(time.Since(began)/interval) {
		t.Errorf("%d refusals have left %d lines within %s", asks, got, time.Since(began))
	}

	eventually(t, "a line says how many are omitted", func() error {
		eve.looks(t, o.name, "grace", notFound)

		asked++

		if lines, omitted := told(); omitted == 0 || lines+omitted != asked {
			return errTooEarly
		}

		return nil
	})
}
