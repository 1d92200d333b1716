package web_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/web"
)

// preflight is what a browser sends before a script of another site may send a request of its own.
func preflight(more ...string) map[string]string {
	header := map[string]string{"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
	for i := 0; i < len(more); i += 2 {
		header[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(header, more[i])
		}
	}
	return header
}

// TestVerifyPreflights: with preflight=allow a CORS preflight passes without a session and with empty headers. No other request does.
func TestVerifyPreflights(t *testing.T) {
	here, there := organisation(t, nil), organisation(t, nil)
	token := logIn(t, person(t, here, "ada", v1alpha1.UserAccountSpec{}), password).Token
	stranger := logIn(t, person(t, there, "ada", v1alpha1.UserAccountSpec{}), password).Token
	handler := web.Handler(shared.depends)
	off, on := "/auth/verify?namespace="+here, "/auth/verify?namespace="+here+"&login=redirect&preflight=allow"
	prefixed := "/o/" + here + "/auth/verify;preflight=allow/app"
	asked := func(more ...string) map[string]string {
		return preflight(append(more, "X-Forwarded-Method", "OPTIONS")...)
	}
	for name, row := range map[string]struct {
		method, address, token string
		header                 map[string]string
		status                 int
		user                   string
	}{
		"by the forwarded method":          {"GET", on, "", asked(), 200, ""},
		"by its own method":                {"OPTIONS", on, "", preflight(), 200, ""},
		"by both":                          {"OPTIONS", on, "", asked(), 200, ""},
		"prefix":                           {"OPTIONS", prefixed, "", preflight(), 200, ""},
		"beside the person's session":      {"GET", on, token, asked(), 200, "ada"},
		"beside a session of another":      {"GET", on, stranger, asked(), 200, ""},
		"not asked for":                    {"GET", off, "", asked(), 401, ""},
		"not asked for, prefix":            {"OPTIONS", "/o/" + here + "/auth/verify/app", "", preflight(), 401, ""},
		"asked for in the app's query":     {"OPTIONS", "/o/" + here + "/auth/verify/app?preflight=allow", "", preflight(), 401, ""},
		"asked for in the app's path":      {"OPTIONS", "/o/" + here + "/auth/verify/app;preflight=allow/", "", preflight(), 401, ""},
		"the method in the query, prefix":  {"GET", prefixed, "", asked(), 401, ""},
		"without Origin":                   {"GET", on, "", asked("Origin", ""), 401, ""},
		"without the method asked about":   {"GET", on, "", asked("Access-Control-Request-Method", ""), 401, ""},
		"another method":                   {"GET", on, "", preflight("X-Forwarded-Method", "POST"), 401, ""},
		"by its own method, not the other": {"OPTIONS", on, "", preflight("X-Forwarded-Method", "POST"), 401, ""},
		"by a POST":                        {"POST", on, "", asked(), 401, ""},
		"another method, prefix":           {"POST", prefixed, "", asked(), 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := verify(handler, row.method, row.address, row.token, row.header)
			if w.Code != row.status {
				t.Fatalf("answers %d, want %d: %s", w.Code, row.status, w.Body)
			}
			for _, name := range []string{"User", "Namespace", "Groups"} {
				values, has := w.Header()["X-Auth-Request-"+name]
				if has != (row.status == 200) || has && name == "User" && values[0] != row.user {
					t.Errorf("%s is %q, want %q", name, values, row.user)
				}
			}
			if row.status == 200 && row.user == "" && w.Header().Get("X-Auth-Request-Namespace")+w.Header().Get("X-Auth-Request-Groups") != "" {
				t.Errorf("names a user: %v", w.Header())
			}
		})
	}

	r := preflight("X-Forwarded-Method", "OPTIONS", "X-Request-Id", "")
	w := verify(handler, http.MethodGet, on, "", r)
	line := ""
	for l := range strings.Lines(shared.logs.String()) {
		if strings.Contains(l, w.Header().Get("X-Request-Id")) {
			line = l
		}
	}
	if !strings.Contains(line, `"status":200,"outcome":"preflight"`) {
		t.Errorf("the log does not report it: %q", line)
	}
}

// TestVerifyUnknownOptions: a mistyped option is refused.
func TestVerifyUnknownOptions(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	token := logIn(t, a, password).Token
	for address, want := range map[string]int{
		"/auth/verify?namespace=%s&headers=ascii&preflight=allow&login=redirect": 200,
		"/auth/verify?namespace=%s&headers=utf8":                                 400,
		"/auth/verify?namespace=%s&headers=":                                     400,
		"/auth/verify?namespace=%s&preflight=on":                                 400,
		"/auth/verify?namespace=%s&preflight=allow&preflight=allow":              400,
		"/o/%s/auth/verify;headers=ascii;preflight=allow/app":                    200,
		"/o/%s/auth/verify;headers=ascii;headers=ascii/app":                      400,
		"/o/%s/auth/verify;/app":                                                 400,
		"/o/%s/auth/verify;header=ascii/app":                                     400,
		"/o/%s/auth/verify;headers%%3Dascii/app":                                 400,
		"/o/%s/auth/verify;headers=ascii":                                        404,
		"/o/%s/auth/verifyx/app":                                                 404,
		"/o/%s/x/auth/verify/app":                                                404,
	} {
		address = strings.ReplaceAll(strings.Replace(address, "%s", a.Namespace, 1), "%%", "%")
		if w := verify(web.Handler(shared.depends), http.MethodGet, address, token, nil); w.Code != want {
			t.Errorf("%s answers %d, want %d: %s", address, w.Code, want, w.Body)
		}
	}
}

// TestVerifyInASCII: percent-encoded headers decode to the same values, split at the same commas.
func TestVerifyInASCII(t *testing.T) {
	namespace := organisation(t, nil)
	groups := []string{"editors", "Büro Ost", "50%", "a+b/c", "研究"}
	a := person(t, namespace, "ada", v1alpha1.UserAccountSpec{Username: "Ada+x@Home", Email: "büro@example.org", Groups: groups})
	token := logIn(t, a, password).Token
	d := shared.depends
	d.SendEmail = true
	for _, address := range []string{"/auth/verify?headers=ascii&namespace=" + namespace, "/o/" + namespace + "/auth/verify;headers=ascii/app"} {
		w := verify(web.Handler(d), http.MethodGet, address, token, nil)
		header := w.Header().Get("X-Auth-Request-Groups")
		if want := "editors,B%C3%BCro%20Ost,50%25,a+b%2Fc,%E7%A0%94%E7%A9%B6"; w.Code != http.StatusOK || header != want {
			t.Errorf("%s answers %d with %q, want %q", address, w.Code, header, want)
		}
		var decoded []string
		for part := range strings.SplitSeq(header, ",") {
			group, err := url.PathUnescape(part)
			if err != nil {
				t.Error(err)
			}
			decoded = append(decoded, group)
		}
		if !slices.Equal(decoded, groups) {
			t.Errorf("the groups come back as %q", decoded)
		}
		if user, email := w.Header().Get("X-Auth-Request-User"), w.Header().Get("X-Auth-Request-Email"); user != "Ada+x@Home" || email != "b%C3%BCro@example.org" {
			t.Errorf("returns the user %q with the address %q", user, email)
		}
		for name, values := range w.Header() {
			if strings.ContainsFunc(strings.Join(values, ""), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s is %q", name, values)
			}
		}
	}
}

// largest are as many groups, as long, as the schema allows, all of one character.
func largest(character string) []string {
	groups := make([]string, 64)
	for i := range groups {
		groups[i] = string(rune('A'+i%26)) + string(rune('a'+i/26)) + strings.Repeat(character, 126)
	}
	return groups
}

// TestVerifyManyGroups: an application gets all groups of an account or, if they are too large, the request is refused with a page that
// says so: never some of the groups, and no redirect to the login page, which would redirect back.
func TestVerifyManyGroups(t *testing.T) {
	namespace := organisation(t, nil)
	handler := web.Handler(shared.depends)
	for name, row := range map[string]struct {
		character, ascii string
		fits             bool
	}{
		"letters":              {"x", "&headers=ascii", true},
		"the largest":          {"𝔁", "", true},
		"the largest in ASCII": {"𝔁", "&headers=ascii", false},
	} {
		t.Run(name, func(t *testing.T) {
			groups := largest(row.character)
			a := person(t, namespace, strings.ReplaceAll(strings.ToLower(name), " ", "-"), v1alpha1.UserAccountSpec{Groups: groups})
			token := logIn(t, a, password).Token
			options := "?namespace=" + namespace + row.ascii
			w := verify(handler, http.MethodGet, "/auth/verify"+options, token, nil)
			if row.fits {
				if got := w.Header().Get("X-Auth-Request-Groups"); w.Code != http.StatusOK || got != strings.Join(groups, ",") {
					t.Errorf("answers %d with %d bytes of groups", w.Code, len(got))
				}
				return
			}
			if user := w.Header().Get("X-Auth-Request-User"); w.Code != http.StatusForbidden || user != "" || !strings.Contains(w.Body.String(), "problems/groups-too-large") {
				t.Errorf("answers %d for user %q: %s", w.Code, user, w.Body)
			}
			for _, address := range []string{"/auth/login" + options, "/auth/login?namespace=" + namespace, "/auth/verify" + options + "&login=redirect"} {
				w := verify(handler, http.MethodGet, address, token, map[string]string{"Accept": htmlPage, "Accept-Language": "en"})
				if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "your account has too many groups") || w.Header().Get("Content-Security-Policy") == "" {
					t.Errorf("%s answers %d to a person: %s", address, w.Code, w.Body)
				}
			}
		})
	}
}

// TestVerifyScripts: a person is redirected to the login page, a script is not.
func TestVerifyScripts(t *testing.T) {
	here := organisation(t, nil)
	handler := web.Handler(shared.depends)
	for _, address := range []string{
		"/auth/verify?login=redirect&namespace=" + here, "/auth/login?namespace=" + here, "/o/" + here + "/auth/verify/app",
	} {
		for destination, want := range map[string]int{"empty": 401, "document": 303, "": 303} {
			w := verify(handler, http.MethodGet, address, "", map[string]string{"Accept": htmlPage, "Sec-Fetch-Dest": destination})
			if w.Code != want || want == 401 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s for %q answers %d to %q", address, destination, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// TestVerifyWhoseSession: it is the cookie's if that holds, and else that of the one Authorization header, which may be the
// application's own. Nobody is taken for an account that neither of them proves.
func TestVerifyWhoseSession(t *testing.T) {
	namespace, there := organisation(t, nil), organisation(t, nil)
	ada, bob := person(t, namespace, "ada", v1alpha1.UserAccountSpec{}), person(t, namespace, "bob", v1alpha1.UserAccountSpec{})
	stranger := logIn(t, person(t, there, "eve", v1alpha1.UserAccountSpec{}), password).Token
	adas, bobs, cluster := logIn(t, ada, password).Token, logIn(t, bob, password).Token, kubernetesToken(t, bob)
	const foreign = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im90aGVyIn0.e30.AAAA"
	handler := web.Handler(shared.depends)
	for name, row := range map[string]struct {
		cookie, authorization string
		status                int
		user                  string
	}{
		"the cookie":                            {adas, "", 200, "ada"},
		"a bearer":                              {"", "Bearer " + bobs, 200, "bob"},
		"the application's token":               {adas, "Bearer " + foreign, 200, "ada"},
		"the application's opaque token":        {adas, "Bearer x", 200, "ada"},
		"the application's passwords":           {adas, "Basic YTpi", 200, "ada"},
		"the application's token alone":         {"", "Bearer " + foreign, 401, ""},
		"another's bearer":                      {adas, "Bearer " + bobs, 200, "ada"},
		"another's bearer of the cluster":       {adas, "Bearer " + cluster, 200, "ada"},
		"a bearer of the cluster":               {"", "Bearer " + cluster, 401, ""},
		"a cookie that is over":                 {adas[:len(adas)-4] + "AAAA", "Bearer " + bobs, 200, "bob"},
		"none that holds":                       {adas[:len(adas)-4] + "AAAA", "Bearer " + foreign, 401, ""},
		"a cookie of another organisation":      {stranger, "Bearer " + bobs, 403, ""},
		"a cookie of the cluster, and a bearer": {cluster, "Bearer " + bobs, 200, "bob"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, address := range []string{"/auth/verify?namespace=" + namespace, "/o/" + namespace + "/auth/verify/app"} {
				header := map[string]string{}
				if row.authorization != "" {
					header["Authorization"] = row.authorization
				}
				w := verify(handler, http.MethodGet, address, row.cookie, header)
				if user := w.Header().Get("X-Auth-Request-User"); w.Code != row.status || user != row.user {
					t.Errorf("answers %d for %q, want %d for %q", w.Code, user, row.status, row.user)
				}
			}
		})
	}
	// Of two bearers none counts, and beside a cookie neither matters.
	for cookie, want := range map[string]int{adas: http.StatusOK, "": http.StatusUnauthorized} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example.org/auth/verify?namespace="+namespace, nil)
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-keyturn-session", Value: cookie})
		}
		r.Header["Authorization"] = []string{"Bearer " + bobs, "Bearer " + bobs}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if user := w.Header().Get("X-Auth-Request-User"); w.Code != want || w.Code == http.StatusOK && user != "ada" {
			t.Errorf("two Authorization headers, with a cookie: %t: answers %d for %q", cookie != "", w.Code, user)
		}
	}
}

// TestVerifySlidesBesideABearer: the cookie is renewed although the request has a bearer token of the application.
func TestVerifySlidesBesideABearer(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	token := logIn(t, a, password).Token
	currentSession(t, token).expect(t, http.StatusOK, "") // The credential is known from here on.
	_, handler := later(35 * time.Minute)
	for want, header := range map[bool]map[string]string{
		true: {"Authorization": "Bearer x"}, false: {"Authorization": "Bearer " + token},
	} {
		cookie := token
		if !want {
			cookie = ""
		}
		w := verify(handler, http.MethodGet, "/auth/verify?namespace="+a.Namespace, cookie, maps.Clone(header))
		if got := strings.HasPrefix(w.Header().Get("Set-Cookie"), "__Host-keyturn-session="); w.Code != http.StatusOK || got != want {
			t.Errorf("answers %d, the cookie is issued again: %t, want %t", w.Code, got, want)
		}
	}
}
