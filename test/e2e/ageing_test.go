package e2e_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestMaxAge: a password expires maxAgeDays after it was set. The login warns before, then asks for a change, and a change starts the time
// anew.
func TestMaxAge(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30))})
	p := o.settled(t, "ada", nil)
	a := o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")

	if set, expires := a.Status.Password.SetTime, a.Status.Password.ExpirationTime; expires == nil || expires.Sub(set.Time.Time) != 30*day {
		t.Errorf("a password of %v expires at %v, want 30 days later", set, expires)
	}

	if a := p.login(t, p.password, granted); a.warning("password-expires-soon") != nil || a.PasswordExpiresAt.IsZero() {
		t.Errorf("warnings %v, expiry %s; want an expiry and no warning on the first day", a.Warnings, a.PasswordExpiresAt)
	}

	o.age(t, "ada", 20*day, keySetTime)

	if a := p.login(t, p.password, granted); a.warning("password-expires-soon") == nil {
		t.Errorf("warnings %v, want one ten days before the end", a.Warnings)
	}

	o.age(t, "ada", 11*day, keySetTime)
	o.awaitStanding(t, "ada", v1alpha1.StandingExpired, v1alpha1.ReasonPasswordExpired)
	p.login(t, p.password, mustChange("Expired"))
	p.change(t, newPassword(), granted)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestExpiryNever: an account may declare that its password never expires only where the policy allows that; else PolicyResolved says that
// it is refused.
func TestExpiryNever(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30))})
	p := o.settled(t, "robot", func(s *v1alpha1.UserAccountSpec) { s.Password.Expiry = v1alpha1.PasswordExpiryPolicy })
	o.age(t, "robot", 31*day, keySetTime)
	o.declare(t, "robot", func(s *v1alpha1.UserAccountSpec) { s.Password.Expiry = v1alpha1.PasswordExpiryNever })

	o.awaitCondition(t, "robot", v1alpha1.ConditionPolicyResolved, metav1.ConditionFalse, v1alpha1.ConditionReasonExpiryExemptionRefused)
	p.login(t, p.password, mustChange("Expired"))

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.ExpiryExemption = v1alpha1.ExpiryExemptionAllowed })
	a := o.awaitStanding(t, "robot", v1alpha1.StandingActive, "")

	if a.Status.Password.ExpirationTime != nil {
		t.Errorf("the password expires at %s, want never", a.Status.Password.ExpirationTime)
	}

	o.awaitCondition(t, "robot", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	p.loginEventually(t, p.password, granted)
}

// TestGraceLogins: after its expiry a password still logs in graceLogins times, each time with a warning of how many are left, and then
// must be changed.
func TestGraceLogins(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30)), GraceLogins: new(int32(2))})
	p := o.settled(t, "ada", nil)
	o.age(t, "ada", 31*day, keySetTime)
	o.awaitStanding(t, "ada", v1alpha1.StandingExpired, v1alpha1.ReasonGraceLogin)

	for _, left := range []int{1, 0} {
		a := p.login(t, p.password, granted)
		if w := a.warning("grace-logins-remaining"); w == nil || w.Count == nil || *w.Count != left {
			t.Errorf("warnings %s, want %d grace logins remaining", a.body, left)
		}
	}

	p.login(t, p.password, mustChange("Expired"))
	o.awaitStanding(t, "ada", v1alpha1.StandingExpired, v1alpha1.ReasonPasswordExpired)
	p.change(t, newPassword(), granted)
	p.login(t, p.password, granted)
}

// TestMinAge: a password can be changed again only after minAgeHours, unless a change is required.
func TestMinAge(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MinAgeHours: new(int32(24))})
	p := o.settled(t, "ada", nil) // the first change was required, so its age did not matter

	if a := p.change(t, newPassword(), mayNotChange("PasswordTooYoung")); time.Until(a.NotBefore) < 23*time.Hour {
		t.Errorf("it may be changed from %s on, want in a day", a.NotBefore)
	}

	o.age(t, "ada", day, keySetTime)
	p.change(t, newPassword(), granted)
	p.change(t, newPassword(), mayNotChange("PasswordTooYoung"))

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	p.loginEventually(t, p.password, mustChange("Requested"))
	p.change(t, newPassword(), granted)
}

// TestHistory: a person cannot choose the current password or one of the last history.count again. A reset is not compared with them.
func TestHistory(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{History: v1alpha1.HistoryRule{Count: new(int32(2))}})
	p := o.hired(t, "ada", nil)
	handedOut := p.password
	first, second := newPassword(), newPassword()

	refused := func(password string, because ...string) {
		t.Helper()

		a := p.change(t, password, rejected)
		for _, r := range a.Requirements {
			if *r.Satisfied == slices.Contains(because, r.ID) {
				t.Errorf("requirement %s is satisfied: %t; want all but %s to be", r.ID, *r.Satisfied, because)
			}
		}
	}

	refused(handedOut, "notCurrent", "history")
	p.change(t, first, granted)
	refused(handedOut, "history")
	p.change(t, second, granted)
	refused(first, "history")
	refused(handedOut, "history")

	// What is handed out is not compared with it: the answer would reveal to a pipeline which passwords the person has had.
	o.handOut(t, "ada", first)
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset)
	p.login(t, first, mustChange("Reset"))

	p.password = first
	p.change(t, newPassword(), granted)
	p.change(t, newPassword(), granted)
	p.change(t, newPassword(), granted)
	p.change(t, handedOut, granted) // long enough ago
}

// TestHandedOutPasswordLapses: a handed-out password that nobody has changed within mustChange.withinHours neither logs in nor can be
// changed, until it is handed out anew.
func TestHandedOutPasswordLapses(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MustChange: v1alpha1.MustChangeRule{WithinHours: new(int32(48))}})
	p := o.hired(t, "ada", nil)
	p.login(t, p.password, mustChange("InitialLogin"))

	o.age(t, "ada", 2*day, keySetTime)
	o.awaitStanding(t, "ada", v1alpha1.StandingExpired, v1alpha1.ReasonPasswordLapsed)
	p.login(t, p.password, unavailable("PasswordLapsed"))
	p.change(t, newPassword(), unavailable("PasswordLapsed"))

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Password.ResetTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	p.change(t, newPassword(), granted)

	// What the person has chosen does not lapse.
	o.age(t, "ada", 20*day, keySetTime)
	p.login(t, p.password, granted)
}

// TestIdleLock: an account that nobody has used for idleLockDays is locked until an administrator unlocks it.
func TestIdleLock(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{IdleLockDays: new(int32(30))})
	p := o.settled(t, "ada", nil)
	o.age(t, "ada", 31*day, keyCreatedTime, keySetTime, keyLastSuccessTime)
	o.awaitStanding(t, "ada", v1alpha1.StandingLocked, v1alpha1.ReasonIdle)
	p.login(t, p.password, unavailable("Idle"))

	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.UnlockTime = now() })
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
	p.loginEventually(t, p.password, granted)
}
