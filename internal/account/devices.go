package account

// MaxDevices is how many devices of one account have their failures counted on their own.
const MaxDevices = 16

// AttemptLock tells whether an attempt is refused: by the account's lock or, where it comes from a device that has logged in
// before, by that device's own. So whoever knows a username and guesses from elsewhere does not keep the person out (OWASP,
// Authentication Cheat Sheet, device cookies). Nothing helps against a lock that an administrator has to end.
func (r Rules) AttemptLock(c Credential) Lock {
	general := r.Lock(c)
	own, _, counted := r.device(c)
	if !counted || general.Locked && general.Until.IsZero() {
		return general
	}
	return r.lockSince(own.LockedTime)
}

// device returns the failures of the device that an attempt comes from, which it may have none of yet, and those of the
// others that count still. It returns false where they are not counted on their own: it is no such device, there is no room
// for one more, or locks last until an administrator ends them, who has to see the only one there is.
func (r Rules) device(c Credential) (own DeviceFailures, others []DeviceFailures, counted bool) {
	own.ID = r.Device
	for _, d := range c.Devices {
		switch {
		case d.ID == r.Device:
			own = d
		case r.lockSince(d.LockedTime).Locked || len(r.withinWindow(d.Times)) > 0:
			others = append(others, d)
		}
	}
	return own, others, r.Device != "" && r.Policy.LockDuration > 0 && len(others) < MaxDevices
}

// succeeded clears the failures that a right password clears: those of where it came from. From a device that has logged in
// before it leaves the account's lock and the failures towards it alone, or each login at the desk would give whoever guesses
// elsewhere a new start; they are in a row no longer, nor do they count where the policy counts them until a success.
func (r Rules) succeeded(c Credential) Credential {
	_, others, counted := r.device(c)
	c.UntoldFailures += c.Failures.Consecutive
	c.Failures.Consecutive = 0
	switch {
	case !counted:
		c.Failures = Failures{}
	case r.Policy.FailureWindow == 0:
		c.Devices, c.Failures.Times = others, nil
	default:
		c.Devices = others
	}
	return c
}
