package e2e_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestLockout: after maxFailures the account is locked, at the login and at a change alike. The lock ends by itself, or by unlockTime, once
// per request.
func TestLockout(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(3)), DurationMinutes: new(int32(15))},
	})
	p := o.settled(t, "ada", nil)
	p.lockOut(t)

	a := p.login(t, p.password, locked)
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 14*60 || wait > 15*60 {
		t.Errorf("Retry-After is %q, want the 15 minutes of the policy", a.header.Get("Retry-After"))
	}

	p.change(t, newPassword(), locked) // the other entry point is no weaker

	status := o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures).Status.Login
	if status.Failures != 3 || status.LockedUntilTime == nil || time.Until(status.LockedUntilTime.Time.Time) > 15*time.Minute {
		t.Errorf("status.login = %+v, want 3 failures and the end of the lock", status)
	}

	o.awaitEvent(t, "ada", v1alpha1.EventLocked)

	// It ends by itself.
	o.age(t, "ada", 15*time.Minute, keyLockedTime)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	o.awaitEvent(t, "ada", v1alpha1.EventUnlocked)
	p.login(t, p.password, granted)

	// Or by an administrator, once per request.
	p.lockOut(t)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
	p.loginEventually(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.lockOut(t)
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Ada" })
	o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)
	p.login(t, p.password, locked)
}

// TestLockWithoutEnd: a lock that only an administrator can end has no Retry-After.
func TestLockWithoutEnd(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		lockout v1alpha1.LockoutRule
		// old says that the first failures are of an hour ago.
		old bool
	}{
		"no duration": {lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(3)), DurationMinutes: new(int32(0))}},
		"failures in a row": {lockout: v1alpha1.LockoutRule{
			MaxFailures: new(int32(0)), MaxConsecutiveFailures: new(int32(3)),
		}},
		"failures in a row over all windows": {old: true, lockout: v1alpha1.LockoutRule{
			MaxFailures: new(int32(3)), WindowMinutes: new(int32(1)), MaxConsecutiveFailures: new(int32(3)),
		}},
		"window until a success": {old: true, lockout: v1alpha1.LockoutRule{
			MaxFailures: new(int32(3)), WindowMinutes: new(int32(0)), DurationMinutes: new(int32(0)),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, _ := governed(t, v1alpha1.PasswordPolicySpec{Lockout: tt.lockout})
			p := o.settled(t, "ada", nil)
			p.login(t, newPassword(), wrong)
			p.login(t, newPassword(), wrong)

			if tt.old {
				o.age(t, "ada", time.Hour, keyFailureTimes)
			}

			p.login(t, newPassword(), wrong)

			if a := p.login(t, p.password, locked); a.header.Get("Retry-After") != "" {
				t.Errorf("Retry-After is %q, want none", a.header.Get("Retry-After"))
			}

			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
			p.loginEventually(t, p.password, granted)
		})
	}
}

// TestFailuresAreReported: the next login reports to the person how many attempts have failed, also with the username in other letters. Then they
// are forgotten.
func TestFailuresAreReported(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	p := o.settled(t, "ada", nil)

	for range 3 { // six in all
		p.login(t, newPassword(), wrong)
		(&person{organisation: o.name, username: strings.ToUpper(p.username)}).login(t, newPassword(), wrong) // an alias counts
		o.await(t, "ada", "two failures", func(a *v1alpha1.UserAccount) bool {
			return a.Status.Login != nil && a.Status.Login.Failures == 2
		})

		a := p.login(t, p.password, granted)
		if w := a.warning("failed-attempts"); w == nil || w.Count == nil || *w.Count != 2 {
			t.Errorf("warnings of %s, want two failed attempts", a.body)
		}

		if a := p.login(t, p.password, granted); len(a.Warnings) > 0 {
			t.Errorf("warnings %v of the next login, want none", a.Warnings)
		}
	}
}

// TestUnknownNamesAnswerAlike: a username that nobody has gets the same answer as a wrong password.
func TestUnknownNamesAnswerAlike(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	known := p.login(t, newPassword(), wrong)

	for _, stranger := range []*person{
		{organisation: o.name, username: "nobody"},
		{organisation: "no-such-organisation", username: "ada"},
		{organisation: "kube-system", username: "ada"},
		{organisation: o.name, username: "no username!"},
		{organisation: "../" + o.name, username: "ada\x00"},
	} {
		unknown := stranger.login(t, newPassword(), wrong)
		if !bytes.Equal(unknown.body, known.body) {
			t.Errorf("%q answers %s, a known name answers %s", stranger.username, unknown.body, known.body)
		}

		for name := range known.header {
			if _, found := unknown.header[http.CanonicalHeaderKey(name)]; !found {
				t.Errorf("the answer to %q lacks the header %s", stranger.username, name)
			}
		}
	}
}
