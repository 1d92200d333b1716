package httpkit

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCookiesAreSecure: cookies are Secure and bound to the host, unless the server was started without TLS. Nothing in a
// request changes that.
func TestCookiesAreSecure(t *testing.T) {
	for name, row := range map[string]struct {
		cookies Cookies
		want    string
	}{
		"as a rule": {Cookies{}, "__Host-keyturn-session=value; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"over HTTP": {Cookies{OverHTTP: true}, "keyturn-session=value; Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			row.cookies.Set(w, SessionCookie, "value", 0)
			if got := w.Header().Get("Set-Cookie"); got != row.want {
				t.Errorf("sets %s, want %s", got, row.want)
			}
			row.cookies.Drop(w, SessionCookie)
			if got := w.Header().Values("Set-Cookie")[1]; !strings.Contains(got, "; Max-Age=0;") {
				t.Errorf("drops it by %s", got)
			}
		})
	}
}

func TestToken(t *testing.T) {
	for name, row := range map[string]struct {
		authorization []string
		cookie        string
		overHTTP      bool
		want          string
	}{
		"none":                         {nil, "", false, ""},
		"bearer":                       {[]string{"bearer  one"}, "", false, "one"},
		"another scheme":               {[]string{"Basic one"}, "", false, ""},
		"two headers":                  {[]string{"Bearer one", "Bearer two"}, "__Host-keyturn-session", false, ""},
		"cookie":                       {nil, "__Host-keyturn-session", false, "two"},
		"bearer goes before":           {[]string{"Bearer one"}, "__Host-keyturn-session", false, "one"},
		"no cookie that is not bound":  {nil, "keyturn-session", false, ""},
		"cookie over HTTP":             {nil, "keyturn-session", true, "two"},
		"no bound cookie where no TLS": {nil, "__Host-keyturn-session", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header["Authorization"] = row.authorization
			if row.cookie != "" {
				r.AddCookie(&http.Cookie{Name: row.cookie, Value: "two"})
			}
			if got := (Cookies{OverHTTP: row.overHTTP}).Token(r); got != row.want {
				t.Errorf("the token is %q, want %q", got, row.want)
			}
		})
	}
}
