package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/token"
)

// request is one of a browser.
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

func sends(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "__Host-" + name, Value: value}) }
}

// TestLifetimes: the attributes and the lifetime of each cookie.
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
	c := cookies{}
	const common = "; Path=/; HttpOnly; Secure; SameSite=Lax"
	lasting := func(age string) string { return "; Path=/; Max-Age=" + age + "; HttpOnly; Secure; SameSite=Lax" }
	for name, row := range map[string]struct {
		set  func(http.ResponseWriter)
		want string
	}{
		"session of the day": {func(w http.ResponseWriter) { c.setSession(w, signed, claims(false)) },
			"__Host-keyturn-session=" + signed.Text() + common},
		"remembered session": {func(w http.ResponseWriter) { c.setSession(w, signed, claims(true)) },
			"__Host-keyturn-session=" + signed.Text() + lasting("2592000")},
		"end of a session": {func(w http.ResponseWriter) { c.Drop(w, httpkit.SessionCookie) }, "__Host-keyturn-session=" + lasting("0")},
		"username": {func(w http.ResponseWriter) { c.rememberUsername(w, accountName{Username: "ada"}, true) },
			"__Host-keyturn-username=" + base64.RawURLEncoding.EncodeToString([]byte(`{"namespace":"","username":"ada"}`)) + lasting("31536000")},
		"no username any more": {func(w http.ResponseWriter) { c.rememberUsername(w, accountName{}, false) },
			"__Host-keyturn-username=" + lasting("0")},
		"a username that is too long": {func(w http.ResponseWriter) {
			c.rememberUsername(w, accountName{Username: strings.Repeat("x", 1024)}, true)
		}, ""},
		"notice": {func(w http.ResponseWriter) { c.setNotice(w, noticeLoggedOut) },
			"__Host-keyturn-notice=logged-out" + lasting("60")},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			row.set(w)
			if got := w.Header().Get("Set-Cookie"); got != row.want {
				t.Errorf("sets\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestRememberedUsername(t *testing.T) {
	c := cookies{}
	encoded := base64.RawURLEncoding.EncodeToString
	for name, row := range map[string]struct {
		value string
		want  accountName
	}{
		"nobody":       {"", accountName{}},
		"somebody":     {encoded([]byte(`{"namespace":"acme","username":"ada"}`)), accountName{"acme", "ada"}},
		"not base64":   {"{}", accountName{}},
		"not JSON":     {encoded([]byte("ada")), accountName{}},
		"wrong types":  {encoded([]byte(`{"username":7}`)), accountName{}},
		"far too long": {encoded([]byte(`{"username":"` + strings.Repeat("x", 1024) + `"}`)), accountName{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.rememberedUsername(request(sends(usernameCookie, row.value))); got != row.want {
				t.Errorf("remembers %+v, want %+v", got, row.want)
			}
		})
	}
	w := httptest.NewRecorder()
	c.rememberUsername(w, accountName{Namespace: "acme", Username: "ada"}, true)
	back := request()
	back.AddCookie(w.Result().Cookies()[0])
	if got := c.rememberedUsername(back); got != (accountName{"acme", "ada"}) {
		t.Errorf("comes back as %+v", got)
	}
}

func TestNotices(t *testing.T) {
	c := cookies{}
	for value, want := range map[string][2]string{
		"": {}, noticePasswordChanged: {noticePasswordChanged}, "anything": {}, "problem.title": {},
		withProvider(noticeLoggedOut, ""): {noticeLoggedOut}, withProvider(noticeLoggedOut, "contoso"): {noticeLoggedOut, "contoso"},
	} {
		w := httptest.NewRecorder()
		if notice, provider := c.takeNotice(w, request(sends(noticeCookie, value))); notice != want[0] || provider != want[1] {
			t.Errorf("of %q it takes %q and %q", value, notice, provider)
		}
		if dropped := strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0"); dropped != (value != "") {
			t.Errorf("%q is dropped: %t", value, dropped)
		}
	}
}
