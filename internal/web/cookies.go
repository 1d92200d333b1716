package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	usernameCookie = "keyturn-username"
	noticeCookie   = "keyturn-notice"
	deviceCookie   = "keyturn-device"
	// noticeLasts is how long the notice cookie is kept.
	noticeLasts = time.Minute
	// usernameLasts is how long a username is remembered.
	usernameLasts = 365 * 24 * time.Hour
	// maxRemembered bounds the decoded cookie of the username, in bytes.
	maxRemembered = 1024
)

// cookies sets and reads the cookies of this package.
type cookies struct{ httpkit.Cookies }

// setSession sets the cookie of a session.
func (c cookies) setSession(w http.ResponseWriter, signed token.Token, claims token.Claims) {
	c.SetSession(w, signed.Text(), claims.RememberMe, claims.ExpiresTime.Sub(claims.IssuedTime))
}

// rememberUsername remembers a username in this browser, or forgets the remembered one.
func (c cookies) rememberUsername(w http.ResponseWriter, name accountName, keep bool) {
	if !keep {
		c.Drop(w, usernameCookie)
		return
	}
	text, err := json.Marshal(name)
	if err != nil || len(text) > maxRemembered {
		return
	}
	c.Set(w, usernameCookie, base64.RawURLEncoding.EncodeToString(text), usernameLasts)
}

// rememberedUsername returns the username remembered in this browser; empty if there is none.
func (c cookies) rememberedUsername(r *http.Request) (name accountName) {
	value := c.Get(r, usernameCookie)
	if base64.RawURLEncoding.DecodedLen(len(value)) > maxRemembered {
		return accountName{}
	}
	text, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || json.Unmarshal(text, &name) != nil {
		return accountName{}
	}
	return name
}

// The notices.
const (
	noticeLoggedOut           = "logged-out"
	noticeLoggedOutEverywhere = "logged-out-everywhere"
	noticePasswordChanged     = "password-changed"
)

// setNotice makes the next page show a notice. It is in a cookie: with a query parameter, any link could show one.
func (c cookies) setNotice(w http.ResponseWriter, notice string) {
	c.Set(w, noticeCookie, notice, noticeLasts)
}

// withProvider adds the provider whose own session goes on after a logout.
func withProvider(notice, provider string) string {
	if provider == "" {
		return notice
	}
	return notice + "." + provider
}

// takeNotice returns the notice, and the provider that goes with it, and deletes the cookie; empty if there is none.
func (c cookies) takeNotice(w http.ResponseWriter, r *http.Request) (notice, provider string) {
	value := c.Get(r, noticeCookie)
	if value == "" {
		return "", ""
	}
	c.Drop(w, noticeCookie)
	notice, provider, _ = strings.Cut(value, ".")
	switch notice {
	case noticeLoggedOut, noticeLoggedOutEverywhere, noticePasswordChanged:
		return notice, provider
	}
	return "", ""
}
