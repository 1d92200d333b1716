package account

// MaxDevices is how many devices of one account have their failures counted on their own.
const MaxDevices = 16

// AttemptLock tells whether an attempt is refused: by the account's lock or, where it comes from a device that has logged in
// before, by the lock of that device. So somebody who knows a username and guesses from elsewhere does not keep the person
// out (OWASP, Authentication Cheat Sheet, device cookies). A lock that an administrator has to end holds for every device.
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
// for one more, locks last until an administrator ends them, who has to see the only one there is, or the password is kept in a directory, whose own
// limit all devices share.
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
	return own, others, r.Device != "" && !r.IsExternal() && r.Policy.LockDuration > 0 && len(others) < MaxDevices
}

// clearFailuresOfOrigin clears the failures that a right password clears. A right password from a device that has logged in
// before clears those of the device. It leaves the account's lock, and the failures that lead to it, as they are: otherwise each
// login at the desk would give somebody who guesses elsewhere a new start. Either way those failures are no longer in a row,
// and do not count where the policy counts failures until a success.
func (r Rules) clearFailuresOfOrigin(c Credential) Credential {
	_, others, counted := r.device(c)
	c.UnnotifiedFailures += c.Failures.Consecutive
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
