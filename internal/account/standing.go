package account

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Standing is how an account stands, and until when.
type Standing struct {
	// Standing in one word, and why it is not Active.
	Standing v1alpha1.Standing
	Reason   v1alpha1.StandingReason

	// MustChange is why the password must be changed; empty where it need not be.
	MustChange v1alpha1.MustChangeReason

	// PasswordExpires is when the password ceases to log in as it is; zero: never.
	PasswordExpires time.Time

	// Lock by failed logins. It holds whatever the standing is: a disabled account can be locked too.
	Lock Lock

	// Next is the earliest instant after now at which any of this can change by itself; zero: never.
	Next time.Time
}

// Standing tells how the account stands, with all requests that are due taken into account; for an attempt from a device
// that has logged in before, how it stands there.
func (r Rules) Standing(c Credential) Standing {
	c = r.ApplyRequests(c)
	s := Standing{Lock: r.AttemptLock(c), MustChange: r.mustChange(c), PasswordExpires: r.passwordExpires(c)}
	s.Standing, s.Reason = r.classify(c, s)
	for _, t := range []time.Time{
		instant(r.Spec.StartTime), instant(r.Spec.EndTime), r.nextRequest(c), s.Lock.Until,
		r.policyChangeTime(c), r.expiryTime(c), r.lapseTime(c), r.idleLockTime(c),
	} {
		s.Next = sooner(s.Next, t, r.Now)
	}
	return s
}

// classify picks the standing: first what no password helps against, then what NextStep answers to a right password.
func (r Rules) classify(c Credential, s Standing) (v1alpha1.Standing, v1alpha1.StandingReason) {
	switch reason := UnavailableReason(r.Spec, r.Now); {
	case reason == v1alpha1.ReasonAccountEnded:
		return v1alpha1.StandingExpired, reason
	case reason != "":
		return v1alpha1.StandingDisabled, reason
	case r.IsExternal():
		return r.classifyExternal(c, s)
	case c.Password.IsZero():
		return v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword
	case s.Lock.Locked:
		return v1alpha1.StandingLocked, s.Lock.Reason
	case r.past(r.idleLockTime(c)):
		return v1alpha1.StandingLocked, v1alpha1.ReasonIdle
	case r.past(r.lapseTime(c)):
		return v1alpha1.StandingExpired, v1alpha1.ReasonPasswordLapsed
	case s.MustChange == "":
		return v1alpha1.StandingActive, ""
	case s.MustChange == v1alpha1.MustChangeExpired && r.graceLoginsLeft(c) > 0:
		return v1alpha1.StandingExpired, v1alpha1.ReasonGraceLogin
	case r.ChangeForbidden():
		return v1alpha1.StandingResetRequired, reasonOf(s.MustChange)
	case s.MustChange == v1alpha1.MustChangeExpired:
		return v1alpha1.StandingExpired, v1alpha1.ReasonPasswordExpired
	default:
		return v1alpha1.StandingChangeRequired, reasonOf(s.MustChange)
	}
}

func reasonOf(m v1alpha1.MustChangeReason) v1alpha1.StandingReason {
	if m == v1alpha1.MustChangeExpired {
		return v1alpha1.ReasonPasswordExpired
	}
	return v1alpha1.StandingReason(m)
}

// mustChange tells why the password must be changed: what was recorded, else what the policy and time decide.
func (r Rules) mustChange(c Credential) v1alpha1.MustChangeReason {
	switch {
	case c.Password.IsZero():
		return ""
	case c.Password.MustChange != "":
		return c.Password.MustChange
	case r.past(r.policyChangeTime(c)):
		return v1alpha1.MustChangePolicyChanged
	case r.past(r.expiryTime(c)):
		return v1alpha1.MustChangeExpired
	default:
		return ""
	}
}

// policyChangeTime is the policy's changeRequiredTime where it concerns this password; zero where it does not.
func (r Rules) policyChangeTime(c Credential) time.Time {
	t := r.Policy.ChangeRequiredTime
	if c.Password.IsZero() || t.IsZero() || c.Password.SetTime.After(t) {
		return time.Time{}
	}
	return t
}

// expiryTime is when the password is older than the policy allows; zero: never. Without a known time of setting there
// is no expiry: nobody is made to change because of a gap in the record.
func (r Rules) expiryTime(c Credential) time.Time {
	if c.Password.IsZero() || c.Password.SetTime.IsZero() || r.Policy.MaxAge == 0 || r.ExpiryExempt() {
		return time.Time{}
	}
	return c.Password.SetTime.Add(r.Policy.MaxAge)
}

// lapseTime is when a handed-out password that was not changed stops working; zero: never. Where its change was asked for
// later, the time runs from there, since until then nobody had to change it. One that was found not to meet the policy
// does not lapse: when that was is not recorded, and the person, who has just logged in, would be locked out at once.
func (r Rules) lapseTime(c Credential) time.Time {
	since := c.Password.SetTime
	if c.Password.SetBy != v1alpha1.SetByReset || since.IsZero() || r.Policy.ChangeWithin == 0 || r.ChangeForbidden() {
		return time.Time{}
	}
	switch c.Password.MustChange {
	case v1alpha1.MustChangeInitialLogin, v1alpha1.MustChangeReset:
	case v1alpha1.MustChangeRequested:
		since = later(since, c.lastChangeRequired())
	default:
		return time.Time{}
	}
	return since.Add(r.Policy.ChangeWithin)
}

func (r Rules) passwordExpires(c Credential) time.Time {
	expiry, lapse := r.expiryTime(c), r.lapseTime(c)
	if expiry.IsZero() || (!lapse.IsZero() && lapse.Before(expiry)) {
		return lapse
	}
	return expiry
}

func (r Rules) graceLoginsLeft(c Credential) int {
	return max(0, r.Policy.GraceLogins-c.Password.GraceLoginsUsed)
}

func (r Rules) past(t time.Time) bool { return !t.IsZero() && !t.After(r.Now) }
