package login_test

import (
	"errors"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// TestFailureThatCannotBeRecorded: the account is refused until the failure is, and then it counts.
func TestFailureThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error { return errors.New("the API server is away") })
	for _, text := range []string{wrong, wrong, password} {
		if _, err := s.Login(t.Context(), who, text); !errors.Is(err, login.ErrUnavailable) {
			t.Fatalf("while nothing can be written: %v", err)
		}
	}
	if f := w.record(who).Failures; f.Consecutive != 0 {
		t.Fatalf("failures are %+v", f)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are reported, want the 1 that was verified", got.Answer.FailuresBefore)
	}
}

// TestFailureRecordedLateLocks: a failure that was recorded late locks as one that was recorded in time.
func TestFailureRecordedLateLocks(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(1))}})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error { return errors.New("the API server is away") })
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Fatal(err)
	}
	w.on(nil, nil)
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Errorf("after the limit: %v", err)
	}
}

// TestFailureNotYetRecordedIsClearedToo: an unlock, or a new password, forgets what happened before it, also where that could not be
// recorded at the time; and what is recorded late counts as of when it happened.
func TestFailureNotYetRecordedIsClearedToo(t *testing.T) {
	withUnrecorded := func(t *testing.T, lockout v1alpha1.LockoutRule) (*world, *login.Service, login.Who) {
		t.Helper()
		w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: lockout})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		w.on(nil, func() error { return errors.New("the API server is away") })
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
			t.Fatal(err)
		}
		w.on(nil, nil)
		return w, s, who
	}
	one := new(int32(1))
	for name, later := range map[string]func(*testing.T, *world, login.Who){
		"an unlock": func(t *testing.T, w *world, who login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
			w.write(who, func(c *account.Credential) { c.Handled.Unlock = now.Add(time.Minute) })
		},
		"an unlock by hand": func(t *testing.T, w *world, who login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Minute)) // The lock that it would have been has not ended.
			w.write(who, func(c *account.Credential) {
				c.Acted.Unlock = account.Act{Time: now.Add(time.Second), By: "keyturn:org:grace"}
			})
		},
		"a new password": func(t *testing.T, w *world, who login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
			w.write(who, func(c *account.Credential) { c.Password.SetTime = now.Add(time.Minute) })
		},
		"the end of the lock that it would have been": func(t *testing.T, w *world, _ login.Who) {
			t.Helper()
			w.clock.SetTime(now.Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, s, who := withUnrecorded(t, v1alpha1.LockoutRule{MaxFailures: one})
			later(t, w, who)
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Errorf("the right password: %v", err)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		_, s, who := withUnrecorded(t, v1alpha1.LockoutRule{MaxFailures: one})
		if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
			t.Errorf("the right password: %v", err)
		}
	})
}
