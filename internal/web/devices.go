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
	// maxDeviceAccounts is how many accounts a device is known to, those of the last logins.
	// Tokens have about 400 bytes, and a cookie holds 4096 (RFC 6265, section 6.1).
	maxDeviceAccounts = 4
	// deviceSeparator stands between tokens. No token contains it (RFC 7515, section 7.1).
	deviceSeparator = "~"
	// deviceRenewal is the age at which a login replaces the token of a device.
	deviceRenewal = 7 * 24 * time.Hour
)

// device is a token that says: this device has logged in to that account before.
type device struct {
	token.Device
	text string
}

// devices returns the valid tokens of the device cookie. Others are ignored, as without a cookie.
func (v *requestSessions) devices(r *http.Request) []device {
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

// loginDevices returns the devices in the type of package login.
func loginDevices(devices []device) []login.Device {
	var all []login.Device
	for _, d := range devices {
		all = append(all, login.Device{ID: d.ID, CredentialUID: d.CredentialUID, Generation: d.Generation})
	}
	return all
}

// rememberDevice sets the device cookie after a login, so that failures elsewhere do not lock this device out. known are the tokens
// that the request had. The token of this login comes first in the cookie; a recent one is used again.
func (v *requestSessions) rememberDevice(w http.ResponseWriter, claims token.Claims, known []device) {
	current := device{Device: token.Device{
		ID: rand.Text(), CredentialUID: claims.CredentialUID, Generation: claims.Generation, IssuedTime: v.Sessions.Clock.Now(),
	}}
	var others []string
	for i, d := range known {
		if d.CredentialUID != current.CredentialUID {
			others = append(others, d.text)
			continue
		}
		current.ID = d.ID
		if d.Generation == current.Generation && current.IssuedTime.Sub(d.IssuedTime) < deviceRenewal {
			if i == 0 {
				return
			}
			current.text = d.text
		}
	}
	if current.text == "" {
		signed, err := v.Sessions.Keys.Ring().SignDevice(current.Device)
		if err != nil {
			slog.Warn("Device not marked as one that has logged in", "error", err)
			return
		}
		current.text = signed.Text()
	}
	tokens := append([]string{current.text}, others[:min(len(others), maxDeviceAccounts-1)]...)
	v.Set(w, deviceCookie, strings.Join(tokens, deviceSeparator), token.DeviceLifetime)
}
