package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// loginOf is where nginx sends people.
func loginOf(organisation, to string) string {
	return "/o/" + organisation + "/login?" + url.Values{"return_to": {to}}.Encode()
}

// TestProxiedApplication: a person without a session is sent to the login and back, and the application learns who it is.
func TestProxiedApplication(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) {
		s.Groups, s.Email = []string{"editors", "Büro Ost"}, "ada@example.org"
	})
	app := behindNginx(t, o.name, proxiedLoginURL)
	v := app.visitor(t)
	was := "/reports/2026?from=a%26b&to=c&x=%2F"

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
		"Cookie":              "a=1; __Host-keyturn-oidc=x; __Secure-keyturn-kubectl=y; b=2", // beside the jar's
		"Authorization":       "",
		"X-Auth-Request-User": "root", "X-Auth-Request-Groups": "admins", "X-Auth-Request-Email": "root@example.org",
		"X-Auth-Request-Namespace": "elsewhere", "X_Auth_Request_User": "root", "X.Auth.Request.User": "root",
		"X-Auth-Request-Preferred-Username": "root", "X-Auth-Request-Access-Token": "root",
	}, "")
	if r.status != http.StatusOK || r.URI != was {
		t.Fatalf("answered %d for %q: %s", r.status, r.URI, r.body)
	}

	for name, want := range map[string]string{
		"X-Auth-Request-User": "ada", "X-Auth-Request-Namespace": o.name, "X-Auth-Request-Groups": "editors,Büro Ost",
		"X-Auth-Request-Email": "", "X-Auth-Request-Preferred-Username": "", "X-Auth-Request-Access-Token": "",
	} {
		if got := strings.Join(r.Header.Values(name), "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), "eyJ") {
			t.Errorf("%s passes a session on to the application", name)
		}

		// Many an application would take names with other signs for those with dashes.
		if strings.Contains(strings.Join(values, " "), "root") {
			t.Errorf("%s passes on who the client says it is", name)
		}
	}

	got := r.Header.Get("Cookie")
	for _, name := range []string{"keyturn-session", "keyturn-device", "keyturn-oidc", "keyturn-kubectl"} {
		if !strings.Contains(got, "a=1; b=2") || strings.Contains(got, name) {
			t.Errorf("the application gets the cookies %q", got)
		}
	}
}

// loggedIn is a visitor of an application who has logged in there.
func (p *proxied) loggedIn(t *testing.T, who *person) *visitor {
	t.Helper()

	v := p.visitor(t)
	v.logIn(loginOf(who.organisation, "/app"), who).leads(t, "/continue?return_to=%2Fapp")

	if r := v.get("/app"); r.status != http.StatusOK {
		t.Fatalf("after the login the application answers %d: %s", r.status, r.body)
	}

	return v
}

// sentToLogin waits until a visitor's session is over, and wants the application not to be reached from then on.
func (v *visitor) sentToLogin(who *person) {
	v.t.Helper()
	eventually(v.t, "the session is over behind nginx", func() error {
		if r := v.get("/app"); r.status != http.StatusSeeOther {
			return errTooEarly
		}

		return nil
	})

	before := v.app.count()
	v.get("/app").leads(v.t, loginOf(who.organisation, "/app"))

	if v.app.count() != before {
		v.t.Error("the application is reached with a session that is over")
	}
}

// TestProxiedSessionsEnd: a session at the proxied application ends by a change of the password, by a logout, and by a logout everywhere.
func TestProxiedSessionsEnd(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL)
	form := map[string]string{"Origin": app.url, "Sec-Fetch-Site": "same-origin"}

	one, other := app.loggedIn(t, p), app.loggedIn(t, p)
	p.change(t, newPassword(), granted)
	one.sentToLogin(p)
	other.sentToLogin(p)

	one, other = app.loggedIn(t, p), app.loggedIn(t, p)
	copied := app.visitor(t)
	at, err := url.Parse(app.url)
	must(t, err)
	copied.client.Jar.SetCookies(at, []*http.Cookie{{Name: one.cookie().Name, Value: one.cookie().Value, Path: "/", Secure: true}})

	if r := one.do(http.MethodPost, "/logout", form, ""); r.status != http.StatusSeeOther {
		t.Fatalf("logging out answers %d: %s", r.status, r.body)
	}

	copied.sentToLogin(p)

	if r := other.get("/app"); r.status != http.StatusOK {
		t.Errorf("the other device is logged out too: %d", r.status)
	}

	if r := other.do(http.MethodPost, "/logout-everywhere", form, ""); r.status != http.StatusSeeOther {
		t.Fatalf("logging out everywhere answers %d: %s", r.status, r.body)
	}

	other.sentToLogin(p)
}

// TestProxiedRefusals: without a session of this organisation no request reaches the application. What the application itself answers
// passes unchanged, and no session token reaches it.
func TestProxiedRefusals(t *testing.T) {
	t.Parallel()

	o, elsewhere := newOrganisation(t), newOrganisation(t)
	p, stranger := o.settled(t, "ada", nil), elsewhere.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL)
	none := app.visitor(t)

	// Programs, and forms of which no page could be opened again.
	if r := none.do(http.MethodGet, "/app", map[string]string{"Accept": "application/json"}, ""); r.status != http.StatusUnauthorized {
		t.Errorf("a program is answered %d", r.status)
	}

	none.do(http.MethodPost, "/app", nil, "x=y").leads(t, "/o/"+o.name+"/login")

	for _, address := range []string{"/login/../app", "//app", "/.keyturn/verify", "/.keyturn/login", "/auth/verify", "/o/x/auth/verify/", "/assets/x", "/loginx"} {
		none.get(address)
	}

	// An account of another organisation is asked to log in to this one, and is not sent back.
	v := app.visitor(t)
	v.logIn(loginOf(elsewhere.name, "/app"), stranger).leads(t, "/continue?return_to=%2Fapp")
	v.get("/app").leads(t, loginOf(o.name, "/app"))

	if r := v.get(loginOf(o.name, "/app")); r.status != http.StatusOK {
		t.Errorf("who is logged in elsewhere is sent on by the login page, to be refused again: %d", r.status)
	}

	if app.count() != 0 {
		t.Error("the application was reached")
	}

	// What passes is left as it is.
	v = app.loggedIn(t, p)

	if r := v.get("/refused"); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "own refusal") {
		t.Errorf("the application's own 401 becomes %d: %s", r.status, r.body)
	}

	large := strings.Repeat("x", 2<<20)
	if r := v.do(http.MethodPost, "/upload?x=1", nil, large); r.status != http.StatusOK || r.Method != http.MethodPost || r.Body != len(large) {
		t.Errorf("a large body: %d, %s with %d bytes", r.status, r.Method, r.Body)
	}

	// Sessions do not get on by any other way, nor does a login that has begun at a provider, or one for kubectl, which are in signed tokens
	// as well.
	token := p.login(t, p.password, granted).Token
	for _, header := range []map[string]string{
		{"Authorization": "Bearer " + token},
		{"Cookie": "keyturn-session=" + token + "; __Host-keyturn-session=" + token + "; a=1"},
		{"Cookie": "a=1; __Host-keyturn-session=" + token + "; b=2; __Host-keyturn-device=" + token + "; c=3"},
		{"Cookie": "__Host-keyturn-device=" + token + "; a=1; __Host-keyturn-session=" + token},
		{"Cookie": "__Host-keyturn-session=" + token + ";\t__Host-keyturn-session=" + token},
		{"Cookie": "__Host-keyturn-session =" + token},
		{"Cookie": "a=1; __Host-keyturn-session\t=" + token + "; b=2"},
		{"Cookie": "__Host-keyturn-device =" + token + "; __Host-keyturn-session=" + token},
		{"Cookie": "a=1; __Host-keyturn-oidc=" + token + "; b=2; __Host-keyturn-session=" + token},
		{"Cookie": "__Host-keyturn-oidc=" + token + "; __Host-keyturn-session=" + token + "; __Host-keyturn-device=" + token},
		{"Cookie": "__Host-keyturn-session=" + token + "; __Host-keyturn-oidc =" + token + "; __Host-keyturn-oidc=" + token},
		{"Cookie": "__Secure-keyturn-kubectl=" + token + "; a=1; __Host-keyturn-session=" + token},
		{"Cookie": "__Host-keyturn-session=" + token + "; __Secure-keyturn-kubectl\t=" + token + "; __Secure-keyturn-kubectl=" + token},
	} {
		r := app.visitor(t).do(http.MethodGet, "/app", header, "")
		if r.status != http.StatusOK || strings.Contains(r.body, token) {
			t.Errorf("answered %d, the session is passed on: %t", r.status, strings.Contains(r.body, token))
		}
	}
}

// TestProxiedLoginForKubectl: what says that somebody has logged in for a kubectl never reaches the application on the same host. With it and
// the session, the application could have a session for the cluster.
func TestProxiedLoginForKubectl(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL)
	v := app.visitor(t)
	page := "/o/" + o.name + "/login/kubectl"
	query := "?" + url.Values{"challenge": {strings.Repeat("A", 43)}, "state": {strings.Repeat("s", 32)}}.Encode()

	const name = "__Secure-keyturn-kubectl"

	if r := v.logIn(loginOf(o.name, page+query), p); !strings.Contains(strings.Join(r.header.Values("Set-Cookie"), "\n"), name+"=") {
		t.Fatalf("the login for kubectl is not noted: answered %d with %q", r.status, r.header)
	}

	if r := v.get(page + query); r.status != http.StatusOK || !strings.Contains(r.body, "Allow") {
		t.Errorf("the page for kubectl answers %d: %s", r.status, r.body)
	}

	for _, address := range []string{page, page + "/", page + "/app", "/login/kubectl" + query, "/login/kubectl/app", "/o/x/login/kubectl"} {
		v.get(address)
	}

	if app.count() != 0 {
		t.Error("the application was reached")
	}

	// Browsers send the cookie to whatever looks as if it was below that path, which nginx takes for the application's.
	r := v.get(page + "/..%2F..%2F..%2F..%2Fapp")
	if r.status != http.StatusOK || app.count() != 1 || strings.Contains(r.Header.Get("Cookie"), name) {
		t.Errorf("answered %d, and the application gets the cookies %q", r.status, r.Header.Get("Cookie"))
	}
}

// TestProxiedStaysInTheOrganisation: pages that do not know whose they are (/login, /change-password) lead to the organisation of the
// proxy, not to the default one.
func TestProxiedStaysInTheOrganisation(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	app := behindNginx(t, o.name, proxiedLoginURL)
	own := "/o/" + o.name
	form := map[string]string{"Origin": app.url, "Sec-Fetch-Site": "same-origin"}

	// follow goes on until there is a page, and returns its address.
	follow := func(r *reply) string {
		v, at := app.visitor(t), ""

		for range 3 {
			if next := r.header.Get("Location"); next != "" {
				at, r = next, v.get(next)
			}
		}

		if r.status != http.StatusOK {
			t.Errorf("%q answers %d: %s", at, r.status, r.body)
		}

		return at
	}

	v := app.visitor(t)
	for name, row := range map[string]struct {
		first *reply
		want  string
	}{
		"log-out without a session":  {v.do(http.MethodPost, "/logout", form, ""), own + "/login"},
		"/account without a session": {v.get("/account"), own + "/login"},
		"the way back":               {v.get("/account?return_to=%2Fapp%3Fa%3D1%26b"), own + "/login?return_to=%2Fapp%3Fa%3D1%26b"},
		"what password managers ask": {v.get("/.well-known/change-password"), own + "/change-password"},
		"by hand":                    {v.get("/login?return_to=%2Fapp"), own + "/login?return_to=%2Fapp"},
	} {
		if at := follow(row.first); at != row.want {
			t.Errorf("%s ends at %q, want %q", name, at, row.want)
		}
	}

	if app.count() != 0 {
		t.Error("the application was reached")
	}
}

// TestProxiedWithoutKeyturn: while Keyturn is down, no request reaches the application.
func TestProxiedWithoutKeyturn(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	port, err := controlplane.FreePort(0)
	must(t, err)

	keyturn := login.replica(t, "login-proxied", "--health-bind-address", "--bind-address="+controlplane.Address(port))
	keyturn.start(t)

	app := behindNginx(t, o.name, "http://"+controlplane.Address(port))
	v := app.loggedIn(t, p)
	before := app.count()

	keyturn.kill()

	for range 3 {
		if r := v.get("/app"); r.status < http.StatusInternalServerError {
			t.Errorf("while Keyturn is down the answer is %d: %s", r.status, r.body)
		}
	}

	if app.count() != before {
		t.Error("the application was reached while Keyturn was down")
	}

	keyturn.start(t)
	eventually(t, "the session is taken again", func() error {
		if v.get("/app").status != http.StatusOK {
			return errTooEarly
		}

		return nil
	})
}

// TestProxiedInABrowser: in a browser, a person opens a page of the application, logs in, comes back to it, and logs out by a button of the
// application.
func TestProxiedInABrowser(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	app := behindNginx(t, o.name, proxiedLoginURL)
	b := openBrowser(t, t.TempDir(), chromedp.IgnoreCertErrors)
	b.base = app.url

	b.open("/page?tab=2&more=x")
	b.at("/o/" + o.name + "/login")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.do(chromedp.Click("main button.primary", chromedp.ByQuery))
	b.says("the application")
	b.is(`location.pathname + location.search === "/page?tab=2&more=x"`)

	if c := b.cookies()["__Host-keyturn-session"]; c == nil || !c.Secure || !c.HTTPOnly {
		t.Errorf("the session's cookie is %v", c)
	}

	b.follow("button")
	b.says("You are logged out.")
	b.open("/page")
	b.at("/o/" + o.name + "/login")
}
