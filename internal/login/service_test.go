package login_test

import (
	"context"
	"errors"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/login"
)

// TestUnknownIsLikeWrong: whatever keeps a name from having a password, it answers as a wrong password does.
func TestUnknownIsLikeWrong(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	w.decoys()
	s := w.service(2, 8)
	known := w.person("ada", v1alpha1.UserAccountSpec{})
	for name, row := range map[string]struct {
		who      login.Who
		password string
	}{
		"wrong password": {known, wrong},
		"no password":    {known, ""},
		"not a password": {known, "a\x00b"},
		"unknown":        {login.Who{Namespace: team, Username: "nobody"}, password},
		"not a username": {login.Who{Namespace: team, Username: "a b"}, password},
		"elsewhere":      {login.Who{Namespace: "nowhere", Username: "ada"}, password},
		"external": {w.person("eve", v1alpha1.UserAccountSpec{
			Authentication: v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal},
		}), password},
		"nothing set":   {w.person("max", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Password = account.Password{} }), password},
		"another's UID": {w.person("kim", v1alpha1.UserAccountSpec{}, func(c *account.Credential) { c.Owner.UID = "other" }), password},
		"another name":  {w.person("lee", v1alpha1.UserAccountSpec{Username: "lea"}), password},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Login(t.Context(), row.who, row.password); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("login: %v", err)
			}
			if _, err := s.Change(t.Context(), row.who, row.password, fresh); !errors.Is(err, login.ErrInvalidCredentials) {
				t.Errorf("change: %v", err)
			}
		})
	}
}

// TestHangingUp: who hangs up while the password is verified has guessed all the same.
func TestHangingUp(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	ctx, hangUp := context.WithCancel(t.Context())
	w.on(nil, once(hangUp))
	_, _ = s.Login(ctx, who, wrong)
	if f := w.record(who).Failures; f.Consecutive != 1 {
		t.Errorf("failures are %+v, want 1", f)
	}
	if _, err := s.Login(ctx, who, wrong); !errors.Is(err, context.Canceled) {
		t.Errorf("who has hung up already: %v", err)
	}
	ctx, hangUp = context.WithCancel(t.Context())
	w.on(once(hangUp), nil)
	if _, err := s.Login(ctx, who, wrong); !errors.Is(err, context.Canceled) {
		t.Errorf("who hangs up before the password is verified: %v", err)
	}
	if f := w.record(who).Failures; f.Consecutive != 1 {
		t.Errorf("failures are %+v, want 1: nothing else was verified", f)
	}
}

// TestRehash: the hash follows the policy at the next login, once, and never goes over another password.
func TestRehash(t *testing.T) {
	stronger := func(w *world) {
		w.policy.Spec.Hashing.Argon2id.Iterations = new(int32(2))
		if err := w.client.Update(t.Context(), w.policy); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("once", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		old := w.record(who).Password
		stronger(w)
		for range 2 {
			if _, err := s.Login(t.Context(), who, password); err != nil {
				t.Fatal(err)
			}
		}
		now := w.record(who).Password
		if now.Hash == old.Hash || hash.NeedsRehash(now.Hash, w.parameters()) || !now.SetTime.Equal(old.SetTime) {
			t.Errorf("after the login: hash changed %t, set %s", now.Hash != old.Hash, now.SetTime)
		}
		if w.updates != 1 {
			t.Errorf("%d writes, want 1", w.updates)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		stronger(w)
		w.on(nil, once(func() { w.reset(who, fresh) }))
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Errorf("with the password that was reset meanwhile: %v", err)
		}
		if _, err := s.Login(t.Context(), who, fresh); err != nil {
			t.Errorf("the reset did not stay: %v", err)
		}
	})
	t.Run("not written", func(t *testing.T) {
		w := newWorld(t, v1alpha1.PasswordPolicySpec{})
		s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
		stronger(w)
		w.on(nil, func() error { return errors.New("the API server is away") })
		if _, err := s.Login(t.Context(), who, password); !errors.Is(err, login.ErrUnavailable) {
			t.Errorf("login: %v", err)
		}
	})
}

// TestCleanLoginWritesNothing within the grain of the last login's time.
func TestCleanLoginWritesNothing(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s, who := w.service(2, 8), w.person("ada", v1alpha1.UserAccountSpec{})
	for i, want := range []int{1, 1, 1, 2} {
		if i == 3 {
			w.clock.SetTime(now.Add(account.LastSuccessGrain))
		}
		if _, err := s.Login(t.Context(), who, password); err != nil {
			t.Fatal(err)
		}
		if w.updates != want {
			t.Errorf("login %d: %d writes, want %d", i, w.updates, want)
		}
	}
}
