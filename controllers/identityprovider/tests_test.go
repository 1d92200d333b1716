package identityprovider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/provider"
)

func equalObjects(a, b any) bool { return equality.Semantic.DeepEqual(a, b) }

// TestConnectionIsTestedAgain: a connection that works is tested every ten minutes. The test that repeats what is known writes nothing. A new
// process tests at once.
func TestConnectionIsTestedAgain(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	if wait := w.reconcile(); wait != 10*time.Minute {
		t.Errorf("the next test waits %v", wait)
	}
	w.pass(9 * time.Minute)
	if wait := w.reconcile(); wait != time.Minute || w.tests != 1 {
		t.Errorf("before it is due there were %d tests, and the next waits %v", w.tests, wait)
	}
	w.pass(time.Minute)
	if wait := w.reconcile(); wait != 10*time.Minute || w.tests != 2 {
		t.Errorf("when it is due there were %d tests, and the next waits %v", w.tests, wait)
	}
	w.start()
	if w.reconcile(); w.tests != 3 {
		t.Errorf("after a restart there were %d tests", w.tests)
	}
	if w.writes != 1 {
		t.Errorf("the status was written %d times", w.writes)
	}
}

// TestFailedTestsPause: a provider that refuses is asked less and less often, since it may count that against the client. What is written says
// the first failure only.
func TestFailedTestsPause(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	w.outcome = &oidc.TestError{Reason: v1alpha1.ConditionReasonClientRefused, Message: "What to do."}
	pauses := func(number int) []time.Duration {
		var all []time.Duration
		for range number {
			pause := w.reconcile()
			all = append(all, pause)
			w.pass(pause - time.Second)
			if wait := w.reconcile(); wait != time.Second {
				t.Errorf("a second before the test is due it waits %v", wait)
			}
			w.pass(time.Second)
		}
		return all
	}
	want := []time.Duration{
		15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	}
	if got := pauses(len(want)); !slices.Equal(got, want) || w.tests != len(want) {
		t.Errorf("%d tests with the pauses %v", w.tests, got)
	}
	if w.writes != 1 {
		t.Errorf("the status was written %d times", w.writes)
	}
	w.outcome = nil
	w.reconcile()
	w.pass(testInterval)
	w.outcome = &oidc.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}
	if got := pauses(2); !slices.Equal(got, want[:2]) {
		t.Errorf("after a success the pauses are %v", got)
	}
}

// TestChangedSettingsAreTested: a change of the provider or of its Secret is tested at once, but not within five seconds of the last test. Until
// then nothing is said about the new settings.
func TestChangedSettingsAreTested(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	w.outcome = &oidc.TestError{Reason: v1alpha1.ConditionReasonClientRefused, Message: "What to do."}
	w.reconcile()

	w.pass(time.Second)
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Generation, p.Spec.OIDC.ClientID = 2, "another" })
	if wait := w.reconcile(); wait != 4*time.Second || w.tests != 1 || w.writes != 1 {
		t.Errorf("%d tests, %d writes, the next after %v", w.tests, w.writes, wait)
	}
	w.pass(4 * time.Second)
	if wait := w.reconcile(); wait != firstPause || w.tests != 2 || w.provider().Status.ObservedGeneration != 2 {
		t.Errorf("%d tests, the next after %v, status %+v", w.tests, wait, w.provider().Status)
	}

	w.pass(10 * time.Second)
	w.outcome = nil
	edit(w, secret, func(s *corev1.Secret) { s.Data[v1alpha1.ClientSecretKey] = []byte("the right one") })
	if wait := w.reconcile(); wait != testInterval || w.tests != 3 {
		t.Errorf("%d tests, the next after %v", w.tests, wait)
	}
}

// TestTestThatTakesTooLong: a test ends after its time limit. One that ends because the process does says nothing about the provider.
func TestTestThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := contoso()
		settings := &provider.Settings{Provider: p, Version: "1"}
		c := newConnections(func(ctx context.Context, _ *provider.Settings) error {
			<-ctx.Done()
			return ctx.Err()
		}, clock.RealClock{})
		began := time.Now()
		got, wait, err := c.check(t.Context(), settings)
		if err != nil || got.failure == nil || got.failure.Reason != v1alpha1.ConditionReasonDialFailed || wait != firstPause {
			t.Errorf("answered %+v, the next after %v (%v)", got, wait, err)
		}
		if took := time.Since(began); took != testTimeout {
			t.Errorf("it took %v", took)
		}

		c.forget(p.Name)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.check(ctx, settings); !errors.Is(err, context.DeadlineExceeded) || len(c.results) != 0 {
			t.Errorf("answered %v, and remembers %v", err, c.results)
		}
	})
}

// TestFewTestsAtOnce: so many connections are tested at once. Those that wait are tested in full all the same, and one provider that does not
// answer holds up none of the others.
func TestFewTestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		c := newConnections(func(ctx context.Context, s *provider.Settings) error {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if s.Provider.Name == "silent" {
				<-ctx.Done()
				return ctx.Err()
			}
			<-time.After(time.Second)
			return nil
		}, clock.RealClock{})
		test := func(ctx context.Context, names ...string) (ended map[string]time.Duration, err error) {
			ended = map[string]time.Duration{}
			began := time.Now()
			var mu sync.Mutex
			var tests sync.WaitGroup
			for _, name := range names {
				p := &v1alpha1.IdentityProvider{}
				p.Name = name
				tests.Go(func() {
					got, _, failure := c.check(ctx, &provider.Settings{Provider: p, Version: "1"})
					mu.Lock()
					defer mu.Unlock()
					ended[name] = time.Since(began)
					if failure != nil {
						err = failure
					} else if (got.failure != nil) != (name == "silent") {
						t.Errorf("%s: the test came to %v", name, got.failure)
					}
				})
				synctest.Wait() // The first ones are tested first.
			}
			tests.Wait()
			return ended, err
		}
		names := []string{"silent"}
		for n := range 3 * maxRunning {
			names = append(names, fmt.Sprintf("p%d", n))
		}
		ended, err := test(t.Context(), names...)
		if err != nil || most.Load() != maxRunning || ended["silent"] != testTimeout {
			t.Errorf("%d were tested at once, and the silent one for %v (%v)", most.Load(), ended["silent"], err)
		}
		for _, name := range names[1:] {
			if ended[name] > maxRunning*time.Second {
				t.Errorf("%s was tested after %v", name, ended[name])
			}
		}

		// The process ends while a test waits for its turn.
		for range maxRunning {
			c.running <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := test(ctx, "late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a test that waits when the process ends came to %v", err)
		}
		if _, found := c.results["late"]; found {
			t.Error("what was not tested is remembered")
		}
	})
}
