package credential

import (
	"errors"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/account"
)

// notLocked stands in place of the time of a lock, where the device is not locked.
const notLocked = "-"

// formatDevice formats the failures of a device: its ID, when it was locked, and the times of its failed logins.
func formatDevice(d account.DeviceFailures) string {
	words := []string{d.ID, notLocked}
	if !d.LockedTime.IsZero() {
		words[1] = formatTime(d.LockedTime)
	}
	for _, t := range d.Times {
		words = append(words, formatTime(t))
	}
	return strings.Join(words, " ")
}

// devices reads the failures of devices. A line that cannot be read is an error, else its failures would be forgotten.
func (d *decoder) devices() []account.DeviceFailures {
	var devices []account.DeviceFailures
	for _, line := range d.lines(keyDevices) {
		words := strings.Split(line, " ")
		if len(words) < 2 || words[0] == "" {
			d.fail(keyDevices, errors.New("is not a device ID and times on each line"))
			return nil
		}
		f := account.DeviceFailures{ID: words[0]}
		if words[1] != notLocked {
			f.LockedTime = d.requiredTime(keyDevices, words[1])
		}
		for _, word := range words[2:] {
			f.Times = append(f.Times, d.requiredTime(keyDevices, word))
		}
		devices = append(devices, f)
	}
	return devices
}

// requiredTime reads a time that must be there.
func (d *decoder) requiredTime(key, value string) time.Time {
	t := d.parseTime(key, value)
	if value == "" {
		d.fail(key, errors.New("lacks a time"))
	}
	return t
}
