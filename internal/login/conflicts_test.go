package login_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// TestResetWhileItIsHashedAgain: a password that was verified anew after another wrote is granted only if nobody has written
// since, as the watch knows.
func TestResetWhileItIsHashedAgain(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Failures.Consecutive = 1 })
	reads := 0
	w.on(func() error {
		// The second read is the one after the conflict. What it reads is reset to the same password, then locked while that
		// is hashed: the API server's memory is behind.
		if reads++; reads == 2 {
			w.lag(who)
			w.write(who, func(c *account.Credential) { c.Failures = account.Failures{Consecutive: 100, LockedTime: now} })
		}
		return nil
	}, once(func() { w.reset(who, password) }))
	if _, err := s.Login(t.Context(), who, password); !isTooMany(err) {
		t.Errorf("answered %v", err)
	}
}

var errConflict = apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "x", errors.New("changed"))

// TestConflictsWithoutEnd: a guess that was verified counts, also when others write all the time.
func TestConflictsWithoutEnd(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	tries := 0
	w.on(nil, func() error { tries++; return errConflict })
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrOverloaded) {
		t.Fatalf("login: %v", err)
	}
	if tries < 2 || tries > 20 {
		t.Errorf("tried %d times", tries)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are reported, want 1", got.Answer.FailuresBefore)
	}
}

// TestTooLateAfterConflict: a client that waits is told that it cannot be known, and not what one is told that has gone, where the API server is silent after a
// conflict.
func TestTooLateAfterConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		reads := 0
		w.on(func() error {
			if reads++; reads > 1 {
				<-time.After(time.Minute)
				return errors.New("no answer")
			}
			return nil
		}, func() error { return errConflict })
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("login: %v", err)
		}
	})
}

// TestLostAfterConflict: a guess that was verified counts, also when what follows a conflict fails.
func TestLostAfterConflict(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.beforeGet = func() error { return errors.New("the API server is away") }
		return errConflict
	})
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
		t.Fatalf("login: %v", err)
	}
	w.on(nil, nil)
	got, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if got.Answer.FailuresBefore != 1 {
		t.Errorf("%d failures are reported, want 1", got.Answer.FailuresBefore)
	}
}

// TestResetInBetween: a verification holds only for the hash that was verified.
func TestResetInBetween(t *testing.T) {
	const handedOut = "handed out by an administrator"
	for name, attempt := range map[string]func(context.Context, *login.Service, login.Who) error{
		"login": func(ctx context.Context, s *login.Service, who login.Who) error {
			_, err := s.Login(ctx, who, password)
			return err
		},
		"change": func(ctx context.Context, s *login.Service, who login.Who) error {
			_, err := s.Change(ctx, who, password, fresh)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{})
			s := w.service(2, 8)
			// There is a failure to forget, so that the login has something to write too.
			who := w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Failures.Consecutive = 1 })
			w.on(nil, once(func() { w.reset(who, handedOut) }))
			if err := attempt(t.Context(), s, who); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("with the password that was reset meanwhile: %v", err)
			}
			if _, err := s.Login(t.Context(), who, handedOut); err != nil {
				t.Errorf("the reset did not stay: %v", err)
			}
		})
	}
}

// TestOtherWriteInBetween: what was written meanwhile stays, and the attempt is decided again upon it.
func TestOtherWriteInBetween(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	w.on(nil, once(func() { w.write(who, func(c *account.Credential) { c.SessionGeneration = 40 }) }))
	got, err := s.Change(t.Context(), who, password, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if got.Record.SessionGeneration != 41 {
		t.Errorf("the generation is %d, want 41", got.Record.SessionGeneration)
	}
	if _, err := s.Login(t.Context(), who, fresh); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// TestRightPasswordAfterARestore: etcd was restored to an earlier state, and the watch still has the version from before. A right
// password is granted, as a wrong one is refused.
func TestRightPasswordAfterARestore(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(1, 1), w.person("ada", v1alpha1.UserAccountSpec{})
	w.watched = "999999"
	if _, err := s.Login(t.Context(), who, password); err != nil {
		t.Errorf("right password: %v", err)
	}
	if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
		t.Errorf("wrong password: %v", err)
	}
}
