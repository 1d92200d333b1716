package login_test

import (
	"errors"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// TestBehind: what the API server has in memory may be a moment behind what is stored, and decides nothing that is written.
func TestBehind(t *testing.T) {
	limit := v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(2))}}
	for name, row := range map[string]struct {
		// meanwhile is written and not yet in memory.
		meanwhile func(*world, login.Who)
		password  string
		want      func(error) bool
		check     func(account.Credential) bool
	}{
		"the new password after a reset": {
			meanwhile: func(w *world, who login.Who) { w.reset(who, fresh) }, password: fresh,
			want:  func(err error) bool { return err == nil },
			check: func(c account.Credential) bool { return c.Failures.Consecutive == 0 },
		},
		"a wrong password after a failure": {
			meanwhile: func(w *world, who login.Who) {
				w.write(who, func(c *account.Credential) { c.Failures = account.Failures{Consecutive: 1} })
			},
			password: wrong,
			want:     func(err error) bool { return errors.Is(err, login.ErrInvalidCredentials) },
			check:    func(c account.Credential) bool { return c.Failures.Consecutive == 2 },
		},
		"a wrong password after a lock": {
			meanwhile: func(w *world, who login.Who) {
				w.write(who, func(c *account.Credential) { c.Failures = account.Failures{Consecutive: 2, LockedTime: now} })
			},
			password: wrong,
			want: func(err error) bool {
				_, locked := errors.AsType[*login.TooManyAttemptsError](err)
				return locked
			},
			check: func(c account.Credential) bool { return c.Failures.Consecutive == 2 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, limit)
			who := w.person("ada", v1alpha1.UserAccountSpec{})
			s := w.service(1, 1)
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Fatal(err)
			}
			w.lag(who)
			row.meanwhile(w, who)
			if _, err := s.Login(t.Context(), who, row.password); !row.want(err) {
				t.Errorf("answered %v", err)
			}
			if c := w.record(who).Credential; !row.check(c) {
				t.Errorf("left is %+v", c.Failures)
			}
		})
	}
}

// TestGrantedFromBehind: the old password may still be granted for that moment, with a session that has already ended.
func TestGrantedFromBehind(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	who := w.person("ada", v1alpha1.UserAccountSpec{})
	s := w.service(1, 1)
	if _, err := s.Login(t.Context(), who, password); err != nil {
		t.Fatal(err)
	}
	w.lag(who)
	w.watched = w.record(who).ResourceVersion()
	w.reset(who, fresh)
	granted, err := s.Login(t.Context(), who, password)
	if err != nil {
		t.Fatal(err)
	}
	if now := w.record(who).SessionGeneration; granted.Record.SessionGeneration >= now {
		t.Errorf("the session has generation %d, the credential %d", granted.Record.SessionGeneration, now)
	}
}

// TestGrantedByTheWatch: what the watch knows of is not granted over.
func TestGrantedByTheWatch(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile func(*world, login.Who)
		want      func(error) bool
	}{
		"a reset": {
			meanwhile: func(w *world, who login.Who) { w.reset(who, fresh) },
			want:      func(err error) bool { return errors.Is(err, login.ErrInvalidCredentials) },
		},
		"a lock": {
			meanwhile: func(w *world, who login.Who) {
				w.write(who, func(c *account.Credential) { c.Failures = account.Failures{Consecutive: 100, LockedTime: now} })
			},
			want: func(err error) bool {
				_, locked := errors.AsType[*login.TooManyAttemptsError](err)
				return locked
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.PasswordPolicySpec{})
			who := w.person("ada", v1alpha1.UserAccountSpec{})
			s := w.service(1, 1)
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Fatal(err)
			}
			w.lag(who)
			row.meanwhile(w, who)
			w.watched = w.record(who).ResourceVersion()
			if _, err := s.Login(t.Context(), who, password); !row.want(err) {
				t.Errorf("answered %v", err)
			}
		})
	}
}

// TestAnswerLost: a write that was carried out and whose answer is lost is refused, and holds.
func TestAnswerLost(t *testing.T) {
	lost := errors.New("connection reset")
	t.Run("change", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		who := w.person("ada", v1alpha1.UserAccountSpec{})
		s := w.service(1, 1)
		w.afterUpdate = func() error { return lost }
		if _, err := s.Change(t.Context(), who, password, fresh); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("the change: %v", err)
		}
		w.afterUpdate = nil
		if _, err := s.Login(t.Context(), who, fresh); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("the old one: %v", err)
		}
	})
	t.Run("failure", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		who := w.person("ada", v1alpha1.UserAccountSpec{})
		s := w.service(1, 1)
		w.afterUpdate = func() error { return lost }
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("the wrong password: %v", err)
		}
		w.afterUpdate = nil
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("the next: %v", err)
		}
		// It cannot be known that the first was recorded, so it counts again: never too few.
		if got := w.record(who).Failures.Consecutive; got != 3 {
			t.Errorf("%d failures are recorded, want 3", got)
		}
	})
	t.Run("grace login", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(1)), GraceLogins: new(int32(2))})
		who := w.person("ada", v1alpha1.UserAccountSpec{})
		s := w.service(1, 1)
		w.beforeUpdate = func() error { return lost }
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("refused: %v", err)
		}
		w.beforeUpdate, w.afterUpdate = nil, func() error { return lost }
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("lost: %v", err)
		}
		w.afterUpdate = nil
		if _, err := s.Login(t.Context(), who, password); err != nil {
			t.Errorf("the second: %v", err)
		}
		if got := w.record(who).Password.GraceLoginsUsed; got != 2 {
			t.Errorf("%d grace logins are used, want 2", got)
		}
	})
}
