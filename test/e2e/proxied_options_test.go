package e2e_test

import (
	"maps"
	"net/http"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestProxiedPreflights: a CORS preflight, which browsers send without a cookie, reaches the application only where the proxy's
// configuration says so, and nothing else passes for one.
func TestProxiedPreflights(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	closed, open := behindNginx(t, o.name, proxiedLoginURL), behindNginx(t, o.name, proxiedLoginURL, withOptions("&preflight=allow"))
	question := map[string]string{
		"Accept": "*/*", "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
		"X-Auth-Request-User": "root", "X-Auth-Request-Groups": "admins",
	}
	forged := map[string]string{"X-Forwarded-Method": http.MethodOptions}
	maps.Copy(forged, question)

	if r := closed.visitor(t).do(http.MethodOptions, "/app", question, ""); r.status != http.StatusUnauthorized || closed.count() != 0 {
		t.Errorf("by default a preflight answers %d", r.status)
	}

	v := open.visitor(t)
	r := v.do(http.MethodOptions, "/app", question, "")

	if r.status != http.StatusOK || r.Method != http.MethodOptions {
		t.Fatalf("a preflight answers %d: %s", r.status, r.body)
	}

	for _, name := range []string{"User", "Namespace", "Groups"} {
		if got := r.Header.Values("X-Auth-Request-" + name); len(got) > 0 {
			t.Errorf("the application receives %s %q", name, got)
		}
	}

	before := open.count()

	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if r := v.do(method, "/app", forged, ""); r.status != http.StatusUnauthorized {
			t.Errorf("%s that says it is a preflight answers %d: %s", method, r.status, r.body)
		}
	}

	if r := v.do(http.MethodOptions, "/app", map[string]string{"Accept": "*/*", "Origin": "https://elsewhere.example"}, ""); r.status != http.StatusUnauthorized {
		t.Errorf("OPTIONS that is no preflight answers %d", r.status)
	}

	if open.count() != before {
		t.Error("the application was reached")
	}
}

// TestProxiedScripts: a script that has no session gets 401, where a person gets the login page.
func TestProxiedScripts(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	v := behindNginx(t, o.name, proxiedLoginURL).visitor(t)

	for destination, want := range map[string]int{"empty": http.StatusUnauthorized, "document": http.StatusSeeOther} {
		if r := v.do(http.MethodGet, "/app", map[string]string{"Sec-Fetch-Dest": destination}, ""); r.status != want {
			t.Errorf("what is fetched for %q answers %d to %q", destination, r.status, r.header.Get("Location"))
		}
	}
}

// TestProxiedInASCII: with the option for it, the application gets names percent-encoded.
func TestProxiedInASCII(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"editors", "Büro Ost", "50%"} })
	v := behindNginx(t, o.name, proxiedLoginURL, withOptions("&headers=ascii")).loggedIn(t, p)

	if got := v.get("/app").Header.Get("X-Auth-Request-Groups"); got != "editors,B%C3%BCro%20Ost,50%25" {
		t.Errorf("the groups are %q", got)
	}
}

// TestProxiedTokensOfTheApplication: where the configuration says so, bearer tokens of the application reach it beside Keyturn's cookie.
// Keyturn's own tokens then open nothing, and do not reach the application.
func TestProxiedTokensOfTheApplication(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p, bob := o.settled(t, "ada", nil), o.settled(t, "bob", nil)
	of := bob.login(t, bob.password, granted).Token
	usual := behindNginx(t, o.name, proxiedLoginURL)
	passing := behindNginx(t, o.name, proxiedLoginURL,
		[2]string{"        proxy_set_header Authorization            \"\";\n", ""},
		[2]string{"        proxy_set_header X-Forwarded-Method $request_method;\n", "        proxy_set_header X-Forwarded-Method $request_method;\n        proxy_set_header Authorization \"\";\n"})

	for name, row := range map[string]struct {
		app     *proxied
		token   string
		reaches bool
		alone   int
	}{
		"the application's": {usual, "opaque", false, http.StatusUnauthorized}, "bob's": {usual, of, false, http.StatusOK},
		"the application's, passed on": {passing, "opaque", true, http.StatusUnauthorized}, "bob's, passed on": {passing, of, true, http.StatusUnauthorized},
	} {
		header := map[string]string{"Accept": "*/*", "Authorization": "Bearer " + row.token}
		r := row.app.loggedIn(t, p).do(http.MethodGet, "/app", header, "")

		if r.status != http.StatusOK || r.Header.Get("X-Auth-Request-User") != "ada" || (r.Header.Get("Authorization") != "") != row.reaches {
			t.Errorf("%s: beside ada's cookie it answers %d for %q: %s", name, r.status, r.Header.Get("X-Auth-Request-User"), r.body)
		}

		if r := row.app.visitor(t).do(http.MethodGet, "/app", header, ""); r.status != row.alone {
			t.Errorf("%s: alone it answers %d, want %d", name, r.status, row.alone)
		}
	}
}
