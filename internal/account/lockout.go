package account

import (
	"slices"
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
	return r.lockSince(c.Failures.LockedTime)
}

// lockSince tells of a lock by maxFailures that began then.
func (r Rules) lockSince(locked time.Time) Lock {
	if r.Policy.MaxFailures == 0 || locked.IsZero() {
		return Lock{}
	}
	if r.Policy.LockDuration == 0 {
		return Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures}
	}
	until := locked.Add(r.Policy.LockDuration)
	if !until.After(r.Now) {
		return Lock{}
	}
	return Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: until}
}

// Failed records one wrong password, and locks the account at the limit, or only the device that the attempt came from.
// Failures from before a lock that has ended count towards maxConsecutiveFailures only.
func (r Rules) Failed(c Credential) Credential {
	c = r.ApplyRequests(c)
	c.Failures.Consecutive++
	own, others, counted := r.device(c)
	if counted {
		if own.Times, own.LockedTime = r.addFailure(own.Times, own.LockedTime); r.Policy.MaxFailures > 0 {
			others = append(others, own)
		}
		c.Devices = others
	} else {
		c.Failures.Times, c.Failures.LockedTime = r.addFailure(c.Failures.Times, c.Failures.LockedTime)
	}
	return c
}

// FailedEarlier records a wrong password that was given at an earlier time and could not be recorded then, unless an unlock or a
// new password has cleared it since.
func (r Rules) FailedEarlier(c Credential, at time.Time) Credential {
	c = r.ApplyRequests(c)
	if !at.After(c.lastUnlock()) || at.Before(c.Password.SetTime) {
		return c
	}
	r.Now = at
	return r.Failed(c)
}

// OnlyFailed tells whether a write has recorded wrong passwords, and neither a lock nor anything else.
func OnlyFailed(before, after Credential) bool {
	if after.Failures.Consecutive <= before.Failures.Consecutive || !after.Failures.LockedTime.Equal(before.Failures.LockedTime) {
		return false
	}
	before.Failures, before.Devices = after.Failures, after.Devices
	return before.Equal(after)
}

// addFailure adds a failure to those within the window, and begins a lock at the limit.
func (r Rules) addFailure(times []time.Time, locked time.Time) ([]time.Time, time.Time) {
	if !r.lockSince(locked).Locked {
		locked = time.Time{}
	}
	if r.Policy.MaxFailures == 0 {
		return nil, locked
	}
	next := append(r.withinWindow(times), r.Now)
	if len(next) < r.Policy.MaxFailures {
		return next, locked
	}
	if locked.After(r.Now) {
		return nil, locked // One that is recorded late makes no lock shorter.
	}
	return nil, r.Now
}

// withinWindow returns a copy of those failures that count still.
func (r Rules) withinWindow(times []time.Time) []time.Time {
	var kept []time.Time
	counts := func(t time.Time) bool { return r.Policy.FailureWindow == 0 || r.Now.Sub(t) < r.Policy.FailureWindow }
	if r.Policy.ForgetAfterLast {
		if slices.ContainsFunc(times, counts) {
			kept = slices.Clone(times)
		}
		return kept
	}
	for _, t := range times {
		if counts(t) {
			kept = append(kept, t)
		}
	}
	return kept
}

// clearFailures clears the failures. The person is still notified of their number, at the next login or change.
func (c Credential) clearFailures() Credential {
	c.UnnotifiedFailures += c.Failures.Consecutive
	c.Failures, c.Devices = Failures{}, nil
	return c
}

// idleLockTime is when the account will be, or was, locked for lack of logins; zero where it never will. The account
// counts as used when it was created, logged in to, reset or unlocked.
func (r Rules) idleLockTime(c Credential) time.Time {
	if r.Policy.IdleLock == 0 {
		return time.Time{}
	}
	used := c.CreatedTime
	for _, t := range []time.Time{c.LastSuccessTime, c.Password.SetTime, c.lastUnlock()} {
		if t.After(used) {
			used = t
		}
	}
	if used.IsZero() {
		return time.Time{} // As with expiry, nobody is locked out because of a gap in the record.
	}
	return used.Add(r.Policy.IdleLock)
}
