package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// loginOf is where nginx sends people.
func loginOf(organisation, to string) string {
	return "/o/" + organisation + "/login?" + url.Values{"return_to": {to}}.Encode()
}

// TestProxiedApplication: a person who has no session logs in and comes back, and the application hears who it is.
func TestProxiedApplication(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.Groups, s.Email = []string{"editors", "Büro Ost"}, "ada@example.org"
	})
	app := behindNginx(t, o.name, loginURL)
	v := app.visitor(t)
	was := "/reports/2026?from=a%26b&to=c&x=%2F#"[:len("/reports/2026?from=a%26b&to=c&x=%2F")]

	v.get(was).leads(t, loginOf(o.name, was))

	if app.count() != 0 {
		t.Fatal("the application was reached without a session")
	}

	v.logIn(loginOf(o.name, was), p).leads(t, "/continue?"+url.Values{"return_to": {was}}.Encode())

	if page := v.get("/continue?" + url.Values{"return_to": {was}}.Encode()); !strings.Contains(page.body, `href="`+strings.ReplaceAll(was, "&", "&amp;")+`"`) {
		t.Errorf("the page in between does not lead on to %s:\n%s", was, page.body)
	}

	if c := v.cookie(); c == nil {
		t.Fatal("there is no cookie that is bound to the host")
	}

	r := v.do(http.MethodGet, was, map[string]string{
		"Cookie":              "a=1; b=2", // beside the jar's
		"Authorization":       "",
		"X-Auth-Request-User": "root", "X-Auth-Request-Groups": "admins", "X-Auth-Request-Email": "root@example.org",
		"X-Auth-Request-Namespace": "elsewhere", "X_Auth_Request_User": "root",
	}, "")
	if r.status != http.StatusOK || r.URI != was {
		t.Fatalf("answered %d for %q: %s", r.status, r.URI, r.body)
	}

	for name, want := range map[string]string{
		"X-Auth-Request-User": "ada", "X-Auth-Request-Namespace": o.name, "X-Auth-Request-Groups": "editors,Büro Ost",
		"X-Auth-Request-Email": "", "X_auth_request_user": "",
	} {
		if got := strings.Join(r.Header.Values(name), "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), "eyJ") {
			t.Errorf("%s passes a session on to the application", name)
		}
	}

	if got := r.Header.Get("Cookie"); !strings.Contains(got, "a=1; b=2") || strings.Contains(got, "keyturn-session") {
		t.Errorf("the application gets the cookies %q", got)
	}
}
