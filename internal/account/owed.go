package account

import "time"

// FailedThen records a wrong password that was given earlier and could not be recorded at the time, unless it has been
// forgotten since, by an unlock or with the password of that time.
func (r Rules) FailedThen(c Credential, at time.Time) Credential {
	c = r.ApplyRequests(c)
	if !at.After(c.Handled.Unlock) || at.Before(c.Password.SetTime) {
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
