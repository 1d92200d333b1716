package httpkit

import (
	"net/http"
	"strings"
	"time"
)

// SessionCookie is the name of the cookie that carries a session.
const SessionCookie = "keyturn-session"

// hostPrefix binds a cookie to this host and to https (RFC 6265bis, section 4.1.3.2).
const hostPrefix = "__Host-"

// Cookies sets cookies that scripts cannot read, that other sites cannot send with a request that changes anything, and that are bound
// to this host.
type Cookies struct {
	// OverHTTP has cookies travel without TLS, too, and leaves out the prefix that binds them to https: for trying a server out on
	// this machine, where a browser asks for http://127.0.0.1.
	OverHTTP bool
}

// Get returns the value of a cookie; empty where there is none.
func (c Cookies) Get(r *http.Request, name string) string {
	if cookie, err := r.Cookie(c.name(name)); err == nil {
		return cookie.Value
	}
	return ""
}

// Set sets a cookie for some time; for zero it lasts until the browser is closed.
func (c Cookies) Set(w http.ResponseWriter, name, value string, lasts time.Duration) {
	c.set(w, name, value, int(lasts.Seconds()))
}

// Drop has the browser forget a cookie.
func (c Cookies) Drop(w http.ResponseWriter, name string) { c.set(w, name, "", -1) }

func (c Cookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure unless whoever runs the server asks otherwise
		Name: c.name(name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: !c.OverHTTP, SameSite: http.SameSiteLaxMode,
	})
}

func (c Cookies) name(name string) string {
	if c.OverHTTP {
		return name
	}
	return hostPrefix + name
}

// Token returns the session token of a request: of the Authorization header, or else of the cookie; empty where there is none. With
// more than one such header there is none: a proxy may have looked at another one than this server would.
func (c Cookies) Token(r *http.Request) string {
	if len(r.Header["Authorization"]) > 1 {
		return ""
	}
	if bearer := Bearer(r); bearer != "" {
		return bearer
	}
	return c.Get(r, SessionCookie)
}

// Bearer returns the token of the one Authorization header; empty where it has none.
func Bearer(r *http.Request) string {
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return ""
	}
	scheme, token, found := strings.Cut(headers[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}
