package web

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/session"
)

const (
	sessionCookie  = "keyturn-session"
	usernameCookie = "keyturn-username"
	// rememberUsername is how long a username stays filled in.
	rememberUsername = 365 * 24 * time.Hour
	// maxRemembered bounds what is read back, in bytes.
	maxRemembered = 1024
)

// tokenOf returns the session token of a request; empty where it has none. Every endpoint takes it from here, so that
// what carries a token is decided once: the Authorization header, or else the cookie.
func tokenOf(r *http.Request) string {
	if token := bearer(r); token != "" {
		return token
	}
	if cookie, err := r.Cookie(cookieName(r, sessionCookie)); err == nil {
		return cookie.Value
	}
	return ""
}

// bearer returns the token of the Authorization header; empty where it has none.
func bearer(r *http.Request) string {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// setSessionCookie hands a session to the browser: until it is closed, or as long as it lasts where the person asked to
// be remembered.
func setSessionCookie(w http.ResponseWriter, r *http.Request, token session.Token, claims session.Claims) {
	var lasts time.Duration
	if claims.RememberMe {
		lasts = claims.ExpiresTime.Sub(claims.IssuedTime)
	}
	setCookie(w, r, sessionCookie, token.Text(), lasts)
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
	text, err := json.Marshal(remembered(who))
	if err != nil || len(text) > maxRemembered {
		return
	}
	setCookie(w, r, usernameCookie, base64.RawURLEncoding.EncodeToString(text), rememberUsername)
}

// rememberedWho returns the username that is kept on this device; empty where none is.
func rememberedWho(r *http.Request) (who remembered) {
	cookie, err := r.Cookie(cookieName(r, usernameCookie))
	if err != nil {
		return remembered{}
	}
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(text) > maxRemembered || json.Unmarshal(text, &who) != nil {
		return remembered{}
	}
	return who
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
	return "__Host-" + name
}

// isLoopback tells of a browser on this very machine without TLS, for which alone cookies are not Secure. A proxy on this
// machine that ends TLS says so in X-Forwarded-Proto.
func isLoopback(r *http.Request) bool {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	from := net.ParseIP(remote)
	return from != nil && from.IsLoopback() && (host == "localhost" || ip != nil && ip.IsLoopback())
}
