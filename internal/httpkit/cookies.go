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

// Cookies sets and reads cookies. All of them are HttpOnly and bound to this host, and SameSite=Lax but those of
// SetAt, which are SameSite=Strict.
type Cookies struct {
	// OverHTTP sets cookies that also work without TLS, without the prefix that binds them to https. It is for trying out a server
	// on one machine, at http://127.0.0.1.
	OverHTTP bool
}

// Get returns the value of a cookie; empty if there is none.
func (c Cookies) Get(r *http.Request, name string) string {
	if cookie, err := r.Cookie(c.name(name)); err == nil {
		return cookie.Value
	}
	return ""
}

// Set sets a cookie for some time or, for zero, until the browser is closed.
func (c Cookies) Set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	c.set(w, name, value, int(lifetime.Seconds()))
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
	c.setAt(w, path, name, value, int(lifetime.Seconds()))
}

// GetAt returns the value of a cookie of SetAt; empty if there is none.
func (c Cookies) GetAt(r *http.Request, name string) string {
	if cookie, err := r.Cookie(c.nameAt(name)); err == nil {
		return cookie.Value
	}
	return ""
}

// DropAt deletes a cookie of SetAt.
func (c Cookies) DropAt(w http.ResponseWriter, path, name string) { c.setAt(w, path, name, "", -1) }

func (c Cookies) setAt(w http.ResponseWriter, path, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure unless the server was started with the option for plain HTTP
		Name: c.nameAt(name), Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, Secure: !c.OverHTTP, SameSite: http.SameSiteStrictMode,
	})
}

// nameAt has the prefix of cookies with a path: hostPrefix is for those without.
func (c Cookies) nameAt(name string) string {
	if c.OverHTTP {
		return name
	}
	return "__Secure-" + name
}

// Drop deletes a cookie.
func (c Cookies) Drop(w http.ResponseWriter, name string) { c.set(w, name, "", -1) }

func (c Cookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure unless the server was started with the option for plain HTTP
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
