package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	usernameCookie = "keyturn-username"
	noticeCookie   = "keyturn-notice"
	deviceCookie   = "keyturn-device"
	// noticeLasts is how long a notice waits for the page that shows it.
	noticeLasts = time.Minute
	// usernameLasts is how long a username stays filled in.
	usernameLasts = 365 * 24 * time.Hour
	// maxRemembered bounds the cookie of the username that is read back, in bytes.
	maxRemembered = 1024
)

// cookies are those that this port keeps in browsers.
type cookies struct{ httpkit.Cookies }

// setSession hands a session to the browser: until it is closed, or as long as the session lasts where the person asked to be
// remembered.
func (c cookies) setSession(w http.ResponseWriter, signed token.Token, claims token.Claims) {
	var lasts time.Duration
	if claims.RememberMe {
		lasts = claims.ExpiresTime.Sub(claims.IssuedTime)
	}
	c.Set(w, httpkit.SessionCookie, signed.Text(), lasts)
}

// remembered is what the login page fills in on this device.
type remembered struct {
	Namespace string `json:"namespace"`
	Username  string `json:"username"`
}

// rememberUsername keeps a username on this device, or forgets the one that is kept.
func (c cookies) rememberUsername(w http.ResponseWriter, who login.Who, keep bool) {
	if !keep {
		c.Drop(w, usernameCookie)
		return
	}
	text, err := json.Marshal(remembered{Namespace: who.Namespace, Username: who.Username})
	if err != nil || len(text) > maxRemembered {
		return
	}
	c.Set(w, usernameCookie, base64.RawURLEncoding.EncodeToString(text), usernameLasts)
}

// rememberedUsername returns the username that is kept on this device; empty where none is.
func (c cookies) rememberedUsername(r *http.Request) (who remembered) {
	value := c.Get(r, usernameCookie)
	if base64.RawURLEncoding.DecodedLen(len(value)) > maxRemembered {
		return remembered{}
	}
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || json.Unmarshal(text, &who) != nil {
		return remembered{}
	}
	return who
}

// The notices that the next page can show.
const (
	noticeLoggedOut           = "logged-out"
	noticeLoggedOutEverywhere = "logged-out-everywhere"
	noticePasswordChanged     = "password-changed"
)

// setNotice has the next page say what was done. It is in a cookie, so that no link can make a page say it.
func (c cookies) setNotice(w http.ResponseWriter, notice string) {
	c.Set(w, noticeCookie, notice, noticeLasts)
}

// takeNotice returns the notice that waits for this page, once; empty where there is none.
func (c cookies) takeNotice(w http.ResponseWriter, r *http.Request) string {
	notice := c.Get(r, noticeCookie)
	if notice == "" {
		return ""
	}
	c.Drop(w, noticeCookie)
	switch notice {
	case noticeLoggedOut, noticeLoggedOutEverywhere, noticePasswordChanged:
		return notice
	}
	return ""
}
