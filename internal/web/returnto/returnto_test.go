package returnto

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestReturnTo: addresses that Check allows, and those that it refuses.
func TestReturnTo(t *testing.T) {
	for _, same := range []string{
		"/", "/app", "/app/", "/app?page=2&to=https://elsewhere.example/", "/app#part", "/?tab=2", "/%C3%BCber", "/app?q=%2F%2Fx",
		"/change-password", "/a;b", "/loginx", "/app?" + strings.Repeat("x", maxBytes-5),
		"/app#/page//2/../3?x", "/app?to=//x/../y", "/app?%zz", "/...", "/a..b/.c", "/group%2Fname", "/%252F%252Fx", "/o/acme/report", "/o/a/b/login",
	} {
		if got := Check(same); got != same {
			t.Errorf("%q becomes %q", same, got)
		}
	}
	for name, raw := range map[string]string{
		"nothing": "", "no path": "app", "relative": "./app", "a query": "?x", "a scheme": "https://elsewhere.example/",
		"a script": "javascript:alert(1)", "data": "data:text/html,x", "a scheme without slashes": "https:elsewhere.example",
		"another host": "//elsewhere.example", "another host, more slashes": "///elsewhere.example", "four": "////elsewhere.example",
		"a backslash": `/\elsewhere.example`, "two": `\\elsewhere.example`, "one further on": `/app\x`,
		"an encoded slash": "/%2Felsewhere.example", "an encoded slash, small": "/%2felsewhere.example",
		"an encoded backslash": "/%5Celsewhere.example", "two slashes": "//", "two and a query": "//?x", "two and a fragment": "//#x",
		"two and a port": "//:80", "two, one encoded": "/%2F?x", "a slash and a backslash": `/\`, "two and a tab": "/\t/#x", "dots": "/.//elsewhere.example", "dots back": "/x/..//elsewhere.example",
		"encoded dots": "/%2e//elsewhere.example", "slashes further on": "/app//elsewhere.example",
		"a tab": "/\t/elsewhere.example", "a line feed": "/\n/elsewhere.example", "a return": "/\r/elsewhere.example",
		"a header": "/app\r\nSet-Cookie: x=y", "a space": "/ app", "a space in front": " /app", "NUL": "/\x00", "DEL": "/\x7f",
		"userinfo": "//ada:secret@elsewhere.example/", "userinfo with a scheme": "http://127.0.0.1@elsewhere.example/",
		"a broken escape": "/%zz", "too long": "/" + strings.Repeat("x", maxBytes),
		"with where to go from there": "/?return_to=/app", "in a circle": "/login?return_to=/login", "by dots": "/x/../login",
		"the home page beside an application": "/account?return_to=/app", "encoded": "/%6Cogin", "by encoded dots": "/x/%2E%2e/login",
		"by dots behind an encoded slash": "/x%2Fy/../login", "of an organisation": "/o/acme/login?return_to=/app", "with a slash in it": "/o/a%2Fb/login", "encoded further on": "/o/acme/%6Cogin/",
		"with more in it": "/o/a%2f\x83\"/login", "with an encoded slash behind it": "/o/acme%2Flogin",
		"dots at the end": "/app/..", "a dot": "/app/./x", "a dot at the end": "/app/.", "an encoded line feed": "/app%0Ax", "too long when encoded": "/" + strings.Repeat("ü", 400),
		"a logout": "/logout", "another": "/logout-everywhere", "the page in between": "/continue?return_to=%2Fapp",
		"a login by a ticket": "/login/negotiate?return_to=%2Fapp", "of an organisation, by a ticket": "/o/acme/login/negotiate", "encoded, by a ticket": "/o/acme/login/%6Eegotiate/",
	} {
		if got := Check(raw); got != "" {
			t.Errorf("%s: %.60q becomes %.60q", name, raw, got)
		}
	}
}

// FuzzReturnTo: what is kept leads to one place on this host for each reader: Go's parser, a browser, a proxy that decodes
// before it looks, and the redirect of somebody who is logged in already.
func FuzzReturnTo(f *testing.F) {
	pages := http.NewServeMux()
	for _, page := range []string{"/login", "/logout", "/logout-everywhere", "/continue", "/o/{organization}/login", "/login/negotiate", "/o/{organization}/login/negotiate"} {
		pages.Handle(page, http.NotFoundHandler())
	}
	for _, raw := range []string{"/app?page=2", "//elsewhere", `/\elsewhere`, "/%2felsewhere", "/.//x", "/\t/x", "//", "//?x", "//#x", "/a%2fb/../login", "/app#/../login", "/ü", "/o/a/login", "/o/a%2fb/login", "/login/negotiate?x", "/o/a/login/%6eegotiate"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		to := Check(raw)
		if to == "" {
			return
		}
		r, err := http.NewRequest(http.MethodGet, "https://login.example.org/login", nil) //nolint:noctx // never sent
		if err != nil {
			t.Fatal(err)
		}
		if at, err := r.URL.Parse(to); err != nil || at.Host != "login.example.org" || at.Scheme != "https" || at.User != nil {
			t.Errorf("%q leads to %v, %v", raw, at, err)
		}
		plain, _, _ := strings.Cut(to, "#")
		plain, _, _ = strings.Cut(plain, "?")
		host, path := asBrowser(to)
		if host || path != plain || path == "/login" || path == "/continue" || path == "/logout" {
			t.Errorf("%q leads a browser to %q (another host: %t)", to, path, host)
		}
		decoded, err := url.PathUnescape(plain)
		if host, path := resolve(decoded); err != nil || host || path != decoded {
			t.Errorf("%q leads to %q where it is decoded first (another host: %t), %v", to, path, host, err)
		}
		at, err := http.NewRequest(http.MethodGet, "https://login.example.org"+to, nil) //nolint:noctx // never sent
		if err != nil {
			t.Fatal(err)
		}
		if _, page := pages.Handler(at); page != "" {
			t.Errorf("%q leads to the page %s", to, page)
		}
		if again := Check(to); again != to {
			t.Errorf("%q becomes %q the second time", to, again)
		}
		w := httptest.NewRecorder()
		Redirect(w, to)
		if led := w.Result().Header.Get("Location"); led != to {
			t.Errorf("%q is redirected to %q", to, led)
		}
	})
}

// asBrowser reads an address beside this host as browsers do (URL Standard, section 4.4): whether it names another host, and
// the path that it has then.
func asBrowser(address string) (anotherHost bool, path string) {
	address = strings.TrimFunc(address, func(r rune) bool { return r <= ' ' })
	address = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(address)
	address, _, _ = strings.Cut(address, "#")
	address, _, _ = strings.Cut(address, "?")
	return resolve(address)
}

// resolve takes the dots out of a path.
func resolve(path string) (anotherHost bool, resolved string) {
	path = strings.ReplaceAll(path, `\`, "/")
	if strings.HasPrefix(path, "//") || !strings.HasPrefix(path, "/") {
		return true, path
	}
	var parts []string
	all := strings.Split(path[1:], "/")
	for i, part := range all {
		switch dots := strings.ReplaceAll(strings.ToLower(part), "%2e", "."); dots {
		case "..":
			parts = parts[:max(0, len(parts)-1)]
		case ".":
		default:
			parts = append(parts, part)
			continue
		}
		if i == len(all)-1 {
			parts = append(parts, "")
		}
	}
	resolved = "/" + strings.Join(parts, "/")
	return strings.HasPrefix(resolved, "//"), resolved
}
