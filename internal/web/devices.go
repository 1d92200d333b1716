package web

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// maxDeviceAccounts is for how many accounts a device counts as one that has logged in before: those of the last logins.
	// Tokens have about 400 bytes, and a cookie holds 4096 (RFC 6265, section 6.1).
	maxDeviceAccounts = 4
	// deviceSeparator stands between tokens, none of which has it (RFC 7515, section 7.1).
	deviceSeparator = "~"
	// deviceRenewal is how old the token of a device gets before a login renews it.
	deviceRenewal = 7 * 24 * time.Hour
)

// device is a token that marks a device as one that has logged in to an account before.
type device struct {
	token.Device
	text string
}

// devices returns what the device cookie of a request proves. A token that proves nothing is left out: it could only have helped.
func (v *visits) devices(r *http.Request) []device {
	cookie := v.Get(r, deviceCookie)
	if cookie == "" {
		return nil
	}
	var devices []device
	for _, text := range strings.SplitN(cookie, deviceSeparator, maxDeviceAccounts) {
		if d, err := v.Sessions.Keys.Ring().VerifyDevice(text, v.Sessions.Clock.Now()); err == nil {
			devices = append(devices, device{Device: d, text: text})
		}
	}
	return devices
}

// loginDevices returns the devices as package login takes them.
func loginDevices(devices []device) []login.Device {
	var all []login.Device
	for _, d := range devices {
		all = append(all, login.Device{ID: d.ID, CredentialUID: d.CredentialUID, Generation: d.Generation})
	}
	return all
}

// rememberDevice marks the device that a login or a change was granted to, so that somebody who guesses elsewhere does not lock it
// out. The mark of the last login comes first in the cookie; one that is not old yet is not made anew.
func (v *visits) rememberDevice(w http.ResponseWriter, granted *grant) {
	mark := device{Device: token.Device{
		ID: rand.Text(), CredentialUID: granted.claims.CredentialUID, Generation: granted.claims.Generation,
		IssuedTime: v.Sessions.Clock.Now(),
	}}
	var others []string
	for i, d := range granted.devices {
		if d.CredentialUID != mark.CredentialUID {
			others = append(others, d.text)
			continue
		}
		mark.ID = d.ID
		if d.Generation == mark.Generation && mark.IssuedTime.Sub(d.IssuedTime) < deviceRenewal {
			if i == 0 {
				return
			}
			mark.text = d.text
		}
	}
	if mark.text == "" {
		signed, err := v.Sessions.Keys.Ring().SignDevice(mark.Device)
		if err != nil {
			slog.Warn("Device not marked as one that has logged in", "error", err)
			return
		}
		mark.text = signed.Text()
	}
	tokens := append([]string{mark.text}, others[:min(len(others), maxDeviceAccounts-1)]...)
	v.Set(w, deviceCookie, strings.Join(tokens, deviceSeparator), token.DeviceLifetime)
}
