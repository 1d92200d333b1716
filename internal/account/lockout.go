package account

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Lock tells whether failed logins have locked an account.
type Lock struct {
	Locked bool
	Reason v1alpha1.StandingReason
	// Until is when the lock ends by itself; zero where an administrator has to end it.
	Until time.Time
}

// Lock tells whether failed logins have locked the account. The policy in force decides: making it laxer ends locks.
func (r Rules) Lock(c Credential) Lock {
	if limit := r.Policy.MaxConsecutiveFailures; limit > 0 && c.Failures.Consecutive >= limit {
		return Lock{Locked: true, Reason: v1alpha1.ReasonTooManyConsecutiveFailures}
	}
	if r.Policy.MaxFailures == 0 || c.Failures.LockedTime.IsZero() {
		return Lock{}
	}
	if r.Policy.LockDuration == 0 {
		return Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures}
	}
	until := c.Failures.LockedTime.Add(r.Policy.LockDuration)
	if !until.After(r.Now) {
		return Lock{}
	}
	return Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: until}
}

// Failed records one wrong password, and locks the account at the limit. Failures from before a lock that has ended are
// spent: they count towards maxConsecutiveFailures only.
func (r Rules) Failed(c Credential) Credential {
	c = r.ApplyRequests(c)
	f := Failures{Consecutive: c.Failures.Consecutive + 1, LockedTime: c.Failures.LockedTime}
	if !r.Lock(c).Locked {
		f.LockedTime = time.Time{}
	}
	if r.Policy.MaxFailures > 0 {
		for _, t := range c.Failures.Times {
			if r.Policy.FailureWindow == 0 || r.Now.Sub(t) < r.Policy.FailureWindow {
				f.Times = append(f.Times, t)
			}
		}
		f.Times = append(f.Times, r.Now)
		if len(f.Times) >= r.Policy.MaxFailures {
			f.Times, f.LockedTime = nil, r.Now
		}
	}
	c.Failures = f
	return c
}

// withoutFailures clears the failures, but not the duty to tell of them.
func (c Credential) withoutFailures() Credential {
	c.UntoldFailures += c.Failures.Consecutive
	c.Failures = Failures{}
	return c
}

// idleLockTime is when the account will be, or was, locked for lack of logins; zero where it never will. The account
// counts as used when it was created, logged in to, reset or unlocked.
func (r Rules) idleLockTime(c Credential) time.Time {
	if r.Policy.IdleLock == 0 {
		return time.Time{}
	}
	used := c.CreatedTime
	for _, t := range []time.Time{c.LastSuccessTime, c.Password.SetTime, c.Handled.Unlock} {
		if t.After(used) {
			used = t
		}
	}
	if used.IsZero() {
		return time.Time{} // As with expiry, nobody is locked out because of a gap in the record.
	}
	return used.Add(r.Policy.IdleLock)
}
