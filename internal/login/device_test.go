package login_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

// atDesk returns somebody at a device that has logged in before.
func (w *world) atDesk(who login.Who) login.Who {
	r := w.record(who)
	who.Devices = []token.Device{
		{ID: "of another account", CredentialUID: "other", Generation: r.SessionGeneration},
		{ID: "desk", CredentialUID: r.UID(), Generation: r.SessionGeneration},
	}
	return who
}

// TestLockedOutElsewhere: guesses from elsewhere lock nobody out who has logged in on the device before.
func TestLockedOutElsewhere(t *testing.T) {
	const limit = 3
	w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(limit))}})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	for range limit {
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Fatalf("elsewhere: %v", err)
	}
	desk := w.atDesk(who)
	granted, err := s.Login(t.Context(), desk, password)
	if err != nil || granted.Answer.FailuresBefore != limit {
		t.Fatalf("at the desk: %+v, %v", granted, err)
	}
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Errorf("elsewhere, after a login at the desk: %v", err)
	}
	for range limit {
		if _, err := s.Change(t.Context(), desk, wrong, fresh); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Fatalf("a wrong one at the desk: %v", err)
		}
	}
	if _, err := s.Login(t.Context(), desk, password); !isTooMany(err) {
		t.Errorf("at the desk, after as many wrong ones: %v", err)
	}
}

// TestDeviceOfAnotherTime: what ended the sessions has ended the device's mark, also before the watch has received it.
func TestDeviceOfAnotherTime(t *testing.T) {
	for name, meanwhile := range map[string]func(*world, login.Who){
		"as the watch knows": func(w *world, who login.Who) {
			w.write(who, func(c *account.Credential) { c.SessionGeneration++ })
		},
		"as the watch does not know": func(w *world, who login.Who) {
			w.on(once(func() { w.write(who, func(c *account.Credential) { c.SessionGeneration++ }) }), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(1))}})
			s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
			if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Fatal(err)
			}
			desk := w.atDesk(who)
			meanwhile(w, who)
			if _, err := s.Login(t.Context(), desk, password); !isTooMany(err) {
				t.Errorf("answered %v", err)
			}
		})
	}
}

// TestDeviceEndsWhileItIsVerified: the guess counts as one from elsewhere.
func TestDeviceEndsWhileItIsVerified(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, once(func() { w.write(who, func(c *account.Credential) { c.SessionGeneration++ }) }))
	if _, err := s.Login(t.Context(), w.atDesk(who), wrong); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Fatal(err)
	}
	c := w.record(who).Credential
	if len(c.Devices) != 0 || len(c.Failures.Times) == 0 || c.Failures.Consecutive != len(c.Failures.Times) {
		t.Errorf("failures are %+v, of devices %+v", c.Failures, c.Devices)
	}
}

// TestFloodElsewhere: those who wait in front of an account do not stand in front of a device that has logged in to it before.
func TestFloodElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(4, 64), w.person("ada", v1alpha1.UserAccountSpec{})
		desk := w.atDesk(who)
		open := make(chan struct{})
		w.on(func() error { <-open; return nil }, nil)
		results := make(chan error, 5)
		for range 5 {
			go func() { _, err := s.Login(t.Context(), who, password); results <- err }()
		}
		synctest.Wait()
		if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
			t.Errorf("one more from elsewhere: %v", err)
		}
		w.on(nil, nil)
		if _, err := s.Login(t.Context(), desk, password); err != nil {
			t.Errorf("at the desk: %v", err)
		}
		close(open)
		for range 5 {
			if err := <-results; err != nil {
				t.Errorf("one that waited elsewhere: %v", err)
			}
		}
	})
}
