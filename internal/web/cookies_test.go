package web

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

// request is one of a browser at a server without TLS, on the same machine.
func request(edits ...func(*http.Request)) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://127.0.0.1:8080/login", nil)
	r.RemoteAddr = "127.0.0.1:50123"
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func sends(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
}

// TestSecure: cookies are Secure and bound to the host, unless the browser is on this machine without TLS.
func TestSecure(t *testing.T) {
	for name, row := range map[string]struct {
		edits []func(*http.Request)
		plain bool
	}{
		"browser on this machine":       {nil, true},
		"by name":                       {[]func(*http.Request){host("localhost:8080")}, true},
		"without a port":                {[]func(*http.Request){host("localhost")}, true},
		"IPv6":                          {[]func(*http.Request){host("[::1]:8080"), from("[::1]:50123")}, true},
		"an address without a port":     {[]func(*http.Request){host("127.0.0.1")}, true},
		"IPv6 without a port":           {[]func(*http.Request){host("[::1]"), from("[::1]:50123")}, true},
		"IPv6 without brackets":         {[]func(*http.Request){host("::1")}, true},
		"an IPv4 address as IPv6":       {[]func(*http.Request){host("[::ffff:127.0.0.1]:8080")}, true},
		"a name with digits":            {[]func(*http.Request){host("k8s.example.org")}, false},
		"a name that begins like one":   {[]func(*http.Request){host("127.0.0.1.example.org")}, false},
		"its own form":                  {[]func(*http.Request){header("Origin", "http://127.0.0.1:8080")}, true},
		"TLS of our own":                {[]func(*http.Request){func(r *http.Request) { r.TLS = &tls.ConnectionState{} }}, false},
		"another host":                  {[]func(*http.Request){host("login.example.org")}, false},
		"a host that begins like it":    {[]func(*http.Request){host("localhost.example.org")}, false},
		"a name that ends like it":      {[]func(*http.Request){host("app.localhost")}, false},
		"no host":                       {[]func(*http.Request){host("")}, false},
		"from elsewhere":                {[]func(*http.Request){from("192.0.2.7:50123")}, false},
		"from nowhere":                  {[]func(*http.Request){from("")}, false},
		"a proxy that ends TLS":         {[]func(*http.Request){header("X-Forwarded-Proto", "https")}, false},
		"a proxy that tells for whom":   {[]func(*http.Request){header("X-Forwarded-For", "192.0.2.7")}, false},
		"a proxy that tells the host":   {[]func(*http.Request){header("X-Forwarded-Host", "login.example.org")}, false},
		"a proxy of RFC 7239":           {[]func(*http.Request){header("Forwarded", "for=192.0.2.7")}, false},
		"a proxy of nginx":              {[]func(*http.Request){header("X-Real-Ip", "192.0.2.7")}, false},
		"a proxy of RFC 9110":           {[]func(*http.Request){header("Via", "1.1 cache")}, false},
		"a silent proxy that ends TLS":  {[]func(*http.Request){header("Origin", "https://login.example.org")}, false},
		"a silent proxy of another":     {[]func(*http.Request){header("Origin", "http://login.example.org")}, false},
		"an origin that is not told":    {[]func(*http.Request){header("Origin", "null")}, false},
		"a cookie that was set Secure":  {[]func(*http.Request){sends("__Host-keyturn-username", "x")}, false},
		"a cookie that was not":         {[]func(*http.Request){sends("keyturn-session", "x")}, true},
		"another's cookie that has one": {[]func(*http.Request){sends("__Host-other", "x")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := cookie(request(row.edits...), sessionCookie, "value", 0)
			if c.Secure == row.plain || strings.HasPrefix(c.Name, "__Host-") == row.plain {
				t.Errorf("the cookie is %s", c)
			}
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("the cookie is %s, want it for us alone", c)
			}
		})
	}
}

// TestLifetimes: what each cookie says.
func TestLifetimes(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	life := token.Lifetimes{Idle: time.Hour, Max: 12 * time.Hour, RememberMe: 30 * 24 * time.Hour}
	claims := func(remember bool) token.Claims { return token.New("a", "u", 1, token.Web, life, remember, now) }
	ring, _, _, err := (&token.Ring{}).Rotate(now, 24*time.Hour, 31*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ring.Sign(claims(false), now)
	if err != nil {
		t.Fatal(err)
	}
	const common = "; Path=/; HttpOnly; Secure; SameSite=Lax"
	lasting := func(age string) string { return "; Path=/; Max-Age=" + age + "; HttpOnly; Secure; SameSite=Lax" }
	for name, row := range map[string]struct {
		set  func(http.ResponseWriter, *http.Request)
		want string
	}{
		"session of the day": {func(w http.ResponseWriter, r *http.Request) { setSessionCookie(w, r, signed, claims(false)) },
			"__Host-keyturn-session=" + signed.Text() + common},
		"remembered session": {func(w http.ResponseWriter, r *http.Request) { setSessionCookie(w, r, signed, claims(true)) },
			"__Host-keyturn-session=" + signed.Text() + lasting("2592000")},
		"end of a session": {dropSessionCookie, "__Host-keyturn-session=" + lasting("0")},
		"username": {func(w http.ResponseWriter, r *http.Request) { rememberWho(w, r, login.Who{Username: "ada"}, true) },
			"__Host-keyturn-username=" + base64.RawURLEncoding.EncodeToString([]byte(`{"namespace":"","username":"ada"}`)) + lasting("31536000")},
		"no username any more": {func(w http.ResponseWriter, r *http.Request) { rememberWho(w, r, login.Who{}, false) },
			"__Host-keyturn-username=" + lasting("0")},
		"a username that is too long": {func(w http.ResponseWriter, r *http.Request) {
			rememberWho(w, r, login.Who{Username: strings.Repeat("x", 1024)}, true)
		}, ""},
		"notice": {func(w http.ResponseWriter, r *http.Request) { setNotice(w, r, noticeLoggedOut) },
			"__Host-keyturn-notice=logged-out" + lasting("60")},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			row.set(w, request(host("login.example.org")))
			if got := w.Header().Get("Set-Cookie"); got != row.want {
				t.Errorf("sets\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestTokenOf(t *testing.T) {
	outside := host("login.example.org")
	for name, row := range map[string]struct {
		edits []func(*http.Request)
		want  string
	}{
		"none":                              {nil, ""},
		"bearer":                            {[]func(*http.Request){header("Authorization", "bearer  one")}, "one"},
		"another scheme":                    {[]func(*http.Request){header("Authorization", "Basic one")}, ""},
		"cookie":                            {[]func(*http.Request){sends("keyturn-session", "two")}, "two"},
		"bearer goes before":                {[]func(*http.Request){header("Authorization", "Bearer one"), sends("keyturn-session", "two")}, "one"},
		"no plain cookie from outside":      {[]func(*http.Request){outside, sends("keyturn-session", "two")}, ""},
		"bound cookie from outside":         {[]func(*http.Request){outside, sends("__Host-keyturn-session", "two")}, "two"},
		"bound cookie through a mute proxy": {[]func(*http.Request){sends("__Host-keyturn-session", "two"), sends("keyturn-session", "three")}, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tokenOf(request(row.edits...)); got != row.want {
				t.Errorf("token is %q, want %q", got, row.want)
			}
		})
	}
}

func TestRememberedWho(t *testing.T) {
	encoded := base64.RawURLEncoding.EncodeToString
	for name, row := range map[string]struct {
		value string
		want  remembered
	}{
		"nobody":       {"", remembered{}},
		"somebody":     {encoded([]byte(`{"namespace":"acme","username":"ada"}`)), remembered{"acme", "ada"}},
		"not base64":   {"{}", remembered{}},
		"not JSON":     {encoded([]byte("ada")), remembered{}},
		"wrong types":  {encoded([]byte(`{"username":7}`)), remembered{}},
		"far too long": {encoded([]byte(`{"username":"` + strings.Repeat("x", 1024) + `"}`)), remembered{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rememberedWho(request(sends(usernameCookie, row.value))); got != row.want {
				t.Errorf("remembers %+v, want %+v", got, row.want)
			}
		})
	}
	w := httptest.NewRecorder()
	rememberWho(w, request(), login.Who{Namespace: "acme", Username: "ada"}, true)
	back := request()
	back.AddCookie(w.Result().Cookies()[0])
	if got := rememberedWho(back); got != (remembered{"acme", "ada"}) {
		t.Errorf("comes back as %+v", got)
	}
}

func TestNotices(t *testing.T) {
	for value, want := range map[string]string{
		"": "", noticePasswordChanged: noticePasswordChanged, "anything": "", "problem.title": "",
	} {
		w := httptest.NewRecorder()
		if got := takeNotice(w, request(sends(noticeCookie, value))); got != want {
			t.Errorf("of %q it takes %q", value, got)
		}
		if dropped := strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0"); dropped != (value != "") {
			t.Errorf("%q is dropped: %t", value, dropped)
		}
	}
}
