package httpkit

import (
	"net/http"
	"strings"
	"time"
)

// SessionCookie is the name of the session's cookie, without its prefix.
const SessionCookie = "keyturn-session"

// hostPrefix binds a cookie to this host and to https (RFC 6265bis, section 4.1.3.2).
const hostPrefix = "__Host-"

// securePrefix binds a cookie to https alone: hostPrefix is for cookies without a path (section 4.1.3.1).
const securePrefix = "__Secure-"

// Cookies sets and reads cookies. All of them are HttpOnly and bound to this host, and SameSite=Lax but those of
// SetAt, which are SameSite=Strict.
type Cookies struct {
	// OverHTTP sets cookies that also work without TLS, without the prefix that binds them to https. It is for trying out a server
	// on one machine, at http://127.0.0.1.
	OverHTTP bool
}

// Get returns the value of a cookie; empty if there is none.
func (c Cookies) Get(r *http.Request, name string) string {
	if cookie, err := r.Cookie(c.name(hostPrefix, name)); err == nil {
		return cookie.Value
	}
	return ""
}

// Set sets a cookie for some time or, for zero, until the browser is closed.
func (c Cookies) Set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	c.set(w, wholeHost, name, value, int(lifetime.Seconds()))
}

// SetSession sets the cookie of a session: until the browser is closed or, if the session is remembered, for as long as it lasts.
func (c Cookies) SetSession(w http.ResponseWriter, token string, remembered bool, lasts time.Duration) {
	if !remembered {
		lasts = 0
	}
	c.Set(w, SessionCookie, token, lasts)
}

// SetAt sets a cookie that browsers send to the addresses below a path alone, and to none that another site leads to. GetAt and DropAt are Get
// and Drop of it.
func (c Cookies) SetAt(w http.ResponseWriter, path, name, value string, lifetime time.Duration) {
	c.set(w, scope{securePrefix, path, http.SameSiteStrictMode}, name, value, int(lifetime.Seconds()))
}

// GetAt returns the value of a cookie of SetAt; empty if there is none.
func (c Cookies) GetAt(r *http.Request, name string) string {
	if cookie, err := r.Cookie(c.name(securePrefix, name)); err == nil {
		return cookie.Value
	}
	return ""
}

// DropAt deletes a cookie of SetAt.
func (c Cookies) DropAt(w http.ResponseWriter, path, name string) {
	c.set(w, scope{securePrefix, path, http.SameSiteStrictMode}, name, "", -1)
}

// Drop deletes a cookie.
func (c Cookies) Drop(w http.ResponseWriter, name string) {
	c.set(w, wholeHost, name, "", -1)
}

// scope is where browsers send a cookie.
type scope struct {
	prefix, path string
	sameSite     http.SameSite
}

// wholeHost is the scope of Set.
var wholeHost = scope{hostPrefix, "/", http.SameSiteLaxMode}

func (c Cookies) set(w http.ResponseWriter, at scope, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure unless the server was started with the option for plain HTTP
		Name: c.name(at.prefix, name), Value: value, Path: at.path, MaxAge: maxAge,
		HttpOnly: true, Secure: !c.OverHTTP, SameSite: at.sameSite,
	})
}

func (c Cookies) name(prefix, name string) string {
	if c.OverHTTP {
		return name
	}
	return prefix + name
}

// Token returns the session token of a request: that of the Authorization header, or else that of the cookie; empty if there is none.
// With several such headers it is empty, as a proxy may have checked another of them than this server would.
func (c Cookies) Token(r *http.Request) string {
	if len(r.Header["Authorization"]) > 1 {
		return ""
	}
	if bearer := Bearer(r); bearer != "" {
		return bearer
	}
	return c.Get(r, SessionCookie)
}

// Bearer returns the bearer token of the Authorization header; empty if there is none, or several such headers.
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
