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
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// noLockout is the LockoutFunc of directories that do not tell their limit.
func noLockout(context.Context, *provider.Settings) (provider.DirectoryLockout, error) {
	return provider.DirectoryLockout{}, nil
}

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
	w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonClientRefused, Message: "What to do."}
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
	w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}
	if got := pauses(2); !slices.Equal(got, want[:2]) {
		t.Errorf("after a success the pauses are %v", got)
	}
}

// TestChangedSettingsAreTested: a change of the provider or of its Secret is tested at once, but not within five seconds of the last test. Until
// then nothing is said about the new settings.
func TestChangedSettingsAreTested(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	w.outcome = &provider.TestError{Reason: v1alpha1.ConditionReasonClientRefused, Message: "What to do."}
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

// TestSettingsThatComeAndGo: a Secret that is unusable now and then does not have the provider asked more often.
func TestSettingsThatComeAndGo(t *testing.T) {
	p, secret := contoso()
	w := newWorld(t, p, secret)
	w.reconcile()
	for n := range 2 {
		w.pass(time.Second)
		edit(w, secret, func(s *corev1.Secret) { delete(s.Data, v1alpha1.ClientSecretKey) })
		if wait := w.reconcile(); wait != 0 || w.tests != n+1 {
			t.Errorf("without the secret there were %d tests, and the next waits %v", w.tests, wait)
		}
		w.pass(time.Second)
		edit(w, secret, func(s *corev1.Secret) { s.Data[v1alpha1.ClientSecretKey] = []byte(clientSecret) })
		if wait := w.reconcile(); wait != 3*time.Second || w.tests != n+1 {
			t.Errorf("with it there were %d tests, and the next waits %v", w.tests, wait)
		}
		w.pass(3 * time.Second)
		if wait := w.reconcile(); wait != testInterval || w.tests != n+2 {
			t.Errorf("five seconds after the last test there were %d, and the next waits %v", w.tests, wait)
		}
	}
}

// TestInterruptedTest: a test that ends because the process does says nothing about the provider, and leaves its place.
func TestInterruptedTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConnections(func(ctx context.Context, _ *provider.Settings) error {
			<-ctx.Done()
			return ctx.Err()
		}, noLockout, clock.RealClock{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.check(ctx, settingsOf("contoso")); !errors.Is(err, context.DeadlineExceeded) || len(c.results) != 0 || len(c.running) != 0 {
			t.Errorf("answered %v, remembers %v, and %d places are taken", err, c.results, len(c.running))
		}
	})
}

// settingsOf returns settings of a provider of that name.
func settingsOf(name string) *provider.Settings {
	p := &v1alpha1.IdentityProvider{}
	p.Name = name
	return &provider.Settings{Provider: p, Version: "1"}
}

// TestFewTestsAtOnce: so many connections are tested at once. A test that finds no place is not waited for: what was known of the same
// settings is told, and it looks for a place soon.
func TestFewTestsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := make(chan struct{})
		c := NewConnections(func(_ context.Context, s *provider.Settings) error {
			if s.Provider.Name != "known" {
				<-silent
			}
			return nil
		}, noLockout, clock.RealClock{})
		check := func(name string) (*result, time.Duration) {
			got, wait, err := c.check(t.Context(), settingsOf(name))
			if err != nil {
				t.Error(err)
			}
			return got, wait
		}
		check("known")
		<-time.After(testInterval) // Its next test is due.
		for n := range maxRunning {
			go check(fmt.Sprintf("silent-%d", n))
		}
		synctest.Wait()

		began := time.Now()
		if got, wait := check("late"); got != nil || wait != placePause {
			t.Errorf("without a place: %+v, again after %v", got, wait)
		}
		if _, found := c.results["late"]; found {
			t.Error("what was not tested is remembered")
		}
		if got, wait := check("known"); got == nil || got.failure != nil || wait != placePause {
			t.Errorf("without a place, of a provider that was tested before: %+v, again after %v", got, wait)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they were waited for: %v", took)
		}

		close(silent)
		synctest.Wait()
		if got, wait := check("late"); got == nil || got.failure != nil || wait != testInterval {
			t.Errorf("with a place: %+v, again after %v", got, wait)
		}
		if len(c.running) != 0 || len(c.results) != maxRunning+2 {
			t.Errorf("%d places are taken, %d results are remembered", len(c.running), len(c.results))
		}
	})
}

// TestSilentProviders: if no provider answers but one, each has its first result after as many rounds of tests as all of them take.
func TestSilentProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const testTakes = 8 * time.Second
		var running atomic.Int32
		c := NewConnections(func(_ context.Context, s *provider.Settings) error {
			if n := running.Add(1); n > maxRunning {
				t.Errorf("%d are tested at once", n)
			}
			defer running.Add(-1)
			if s.Provider.Name == "good" {
				return nil
			}
			<-time.After(testTakes)
			return &provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."}
		}, noLockout, clock.RealClock{})
		began := time.Now()
		var workers sync.WaitGroup
		for n := range provider.MaxProviders {
			name := fmt.Sprintf("silent-%d", n)
			if n == provider.MaxProviders-1 {
				name = "good"
			}
			workers.Go(func() {
				for {
					got, wait, err := c.check(t.Context(), settingsOf(name))
					if err != nil {
						t.Error(err)
					}
					if got != nil {
						break
					}
					<-time.After(wait)
				}
				if took := time.Since(began); took > provider.MaxProviders/maxRunning*(testTakes+placePause) {
					t.Errorf("%s has its result after %v", name, took)
				}
			})
		}
		workers.Wait()
	})
}
