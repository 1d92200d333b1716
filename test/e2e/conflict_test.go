package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	// hammerTime is how long the hammering lasts at least; a slow machine goes on until there were hammerGrants.
	hammerTime   = 3 * time.Second
	hammerGrants = 5
	hammerers    = 4
)

// wallet is every password that one account may have had.
type wallet struct {
	sync.Mutex
	// latest is the one that was last set, as far as anybody knows.
	latest string
	all    []string
}

func (w *wallet) add(password string) {
	w.Lock()
	defer w.Unlock()

	w.all = append(w.all, password)
}

func (w *wallet) set(password string) {
	w.Lock()
	defer w.Unlock()

	w.latest = password
}

func (w *wallet) get() string {
	w.Lock()
	defer w.Unlock()

	return w.latest
}

// TestResetsMeetChanges: while resets are applied and a person changes the password from several devices at once, exactly one password is
// in force in the end, and no server fails.
func TestResetsMeetChanges(t *testing.T) {
	o, _ := governed(t, unlimited())
	p := o.settled(t, "grace", nil)
	w := &wallet{latest: p.password, all: []string{p.password}}
	outcomes := hammer(t, o, p, w)

	for code := range outcomes {
		switch code {
		case http.StatusOK, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		default:
			t.Errorf("a change was answered with %d", code)
		}
	}

	o.awaitRevision(t, p.username)

	if working := p.inForce(t, w.all...); len(working) != 1 {
		t.Fatalf("%d of %d passwords work, want 1", len(working), len(w.all))
	}

	last := newPassword()
	o.handOut(t, p.username, last)
	o.awaitStanding(t, p.username, v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	o.awaitRevision(t, p.username)

	if working := p.inForce(t, w.all...); len(working) > 0 {
		t.Fatalf("%d passwords of before the last reset work", len(working))
	}

	p.login(t, last, mustChange("Reset"))
}

// hammer resets and changes one password for a while, and counts the answers by status.
func hammer(t *testing.T, o *organisation, p *person, w *wallet) map[int]int {
	t.Helper()

	var (
		mu       sync.Mutex
		running  sync.WaitGroup
		outcomes = map[int]int{}
	)

	count := func(code, more int) int {
		mu.Lock()
		defer mu.Unlock()

		outcomes[code] += more

		return outcomes[code]
	}
	ctx, cancel := context.WithCancel(t.Context())

	defer running.Wait()
	defer cancel()

	for range hammerers {
		running.Go(func() {
			for ctx.Err() == nil {
				next := newPassword()
				w.add(next)

				a, err := p.tryChange(context.WithoutCancel(ctx), w.get(), next)
				if err != nil {
					t.Error(err)

					return
				}

				if count(a.code, 1); a.code == http.StatusOK {
					w.set(next)
				}
			}
		})
	}

	began := time.Now()
	for time.Since(began) < hammerTime || count(http.StatusOK, 0) < hammerGrants {
		if time.Since(began) > 2*patience {
			t.Fatalf("only %d changes were granted in all that time", count(http.StatusOK, 0))
		}

		reset := newPassword()
		w.add(reset)
		o.handOut(t, p.username, reset)
		<-pause(100 * time.Millisecond)
		w.set(reset)
		<-pause(300 * time.Millisecond)
	}

	return outcomes
}
