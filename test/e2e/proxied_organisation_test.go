package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/test/controlplane"
)

// loginOfDefault starts a login server whose default organisation is the given one.
func loginOfDefault(t *testing.T, organisation string) string {
	t.Helper()

	port, err := controlplane.FreePort(0)
	must(t, err)

	keyturn := login.replica(t, "login-of-"+organisation, "--health-bind-address",
		"--bind-address="+controlplane.Address(port), "--default-namespace="+organisation)
	keyturn.start(t)

	return "http://" + controlplane.Address(port)
}

// TestProxiedOrganisations: behind the documented proxy, people of the default organisation and of another one log in, cancel, change the
// password, are remembered and log out. Every form goes to the address at which it was opened, because the proxy answers /login and
// /change-password itself.
func TestProxiedOrganisations(t *testing.T) {
	t.Parallel()

	other, its := newOrganisation(t), newOrganisation(t)
	for name, row := range map[string]struct{ organisation, keyturn string }{
		"the default": {its.name, loginOfDefault(t, its.name)},
		"another":     {other.name, proxiedLoginURL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := (&organisation{name: row.organisation}).hired(t, "ada", nil)
			app := behindNginx(t, row.organisation, row.keyturn)
			v := app.visitor(t)
			page := func(r *reply) *reply {
				t.Helper()

				at := r.header.Get("Location")
				if got := v.get(at); got.status == http.StatusOK {
					return got
				}

				t.Fatalf("answered %d to %q, which is no page", r.status, at)

				return nil
			}

			v.get("/app").leads(t, loginOf(row.organisation, "/app"))
			opened := v.get(loginOf(row.organisation, "/app"))
			wrong := v.submit(opened, "<h1", "username", p.username, "password", "wrong-"+newPassword())

			if wrong.status != http.StatusUnauthorized {
				t.Fatalf("a wrong password answers %d: %s", wrong.status, wrong.body)
			}

			// The password was handed out: the dialog's form leads to the change, and both can be cancelled.
			dialog := v.submit(wrong, "<h1", "password", p.password, "remember", "on")
			change := v.submit(dialog, "<dialog")

			for at, shown := range map[string]*reply{"the dialog": dialog, "the change": change} {
				if back := `href="` + loginOf(row.organisation, "/app") + `"`; !strings.Contains(shown.body, back) {
					t.Errorf("%s answers %d and does not lead back by %s:\n%s", at, shown.status, back, shown.body)
				}
			}

			next := newPassword()
			rejected := v.submit(change, "<h1", "current-password", p.password, "new-password", "x")
			changed := v.submit(rejected, "<h1", "current-password", p.password, "new-password", next)
			changed.leads(t, "/account?return_to=%2Fapp")

			if home := page(changed); !strings.Contains(home.body, "Your password was changed.") {
				t.Errorf("after the change: %s", home.body)
			}

			p.password = next

			if r := v.get("/app"); r.status != http.StatusOK || r.Header.Get("X-Auth-Request-Namespace") != row.organisation {
				t.Fatalf("the application answers %d: %s", r.status, r.body)
			}

			// Log out by the application's link, and come back to it: nobody is logged in there any more.
			v.submit(v.get("/logout?return_to=%2Fapp"), "<h1").leads(t, "/continue?return_to=%2Fapp")
			v.get("/app").leads(t, loginOf(row.organisation, "/app"))

			remembered := v.get(loginOf(row.organisation, "/app"))
			for _, part := range []string{"You are logged out.", `value="` + p.username + `"`, " checked"} {
				if !strings.Contains(remembered.body, part) {
					t.Errorf("the login page lacks %q:\n%s", part, remembered.body)
				}
			}

			v.submit(remembered, "<h1", "password", p.password).leads(t, "/continue?return_to=%2Fapp")

			if c := v.cookie(); v.get("/app").status != http.StatusOK || c == nil {
				t.Error("the remembered person is not logged in")
			}

			// Log out by a form with nothing in it, and find the login page of the organisation, whatever leads there.
			out := v.do(http.MethodPost, "/logout", map[string]string{"Origin": app.url, "Sec-Fetch-Site": "same-origin"}, "")
			for out.status == http.StatusSeeOther {
				out = v.get(out.header.Get("Location"))
			}

			v.submit(out, "<h1", "password", p.password).leads(t, "/")
		})
	}
}
