package web

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"time"

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

// devices returns the devices of the valid tokens in the device cookie. Others are ignored, as without a cookie.
func (v *requestSessions) devices(r *http.Request) []token.Device {
	var devices []token.Device
	for _, text := range strings.SplitN(v.Get(r, deviceCookie), deviceSeparator, maxDeviceAccounts) {
		if d, err := v.Sessions.Keys.Ring().VerifyDevice(text, v.Sessions.Clock.Now()); err == nil {
			devices = append(devices, d)
		}
	}
	return devices
}

// rememberDevice sets the device cookie after a login, so that failures elsewhere do not lock this device out. known are the devices
// of the cookie that the request had. The account of this login comes first in the new one.
func (v *requestSessions) rememberDevice(w http.ResponseWriter, claims token.Claims, known []token.Device) {
	if claims.Method != token.Password {
		return // Nobody guesses at passwords there.
	}
	now := v.Sessions.Clock.Now()
	current := token.Device{ID: rand.Text(), CredentialUID: claims.CredentialUID, Generation: claims.Generation, IssuedTime: now}
	devices := []token.Device{current}
	for i, d := range known {
		if d.CredentialUID != current.CredentialUID {
			devices = append(devices, d)
			continue
		}
		current.ID = d.ID
		if d.Generation == current.Generation && now.Sub(d.IssuedTime) < deviceRenewal {
			if i == 0 {
				return
			}
			current = d
		}
	}
	devices[0] = current
	var tokens []string
	for _, d := range devices[:min(len(devices), maxDeviceAccounts)] {
		signed, err := v.Sessions.Keys.Ring().SignDevice(d)
		if err != nil {
			slog.Warn("Device not marked as one that has logged in", "error", err)
			return
		}
		tokens = append(tokens, signed.Text())
	}
	v.Set(w, deviceCookie, strings.Join(tokens, deviceSeparator), token.DeviceLifetime)
}
