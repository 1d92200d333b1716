package web_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// mustChange makes the password one that has to be changed.
func mustChange(c *account.Credential) { c.Password.MustChange = v1alpha1.MustChangeInitialLogin }

// TestPageHeaders: no page can be framed, stored or scripted from elsewhere.
func TestPageHeaders(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	kiosk := person(t, a.Namespace, "kiosk", v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{Change: v1alpha1.PasswordChangeForbidden}})
	must := person(t, a.Namespace, "new", v1alpha1.UserAccountSpec{}, mustChange)
	guest, loggedIn, forbidden := newVisitor(t), newVisitor(t), newVisitor(t)
	loggedIn.logIn(a, password)
	forbidden.logIn(kiosk, password)
	for name, p := range map[string]*page{
		"login":                guest.get("/login"),
		"login, refused":       guest.logIn(a, wrong),
		"dialog":               guest.logIn(must, password),
		"change":               guest.get("/change-password"),
		"change, refused":      guest.post("/change-password", "username", "ada"),
		"home":                 loggedIn.get("/"),
		"change, logged in":    loggedIn.get("/change-password"),
		"log out":              loggedIn.get("/logout"),
		"forbidden":            forbidden.get("/change-password"),
		"continue":             guest.get("/continue?return_to=/app"),
		"nothing there":        guest.get("/nowhere"),
		"method not allowed":   guest.visit(http.MethodDelete, "/login", nil),
		"redirect to the page": guest.get("/.well-known/change-password"),
		"redirect to login":    newVisitor(t).get("/"),
	} {
		t.Run(name, func(t *testing.T) {
			policy := p.header.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "} {
				if !strings.Contains(policy, part) {
					t.Errorf("Content-Security-Policy lacks %s: %s", part, policy)
				}
			}
			if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
				t.Errorf("Content-Security-Policy lets more in: %s", policy)
			}
			for name, want := range map[string]string{
				"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := p.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := p.header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
				t.Errorf("Referrer-Policy is %q", got)
			}
			if challenge := p.header.Get("WWW-Authenticate"); (challenge != "") != (p.status == http.StatusUnauthorized) {
				t.Errorf("status %d with WWW-Authenticate %q", p.status, challenge)
			}
			p.hides(t, " style=", " onclick=", "<style", "<script>", "javascript:")
		})
	}
}

// TestCrossSitePosts: another site's page cannot make a browser post anything.
func TestCrossSitePosts(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	generation := record(t, a).SessionGeneration
	for _, path := range []string{
		"/login", "/o/" + a.Namespace + "/login", "/change-password", "/o/" + a.Namespace + "/change-password",
		"/logout", "/logout-everywhere", "/api/v1/login", "/api/v1/password", "/api/v1/session",
	} {
		for name, header := range map[string]map[string]string{
			"another site":      {"Sec-Fetch-Site": "cross-site"},
			"a sibling":         {"Sec-Fetch-Site": "same-site"},
			"an older browser":  {"Origin": "https://elsewhere.example"},
			"a sandboxed frame": {"Origin": "null"},
		} {
			w := newVisitor(t)
			w.cookies = v.cookies
			maps.Copy(w.header, header)
			p := w.post(path, "organization", a.Namespace, "username", "ada", "password", password,
				"current-password", password, "new-password", fresh)
			if p.status != http.StatusForbidden || !strings.Contains(p.text, "This was sent from another site.") {
				t.Errorf("%s from %s: %d\n%s", path, name, p.status, p.text)
			}
		}
	}
	if r := record(t, a); r.SessionGeneration != generation || len(r.EndedSessions) != 0 {
		t.Error("something was done")
	}
	v.get("/").shows(t, http.StatusOK)
}

// TestCookiesOfAnAnswer: the cookies that a login sets, and their lifetimes.
func TestCookiesOfAnAnswer(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	for remember, want := range map[string]map[string]int{
		"": {"__Host-keyturn-session": 0, "__Host-keyturn-username": -1, "__Host-keyturn-device": 90 * 24 * 60 * 60},
		"on": {
			"__Host-keyturn-session": 30 * 24 * 60 * 60, "__Host-keyturn-username": 365 * 24 * 60 * 60,
			"__Host-keyturn-device": 90 * 24 * 60 * 60,
		},
	} {
		v := newVisitor(t)
		p := v.logIn(a, password, "remember", remember)
		cookies := (&http.Response{Header: p.header}).Cookies()
		if len(cookies) != len(want) {
			t.Errorf("there are %v", cookies)
		}
		for _, c := range cookies {
			if age, found := want[c.Name]; !found || c.MaxAge != age || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
				c.Path != "/" || c.Domain != "" {
				t.Errorf("remember %q: %s", remember, strings.Replace(c.String(), c.Value, "...", 1))
			}
		}
	}
}

// TestNothingTypedComesBack: pages repeat nothing that was typed, except for the names in their own fields, escaped.
func TestNothingTypedComesBack(t *testing.T) {
	const typed = `"><script>alert(1)</script>`
	names := []string{"organization", "org" + typed, "username", "user" + typed, "return_to", "//elsewhere" + typed, "remember", typed}
	v := newVisitor(t)
	for name, p := range map[string]*page{
		"login":          v.post("/login", append(names, "password", wrong)...),
		"login, missing": v.post("/login", names...),
		"change": v.post("/change-password", append(names, "current-password", wrong, "new-password", marker,
			"rules", typed, "words", typed, "own_username", typed, "own_organization", typed)...),
		"change, start":   v.post("/change-password", append(names, "step", "start", "rules", typed, "words", typed)...),
		"change, missing": v.post("/change-password", append(names, "step", typed)...),
		"by address":      v.get("/o/org" + strings.ReplaceAll(strings.ReplaceAll(typed, "/", "%2F"), ">", "%3E") + "/login?return_to=/app%22" + typed),
	} {
		p.hides(t, "<script>", `"user">`, "elsewhere")
		if name == "by address" {
			continue
		}
		for line := range strings.SplitSeq(p.text, "\n") {
			if strings.Contains(line, "&lt;script&gt;") && !strings.Contains(line, `name="username" value="user&#34;&gt;&lt;script&gt;`) &&
				!strings.Contains(line, `value="org&#34;&gt;&lt;script&gt;`) && !strings.Contains(line, `name="own_username" value="user&#34;`) {
				t.Errorf("%s shows it again: %s", name, line)
			}
		}
		for _, attribute := range []string{"href=", "action="} {
			for _, part := range strings.Split(p.text, attribute)[1:] {
				if address, _, _ := strings.Cut(part, ">"); strings.Contains(address, "org") {
					t.Errorf("%s has it in an address: %s", name, address)
				}
			}
		}
	}
}

// TestLanding: where a login and a change of the password redirect to.
func TestLanding(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	v.logIn(a, password).leads(t, "/")
	v.get("/login").leads(t, "/")
	v.get("/login?return_to=/app").leads(t, "/app")
	v.get("/").hides(t, `id="continue"`)
	v.get("/?return_to=/app").shows(t, http.StatusOK, `<a class="button primary" id="continue" href="/app">`,
		`href="/change-password?return_to=%2Fapp"`)

	v = newVisitor(t)
	v.get("/?return_to=/app").leads(t, "/login?return_to=%2Fapp")
	v.logIn(a, wrong, "return_to", "/app").shows(t, http.StatusUnauthorized, `name="return_to" value="/app"`)
	v.logIn(a, password, "return_to", "/app").leads(t, "/account?return_to=%2Fapp") // The home page shows the failed attempt first.

	// The front page of an application is a place to go to as well.
	v = newVisitor(t)
	v.logIn(a, password, "return_to", "/").leads(t, "/continue?return_to=%2F")
	v = newVisitor(t)
	v.logIn(a, wrong, "return_to", "/").shows(t, http.StatusUnauthorized, `name="return_to" value="/"`)
	v.logIn(a, password, "return_to", "/").leads(t, "/account?return_to=%2F")
}

func TestLandingByAPageOfOurs(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	v.logIn(a, password, "return_to", "/app?page=2&x").leads(t, "/continue?return_to=%2Fapp%3Fpage%3D2%26x")
	v.get("/continue?return_to=%2Fapp%3Fpage%3D2%26x").shows(t, http.StatusOK, `content="0; url=/app?page=2&amp;x"`, `href="/app?page=2&amp;x"`)
	v.get("/continue").leads(t, "/")
	for _, nowhere := range []string{"//elsewhere", "//", "//%3Fx", "//%23x", "/account%3Freturn_to=/app"} {
		v.get("/continue?return_to="+nowhere).leads(t, "/")
	}
	v.get("/login?return_to=/app%23/../login").leads(t, "/app#/../login")

	p := v.post("/change-password", "organization", a.Namespace, "username", "ada", "current-password", password, "new-password", fresh,
		"return_to", "/app")
	p.leads(t, "/account?return_to=%2Fapp")
	notice := "Your password was changed. All other devices were logged out."
	v.get("/account?return_to=%2Fapp").shows(t, http.StatusOK, notice, `<a class="button primary" id="continue" href="/app">`)
	v.get("/account?return_to=%2Fapp").hides(t, notice)
	v.get("/?notice=password-changed").hides(t, notice)
}

// TestRememberGoesWithTheAccount: "remember me" is kept for the account that it was ticked for, and for no other.
func TestRememberGoesWithTheAccount(t *testing.T) {
	namespace := organisation(t, nil)
	ada := person(t, namespace, "ada", v1alpha1.UserAccountSpec{}, mustChange)
	person(t, namespace, "bob", v1alpha1.UserAccountSpec{})
	address := "/o/" + namespace + "/change-password"

	v := newVisitor(t)
	dialog := v.logIn(ada, password, "remember", "on")
	dialog.shows(t, http.StatusForbidden, "This is your first login")
	start := v.post(address, dialog.hidden(t, address)...)
	start.shows(t, http.StatusOK, `name="remember" value="on"`, `data-own="ada"`)
	carried := start.hidden(t, address)

	p := v.post(address, append(carried, "organization", namespace, "username", "bob", "current-password", password, "new-password", "short")...)
	p.shows(t, http.StatusUnprocessableEntity, `data-own="bob"`)
	p.hides(t, `name="remember"`)
	p = v.post(address, append(carried, "organization", namespace, "username", "bob", "current-password", password, "new-password", fresh)...)
	p.leads(t, "/")
	if c := v.cookies["__Host-keyturn-session"]; c == nil || c.MaxAge != 0 || v.cookies["__Host-keyturn-username"] != nil {
		t.Errorf("bob's cookies are %v, though nobody ticked the box for him", v.cookies)
	}

	p = v.post(address, append(carried, "organization", namespace, "username", "ada", "current-password", password, "new-password", fresh)...)
	p.leads(t, "/")
	if c := v.cookies["__Host-keyturn-session"]; c == nil || c.MaxAge != 30*24*60*60 || v.cookies["__Host-keyturn-username"] == nil {
		t.Errorf("ada's cookies are %v, though she ticked the box", v.cookies)
	}
	v.post("/logout").leads(t, "/o/"+namespace+"/login")
	v.get("/login").shows(t, http.StatusOK, `value="ada"`, " checked", "You are logged out.")

	v.post("/login", "organization", namespace, "username", "bob", "password", fresh, "remember", "on")
	v.get("/change-password").shows(t, http.StatusOK, `name="remember" value="on"`, `name="own_username" value="bob"`)
}

// TestReplacedSessionEnds: a login in a browser ends the session that the browser had before.
func TestReplacedSessionEnds(t *testing.T) {
	namespace := organisation(t, nil)
	ada, bob := person(t, namespace, "ada", v1alpha1.UserAccountSpec{}), person(t, namespace, "bob", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	ended := func(token string) {
		t.Helper()
		eventually(t, func(g gomega.Gomega) {
			g.Expect(currentSession(t, token).problem()).To(gomega.Equal("invalid-session"))
		})
	}
	v.logIn(ada, password).leads(t, "/")
	first := v.cookies["__Host-keyturn-session"].Value
	elsewhere := logIn(t, ada, password).Token
	v.logIn(ada, password).leads(t, "/")
	second := v.cookies["__Host-keyturn-session"].Value
	ended(first)
	v.post("/change-password", "organization", namespace, "username", "bob", "current-password", password, "new-password", fresh).leads(t, "/")
	ended(second)
	currentSession(t, elsewhere).expect(t, http.StatusOK, "")
	currentSession(t, v.cookies["__Host-keyturn-session"].Value).expect(t, http.StatusOK, "")
	v.post("/change-password", "organization", namespace, "username", "bob", "current-password", fresh, "new-password", fresh+"2").leads(t, "/")
	if ended := record(t, bob).EndedSessions; len(ended) != 0 {
		t.Errorf("ended alone are %v: the change has ended them all", ended)
	}
}

// TestBrowsersGetPages: for an unknown address or method a browser gets a page, and a program a problem document.
func TestBrowsersGetPages(t *testing.T) {
	v := newVisitor(t)
	v.get("/nowhere").shows(t, http.StatusNotFound, "There is no page at this address.", `id="alert" tabindex="-1"`)
	p := v.visit(http.MethodPut, "/login", nil)
	p.shows(t, http.StatusMethodNotAllowed, "This page cannot be opened like that.")
	if p.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow is %q", p.header.Get("Allow"))
	}
	v.header["Accept-Language"] = "de"
	v.get("/nowhere").shows(t, http.StatusNotFound, "Unter dieser Adresse gibt es keine Seite.")
	v.post("/login", "username", strings.Repeat("x", 17<<10)).shows(t, http.StatusRequestEntityTooLarge, "Das war zu lang.")
	for _, accept := range []string{"", "*/*", "application/json"} {
		v.header["Accept"] = accept
		if p := v.get("/nowhere"); p.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("who accepts %q gets %s", accept, p.header.Get("Content-Type"))
		}
	}
}

// TestForbiddenIsSaidBeforehand: if the password may not be changed, the change page says so instead of showing the form.
func TestForbiddenIsSaidBeforehand(t *testing.T) {
	namespace := organisation(t, &v1alpha1.PasswordPolicySpec{MinAgeHours: new(int32(24))})
	young := person(t, namespace, "young", v1alpha1.UserAccountSpec{})
	kiosk := person(t, namespace, "kiosk", v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{Change: v1alpha1.PasswordChangeForbidden}})
	for _, row := range []struct {
		a    *v1alpha1.UserAccount
		says string
	}{{young, "It can be changed again after"}, {kiosk, "This account may not change its own password."}} {
		v := newVisitor(t)
		v.logIn(row.a, password)
		for _, p := range []*page{v.get("/change-password"), v.post("/change-password", "organization", namespace,
			"username", row.a.Name, "current-password", password, "new-password", fresh)} {
			p.shows(t, http.StatusForbidden, row.says, "Please turn to an administrator.")
			p.hides(t, "<form")
		}
	}
}

// TestHomeOfWhoMayNotChange: if the person may not change the password, the home page says whom to ask for a new one.
func TestHomeOfWhoMayNotChange(t *testing.T) {
	namespace := organisation(t, &v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(10)), GraceLogins: new(int32(2))})
	spec := v1alpha1.UserAccountSpec{Password: &v1alpha1.PasswordSpec{Change: v1alpha1.PasswordChangeForbidden}}
	v := newVisitor(t)
	v.logIn(person(t, namespace, "near", spec), password)
	p := v.get("/")
	p.shows(t, http.StatusOK, "Your password expires on <time", "Ask for a new one before then. Please turn to an administrator.")
	p.hides(t, "/change-password")
	for name, want := range map[string]string{
		"grace": "1 more login with it is possible. Ask for a new one before then. Please turn",
		"last":  "and this was the last login with it. Ask for a new one now. Please turn",
	} {
		w := newVisitor(t)
		w.logIn(person(t, namespace, name, spec, func(c *account.Credential) {
			c.Password.SetTime = time.Now().Add(-11 * 24 * time.Hour)
			if name == "last" {
				c.Password.GraceLoginsUsed = 1
			}
		}), password)
		w.get("/").shows(t, http.StatusOK, want)
	}
}

func TestWellKnown(t *testing.T) {
	p := newVisitor(t).get("/.well-known/change-password")
	if p.status != http.StatusFound || p.header.Get("Location") != "/change-password" {
		t.Errorf("answers %d to %q", p.status, p.header.Get("Location"))
	}
}

// TestLogoutWithoutSession: a logout without a session succeeds.
func TestLogoutWithoutSession(t *testing.T) {
	for _, path := range []string{"/logout", "/logout-everywhere"} {
		v := newVisitor(t)
		v.post(path).leads(t, "/login")
		p := v.get("/login")
		p.shows(t, http.StatusOK, "You are logged out.")
		p.hides(t, "on all devices")
		v.get("/login").hides(t, "You are logged out.")
	}
}

// TestLogoutThatCannotBeWritten: if the session cannot be ended, the page says that the person is still logged in.
func TestLogoutThatCannotBeWritten(t *testing.T) {
	a := person(t, organisation(t, nil), "ada", v1alpha1.UserAccountSpec{})
	v := newVisitor(t)
	v.logIn(a, password)
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: credential.DefaultNamespace, Name: credentialName(a)}
	if err := shared.admin.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["format"] = []byte("99") // of a version that this one does not touch
	if err := shared.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	v.get("/").shows(t, http.StatusServiceUnavailable, "You are still logged in.")
	v.get("/change-password").shows(t, http.StatusServiceUnavailable, "Passwords cannot be changed at present.")
	for _, path := range []string{"/logout", "/logout-everywhere"} {
		v.post(path).shows(t, http.StatusServiceUnavailable, "You are still logged in: that could not be ended at present.")
	}
	if v.cookies["__Host-keyturn-session"] == nil {
		t.Error("the cookie is gone, though the session is not over")
	}
}
