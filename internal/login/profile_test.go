package login_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/login"
)

// account returns the account of a person.
func (w *world) account(who login.Who) *v1alpha1.UserAccount {
	w.t.Helper()
	a := &v1alpha1.UserAccount{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: who.Namespace, Name: who.Username}, a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// TestFailuresOutliveAChangeThatIsRequired: the session that follows reports them.
func TestFailuresOutliveAChangeThatIsRequired(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{})
	s := w.service(2, 8)
	who := w.person("ada", v1alpha1.UserAccountSpec{}, func(c *account.Credential) {
		c.Password.MustChange = v1alpha1.MustChangeRequested
	})
	for range 2 {
		if _, err := s.Login(t.Context(), who, wrong); !errors.Is(err, login.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	if _, ok := errors.AsType[*login.ChangeRequiredError](must2(s.Login(t.Context(), who, password))); !ok {
		t.Fatal("no change is required")
	}
	if _, ok := errors.AsType[*login.PasswordRejectedError](must2(s.Change(t.Context(), who, password, "short"))); !ok {
		t.Fatal("the new password is not rejected")
	}
	granted, err := s.Change(t.Context(), who, password, fresh)
	if err != nil || granted.Answer.FailuresBefore != 2 {
		t.Fatalf("the change reports %+v, %v; want 2 failures", granted, err)
	}
	updates := w.updates
	granted, err = s.Login(t.Context(), who, fresh)
	if err != nil || granted.Answer.FailuresBefore != 0 || w.updates != updates {
		t.Errorf("the next login reports %+v, %v, with %d writes; want nothing", granted, err, w.updates-updates)
	}
}

// must2 returns the error alone.
func must2(_ *login.Result, err error) error { return err }

func TestProfile(t *testing.T) {
	w := newWorld(t, v1alpha1.PasswordPolicySpec{
		MaxAgeDays: new(int32(10)), GraceLogins: new(int32(2)), MinAgeHours: new(int32(72)),
	})
	s := w.service(1, 1)
	set, expires := now.Add(-48*time.Hour), now.Add(8*24*time.Hour)
	who := w.person("ada", v1alpha1.UserAccountSpec{})
	got, err := s.Profile(t.Context(), w.account(who))
	want := login.Profile{SetTime: set, PasswordExpires: expires, WarnExpiry: true, GraceLoginsLeft: 2, NotBefore: now.Add(24 * time.Hour)}
	got.Policy = want.Policy
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("profile is\n%+v, %v\nwant\n%+v", got, err, want)
	}

	kiosk := w.person("kiosk", v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{Change: v1alpha1.PasswordChangeForbidden}})
	if got, err := s.Profile(t.Context(), w.account(kiosk)); err != nil || !got.ChangeForbidden || !got.NotBefore.IsZero() {
		t.Errorf("profile of who may not change: %+v, %v", got, err)
	}

	w.write(who, func(c *account.Credential) {
		c.Password.SetTime = now.Add(-11 * 24 * time.Hour)
		c.Password.GraceLoginsUsed = 1
	})
	if got, err := s.Profile(t.Context(), w.account(who)); err != nil || !got.Expired || got.GraceLoginsLeft != 1 || !got.NotBefore.IsZero() {
		t.Errorf("profile after the password has expired: %+v, %v", got, err)
	}

	w.on(func() error { return errors.New("down") }, nil)
	if _, err := s.Profile(t.Context(), w.account(who)); !errors.Is(err, login.ErrUnavailable) {
		t.Errorf("while nothing can be read: %v", err)
	}
}
