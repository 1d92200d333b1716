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
	// deviceAccounts is how many accounts a device counts for as one that has logged in before, those of the last logins.
	// Tokens have about 400 bytes, and a cookie holds 4096 (RFC 6265, section 6.1).
	deviceAccounts = 4
	// deviceSeparator stands between tokens, none of which has it (RFC 7515, section 7.1).
	deviceSeparator = "~"
	// deviceRenewal is how old a device's token gets before a login renews it.
	deviceRenewal = 7 * 24 * time.Hour
)

// device is the token that marks a device as one that has logged in to an account before.
type device struct {
	token.Device
	text string
}

// devicesOf returns what the cookie of a request proves. What it cannot prove is left out: it does no more than help.
func (s *Sessions) devicesOf(r *http.Request) []device {
	cookie := cookieOf(r, deviceCookie)
	if cookie == "" {
		return nil
	}
	var devices []device
	for _, text := range strings.SplitN(cookie, deviceSeparator, deviceAccounts) {
		if d, err := s.Keys.Ring().VerifyDevice(text, s.Clock.Now()); err == nil {
			devices = append(devices, device{Device: d, text: text})
		}
	}
	return devices
}

// asLogin tells the login of devices.
func asLogin(devices []device) []login.Device {
	var all []login.Device
	for _, d := range devices {
		all = append(all, login.Device{ID: d.ID, CredentialUID: d.CredentialUID, Generation: d.Generation})
	}
	return all
}

// rememberDevice marks the device that a login or a change was granted to, so that nobody who guesses elsewhere locks it out.
// The mark of the last login comes first; one that is not old yet is not made anew.
func (s *Sessions) rememberDevice(w http.ResponseWriter, r *http.Request, granted *grant) {
	mark := device{Device: token.Device{
		ID: rand.Text(), CredentialUID: granted.claims.CredentialUID, Generation: granted.claims.Generation,
		IssuedTime: s.Clock.Now(),
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
		signed, err := s.Keys.Ring().SignDevice(mark.Device)
		if err != nil {
			slog.Warn("Device not marked as one that has logged in", "error", err)
			return
		}
		mark.text = signed.Text()
	}
	tokens := append([]string{mark.text}, others[:min(len(others), deviceAccounts-1)]...)
	setCookie(w, r, deviceCookie, strings.Join(tokens, deviceSeparator), token.DeviceLifetime)
}
