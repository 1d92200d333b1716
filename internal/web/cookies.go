package web

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	sessionCookie  = "keyturn-session"
	usernameCookie = "keyturn-username"
	noticeCookie   = "keyturn-notice"
	deviceCookie   = "keyturn-device"
	// hostPrefix binds a cookie to this host and to https (RFC 6265bis, section 4.1.3.2).
	hostPrefix = "__Host-"
	// noticeLasts is how long a notice waits for the page that shows it.
	noticeLasts = time.Minute
	// rememberUsername is how long a username stays filled in.
	rememberUsername = 365 * 24 * time.Hour
	// maxRemembered bounds what is read back, in bytes.
	maxRemembered = 1024
)

// tokenOf returns the session token of a request; empty where it has none. Every endpoint takes it from here, so that
// what carries a token is decided once: the Authorization header, or else the cookie. With more than one such header there
// is none: a proxy may have looked at another than we would.
func tokenOf(r *http.Request) string {
	if len(r.Header["Authorization"]) > 1 {
		return ""
	}
	if signed := bearer(r); signed != "" {
		return signed
	}
	return cookieOf(r, sessionCookie)
}

// bearer returns the token of the one Authorization header; empty where it has none.
func bearer(r *http.Request) string {
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return ""
	}
	scheme, signed, found := strings.Cut(headers[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(signed, " ")
}

// setSessionCookie hands a session to the browser: until it is closed, or as long as it lasts where the person asked to
// be remembered.
func setSessionCookie(w http.ResponseWriter, r *http.Request, signed token.Token, claims token.Claims) {
	var lasts time.Duration
	if claims.RememberMe {
		lasts = claims.ExpiresTime.Sub(claims.IssuedTime)
	}
	setCookie(w, r, sessionCookie, signed.Text(), lasts)
}

func dropSessionCookie(w http.ResponseWriter, r *http.Request) { dropCookie(w, r, sessionCookie) }

// remembered is what the login page fills in on this device.
type remembered struct {
	Namespace string `json:"namespace"`
	Username  string `json:"username"`
}

// rememberWho keeps a username on this device, or forgets the one that is kept.
func rememberWho(w http.ResponseWriter, r *http.Request, who login.Who, keep bool) {
	if !keep {
		dropCookie(w, r, usernameCookie)
		return
	}
	text, err := json.Marshal(remembered{Namespace: who.Namespace, Username: who.Username})
	if err != nil || len(text) > maxRemembered {
		return
	}
	setCookie(w, r, usernameCookie, base64.RawURLEncoding.EncodeToString(text), rememberUsername)
}

// rememberedWho returns the username that is kept on this device; empty where none is.
func rememberedWho(r *http.Request) (who remembered) {
	cookie := cookieOf(r, usernameCookie)
	if base64.RawURLEncoding.DecodedLen(len(cookie)) > maxRemembered {
		return remembered{}
	}
	text, err := base64.RawURLEncoding.DecodeString(cookie)
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

// setNotice has the next page tell what was done. It is in a cookie, so that no link can make a page say it.
func setNotice(w http.ResponseWriter, r *http.Request, notice string) {
	setCookie(w, r, noticeCookie, notice, noticeLasts)
}

// takeNotice returns the notice that waits for this page, once; empty where there is none.
func takeNotice(w http.ResponseWriter, r *http.Request) string {
	notice := cookieOf(r, noticeCookie)
	if notice == "" {
		return ""
	}
	dropCookie(w, r, noticeCookie)
	switch notice {
	case noticeLoggedOut, noticeLoggedOutEverywhere, noticePasswordChanged:
		return notice
	}
	return ""
}

// cookieOf returns the value of a cookie; empty where there is none.
func cookieOf(r *http.Request, name string) string {
	if cookie, err := r.Cookie(cookieName(r, name)); err == nil {
		return cookie.Value
	}
	return ""
}

// setCookie sets a cookie that scripts cannot read and other sites cannot send with a request that changes anything.
// Without a time it lasts until the browser is closed.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string, lasts time.Duration) {
	http.SetCookie(w, cookie(r, name, value, int(lasts.Seconds())))
}

func dropCookie(w http.ResponseWriter, r *http.Request, name string) {
	http.SetCookie(w, cookie(r, name, "", -1))
}

func cookie(r *http.Request, name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure everywhere but on loopback without TLS
		Name: cookieName(r, name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: !isLoopback(r), SameSite: http.SameSiteLaxMode,
	}
}

// cookieName adds the prefix that binds a cookie to this host and to https.
func cookieName(r *http.Request, name string) string {
	if isLoopback(r) {
		return name
	}
	return hostPrefix + name
}

// forwardingHeaders tell that a request has come through a proxy.
var forwardingHeaders = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
}

// isLoopback tells of a browser on this very machine without TLS, for which alone cookies are not Secure. Both ends of
// the connection have to be loopback, and nothing may speak of a proxy on this machine: neither a header, nor an Origin
// that is not the host asked for (a proxy may ask for 127.0.0.1 and say nothing else), nor a cookie that was set Secure.
// So a mistake makes the login fail, and never a cookie travel in the open.
func isLoopback(r *http.Request) bool {
	if r.TLS != nil || !isLoopbackHost(r.Host) || !isLoopbackHost(r.RemoteAddr) {
		return false
	}
	for _, name := range forwardingHeaders {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	for _, name := range []string{sessionCookie, usernameCookie, noticeCookie, deviceCookie} {
		if _, err := r.Cookie(hostPrefix + name); err == nil {
			return false
		}
	}
	return true
}

// isLoopbackHost tells whether a host, with or without a port, is this machine.
func isLoopbackHost(address string) bool {
	host := address
	if strings.Contains(address, ":") {
		if withoutPort, _, err := net.SplitHostPort(address); err == nil {
			host = withoutPort
		}
	}
	if host == "localhost" {
		return true
	}
	if !strings.ContainsAny(host, ":0123456789") {
		return false // Most are asked for by a name: no error is made of that.
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
