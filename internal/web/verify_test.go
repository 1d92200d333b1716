package web_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/web"
)

// verify asks as a proxy does, with a session in the cookie of a host that has TLS.
func verify(handler http.Handler, method, address, token string, header map[string]string, body ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://app.example.org"+address, strings.NewReader(strings.Join(body, "")))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	if token != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-keyturn-session", Value: token})
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

const htmlPage = "text/html,application/xhtml+xml"

// TestVerify: a check returns the account's headers if the account is of a namespace that was asked for.
func TestVerify(t *testing.T) {
	here, there := organisation(t, nil), organisation(t, nil)
	a := person(t, here, "ada", v1alpha1.UserAccountSpec{
		Username: "Ada@Home", Email: "ada@example.org", Groups: []string{"editors", "Büro Ost", " spaces "},
	})
	token := logIn(t, a, password).Token
	kubernetes := post(t, "/api/v1/login", map[string]any{
		"namespace": here, "username": "Ada@Home", "password": password, "audience": "kubernetes",
	}).Token
	d := shared.depends
	handler := web.Handler(d)
	d.DefaultNamespace, d.SendEmail = here, true
	atHome := web.Handler(d)
	for name, row := range map[string]struct {
		handler                http.Handler
		method, address, token string
		status                 int
		email                  string
	}{
		"here":                       {handler, "GET", "/auth/verify?namespace=" + here, token, 200, ""},
		"HEAD":                       {handler, "HEAD", "/auth/verify?namespace=" + here, token, 200, ""},
		"here or there":              {handler, "GET", "/auth/verify?namespace=" + there + "&namespace=" + here, token, 200, ""},
		"there":                      {handler, "GET", "/auth/verify?namespace=" + there, token, 403, ""},
		"the default, another":       {handler, "GET", "/auth/verify", token, 403, ""},
		"the default, by an empty":   {handler, "GET", "/auth/verify?namespace=", token, 403, ""},
		"the default, and address":   {atHome, "GET", "/auth/verify", token, 200, "ada@example.org"},
		"no session":                 {handler, "GET", "/auth/verify?namespace=" + here, "", 401, ""},
		"for another audience":       {handler, "GET", "/auth/verify?namespace=" + here, kubernetes, 401, ""},
		"a mistyped parameter":       {handler, "GET", "/auth/verify?namespac=" + here, token, 400, ""},
		"an unknown way":             {handler, "GET", "/auth/verify?login=always", token, 400, ""},
		"a broken escape":            {handler, "GET", "/auth/verify?namespace=%zz", token, 400, ""},
		"by POST":                    {handler, "POST", "/auth/verify?namespace=" + here, token, 200, ""},
		"by POST, there":             {handler, "POST", "/auth/verify?namespace=" + there, token, 403, ""},
		"prefix":                     {handler, "GET", "/o/" + here + "/auth/verify/x", token, 200, ""},
		"prefix, by POST":            {handler, "POST", "/o/" + here + "/auth/verify/", token, 200, ""},
		"prefix, by anything":        {handler, "BREW", "/o/" + here + "/auth/verify//a/../b?namespace=" + there, token, 200, ""},
		"prefix, there":              {handler, "GET", "/o/" + there + "/auth/verify/x?namespace=" + here, token, 403, ""},
		"prefix, there, hidden":      {handler, "GET", "/o/" + there + "/auth/verify/o/" + here + "/auth/verify/", token, 403, ""},
		"prefix, no session":         {handler, "POST", "/o/" + here + "/auth/verify/x", "", 401, ""},
		"prefix, nobody":             {handler, "GET", "/o//auth/verify/x", token, 404, ""},
		"an encoded slash":           {handler, "GET", "/auth%2Fverify?namespace=" + here, token, 404, ""},
		"prefix, an encoded slash":   {handler, "GET", "/o/" + there + "%2F/auth/verify/x", token, 404, ""},
		"prefix, without the slash":  {handler, "GET", "/o/" + here + "/auth/verify", token, 404, ""},
		"prefix, nobody by an empty": {atHome, "GET", "/o//auth/verify/x", token, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := verify(row.handler, row.method, row.address, row.token, map[string]string{"Origin": "https://elsewhere.example"})
			h := w.Result().Header
			want := map[string][]string{}
			if row.status == 200 {
				want = map[string][]string{"X-Auth-Request-User": {"Ada@Home"}, "X-Auth-Request-Namespace": {here}, "X-Auth-Request-Groups": {"editors,Büro Ost"}}
			}
			if row.email != "" {
				want["X-Auth-Request-Email"] = []string{row.email}
			}
			for _, name := range []string{"User", "Namespace", "Groups", "Email"} {
				if got := h.Values("X-Auth-Request-" + name); !slices.Equal(got, want["X-Auth-Request-"+name]) {
					t.Errorf("%s is %q, want %q", name, got, want["X-Auth-Request-"+name])
				}
			}
			if w.Code != row.status || h.Get("Cache-Control") != "no-store" {
				t.Errorf("answers %d, %v, want %d: %s", w.Code, h, row.status, w.Body)
			}
			// A proxy reads every header of a yes, and nobody shows it.
			others := func(name string) bool {
				return name == "Cache-Control" || name == "X-Request-Id" || strings.HasPrefix(name, "X-Auth-Request-")
			}
			if names := slices.DeleteFunc(slices.Collect(maps.Keys(h)), others); row.status == 200 && len(names) > 0 {
				t.Errorf("a yes has %v", names)
			}
			if row.status != 200 && h.Get("Content-Security-Policy") == "" {
				t.Errorf("the headers are %v", h)
			}
			if leaks := leaksIn(w.Body.String()); len(leaks) > 0 {
				t.Errorf("the answer holds %v", leaks)
			}
		})
	}
}

// TestVerifySendsToLogin: with login=redirect people who open a page are redirected to the login page. Programs never are.
func TestVerifySendsToLogin(t *testing.T) {
	here, there := organisation(t, nil), organisation(t, nil)
	a := person(t, here, "ada", v1alpha1.UserAccountSpec{})
	token := logIn(t, a, password).Token
	handler := web.Handler(shared.depends)
	for name, row := range map[string]struct {
		method, address, token string
		header                 map[string]string
		status                 int
		to                     string
	}{
		"a page":                   {"GET", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": htmlPage, "X-Forwarded-Uri": "/app?a=1&b=2"}, 303, "/o/" + here + "/login?return_to=%2Fapp%3Fa%3D1%26b%3D2"},
		"of another organisation":  {"GET", "/auth/verify?namespace=" + there + "&namespace=x&login=redirect", token, map[string]string{"Accept": htmlPage, "X-Forwarded-Uri": "/app"}, 303, "/o/" + there + "/login?return_to=%2Fapp"},
		"to another host":          {"GET", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": htmlPage, "X-Forwarded-Uri": "//elsewhere.example"}, 303, "/o/" + here + "/login"},
		"a form":                   {"GET", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": htmlPage, "X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/app"}, 303, "/o/" + here + "/login"},
		"asked by POST":            {"POST", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": htmlPage, "X-Forwarded-Uri": "/app"}, 303, "/o/" + here + "/login"},
		"asked by POST for a page": {"POST", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": htmlPage, "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/app"}, 303, "/o/" + here + "/login?return_to=%2Fapp"},
		"a program":                {"GET", "/auth/verify?namespace=" + here + "&login=redirect", "", map[string]string{"Accept": "*/*"}, 401, ""},
		"not asked for":            {"GET", "/auth/verify?namespace=" + here, "", map[string]string{"Accept": htmlPage}, 401, ""},
		"prefix":                   {"GET", "/o/" + here + "/auth/verify/app?a=1&b=2", "", map[string]string{"Accept": htmlPage}, 303, "/o/" + here + "/login?return_to=%2Fapp%3Fa%3D1%26b%3D2"},
		"prefix, another host":     {"GET", "/o/" + here + "/auth/verify//elsewhere.example", "", map[string]string{"Accept": htmlPage}, 303, "/o/" + here + "/login"},
		"prefix, a program":        {"GET", "/o/" + here + "/auth/verify/app", "", map[string]string{}, 401, ""},
		"nginx":                    {"GET", "/auth/login?namespace=" + here, token, map[string]string{"Accept": htmlPage, "X-Forwarded-Uri": "/app"}, 303, "/o/" + here + "/login?return_to=%2Fapp"},
		"nginx, elsewhere":         {"GET", "/auth/login?namespace=elsewhere", token, map[string]string{}, 403, ""},
		"nginx, a program":         {"GET", "/auth/login?namespace=" + here, "", map[string]string{}, 401, ""},
		"nginx, mistyped":          {"GET", "/auth/login?organisation=" + here, "", map[string]string{"Accept": htmlPage}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := verify(handler, row.method, row.address, row.token, row.header)
			if w.Code != row.status || w.Header().Get("Location") != row.to {
				t.Errorf("answers %d to %q, want %d to %q", w.Code, w.Header().Get("Location"), row.status, row.to)
			}
		})
	}
}

// TestChecksInTheLog: the log has each refused check with its outcome, and no successful one.
func TestChecksInTheLog(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	token := logIn(t, a, password).Token
	handler := web.Handler(shared.depends)
	for address, route := range map[string]string{
		"/api/v1/session": "GET /api/v1/session", "/auth/verify?namespace=" + a.Namespace: "/auth/verify",
		"/o/" + a.Namespace + "/auth/verify/app": "/o/{organization}/auth/verify/",
	} {
		logged := func(token, accept string) (line string, status int) {
			w := verify(handler, http.MethodGet, address, token, map[string]string{"Accept": accept})
			for line := range strings.Lines(shared.logs.String()) {
				if strings.Contains(line, w.Header().Get("X-Request-Id")) {
					return line, w.Code
				}
			}
			return "", w.Code
		}
		if line, status := logged(token, ""); status != http.StatusOK || line != "" {
			t.Errorf("%s of a session: %d, logged: %s", address, status, line)
		}
		for _, accept := range []string{"", htmlPage} { // The latter is sent to the login page, by the last one.
			line, status := logged("", accept)
			if want := fmt.Sprintf(`"route":%q,"status":%d,"outcome":"invalid-session"`, route, status); status == http.StatusOK || !strings.Contains(line, want) {
				t.Errorf("%s without a session: %d, logged: %s, want %s", address, status, line, want)
			}
		}
	}
}

// TestVerifySlides: a check renews the cookie in its answer.
func TestVerifySlides(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	token := logIn(t, a, password).Token
	currentSession(t, token).expect(t, http.StatusOK, "") // The credential is known from here on.
	for in, slides := range map[time.Duration]bool{25 * time.Minute: false, 35 * time.Minute: true} {
		_, handler := later(in)
		w := verify(handler, http.MethodGet, "/auth/verify?namespace="+a.Namespace, token, nil)
		if got := strings.HasPrefix(w.Header().Get("Set-Cookie"), "__Host-keyturn-session="); w.Code != http.StatusOK || got != slides {
			t.Errorf("%s later: %d, the cookie is issued again: %t", in, w.Code, got)
		}
	}
}
