package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// withOptions has the proxy ask for more.
func withOptions(options string) [2]string {
	return [2]string{"/auth/verify?namespace=team", "/auth/verify?namespace=team" + options}
}

// TestProxiedUploads: behind the proxy a body may be as large as the application allows; the check does not limit it.
func TestProxiedUploads(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	app := behindNginx(t, o.name, proxiedLoginURL)
	v, none := app.loggedIn(t, o.settled(t, "ada", nil)), app.visitor(t)
	large := strings.Repeat("x", 3<<20)

	// upload sends a body, with a Content-Length or without.
	upload := func(v *visitor, body string, chunked bool, header map[string]string) *reply {
		t.Helper()

		var from io.Reader = strings.NewReader(body)
		if chunked {
			from = io.MultiReader(from)
		}

		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.url+"/upload", from)
		must(t, err)

		for name, value := range header {
			request.Header.Set(name, value)
		}

		return v.send(request)
	}

	for name, chunked := range map[string]bool{"of a known length": false, "in chunks": true} {
		if r := upload(v, large, chunked, nil); r.status != http.StatusOK || r.Body != len(large) || r.Header.Get("X-Auth-Request-User") != "ada" {
			t.Errorf("an upload %s answers %d, with %d bytes: %s", name, r.status, r.Body, r.body)
		}

		before := app.count()

		if r := upload(none, large, chunked, nil); r.status != http.StatusUnauthorized {
			t.Errorf("an upload %s without a session answers %d: %s", name, r.status, r.body)
		}

		upload(none, large, chunked, map[string]string{"Sec-Fetch-Mode": "navigate"}).leads(t, "/o/"+o.name+"/login")

		if app.count() != before {
			t.Error("the application was reached without a session")
		}
	}

	if r := upload(v, strings.Repeat("x", 50<<20+1), false, nil); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than the application takes answers %d", r.status)
	}
}

// manyGroups are as many as an account can have, as long as they can be, all of one character.
func manyGroups(character string) []string {
	groups := make([]string, 64)
	for i := range groups {
		groups[i] = string(rune('A'+i%26)) + string(rune('a'+i/26)) + strings.Repeat(character, 126)
	}

	return groups
}

// TestProxiedManyGroups: the application receives all groups that an account can have. Where they do not fit, percent-encoded, the person
// gets a page that says why, and no redirect to the login.
func TestProxiedManyGroups(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	letters := o.settled(t, "letters", func(s *v1alpha1.UserAccountSpec) { s.Groups = manyGroups("x") })
	largest := o.settled(t, "largest", func(s *v1alpha1.UserAccountSpec) { s.Groups = manyGroups("𝔁") })
	plain, ascii := behindNginx(t, o.name, proxiedLoginURL), behindNginx(t, o.name, proxiedLoginURL, withOptions("&headers=ascii"))

	for name, row := range map[string]struct {
		app       *proxied
		p         *person
		character string
	}{
		"letters": {plain, letters, "x"}, "letters in ASCII": {ascii, letters, "x"}, "the largest": {plain, largest, "𝔁"},
	} {
		r := row.app.loggedIn(t, row.p).get("/app")
		if want := strings.Join(manyGroups(row.character), ","); r.Header.Get("X-Auth-Request-Groups") != want {
			t.Errorf("%s: answers %d with %d bytes of groups, want %d", name, r.status, len(r.Header.Get("X-Auth-Request-Groups")), len(want))
		}
	}

	v := ascii.visitor(t)
	v.logIn(loginOf(o.name, "/app"), largest).leads(t, "/continue?return_to=%2Fapp")

	before := ascii.count()

	if r := v.get("/app"); r.status != http.StatusForbidden || !strings.Contains(r.body, "your account has too many groups") {
		t.Errorf("groups that do not fit answer %d: %s", r.status, r.body)
	}

	if ascii.count() != before {
		t.Error("the application was reached with a part of the groups")
	}
}

// TestProxiedLongAddress: after the login a person comes back to the address that they opened, however long it may be.
func TestProxiedLongAddress(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	v := behindNginx(t, o.name, proxiedLoginURL).visitor(t)
	was := "/find?" + strings.Repeat("&=/", 680)

	v.get(was).leads(t, loginOf(o.name, was))

	on := v.logIn(loginOf(o.name, was), p)
	if page := v.get(on.header.Get("Location")); page.status != http.StatusOK || !strings.Contains(page.body, `id="continue"`) {
		t.Errorf("after the login: %d, then %d: %s", on.status, page.status, page.body)
	}
}
