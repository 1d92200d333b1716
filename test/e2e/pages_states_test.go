package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestPagesRefusals: each refusal of the API has a page that says in plain words what is in the way.
func TestPagesRefusals(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		IdleLockDays: new(int32(30)), MaxAgeDays: new(int32(20)), MustChange: v1alpha1.MustChangeRule{WithinHours: new(int32(48))},
	})
	b := openBrowser(t, t.TempDir())

	refused := func(state string, p *person, says string) {
		t.Helper()
		b.logIn(p, p.password)
		b.says(says)
		b.state(state)
	}

	refused("unknown", &person{organisation: o.name, username: "nobody", password: newPassword()},
		"The organisation, the username or the password is wrong.")
	refused("not-started", o.hired(t, "later", func(s *v1alpha1.UserAccountSpec) { s.StartTime = soon(time.Hour) }),
		"This account is not valid yet. Please turn to an administrator.")
	refused("ended", o.hired(t, "former", func(s *v1alpha1.UserAccountSpec) { s.EndTime = new(v1alpha1.NewInstant(now().Add(-time.Hour))) }),
		"This account is no longer valid. Please turn to an administrator.")

	lapsed := o.hired(t, "lapsed", nil)
	o.age(t, "lapsed", 2*day, keySetTime)
	refused("lapsed", lapsed, "The password that was handed out was not changed in time. You need a new one.")

	idle := o.settled(t, "idle", nil)
	o.age(t, "idle", 31*day, keyCreatedTime, keySetTime, keyLastSuccessTime)
	refused("idle", idle, "This account is locked because nobody has logged in for a long time.")

	kiosk := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	o.age(t, "kiosk", 21*day, keySetTime)
	refused("reset-required", kiosk, "The password has to be replaced, and you may not change it yourself.")

	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Evaluate(`document.querySelector("main form").noValidate = true`, nil))
	b.follow("main button.primary")
	b.says("Fill in all required fields.")
	b.is(focused + ` === "alert"`)
	b.state("missing")
	b.open("/nowhere")
	b.says("There is no page at this address.")
	b.is(focused + ` === "alert"`)
	b.state("not-found")
}

// TestPagesLockedForGood: the page of an account that only an administrator can unlock says so, and names no time.
func TestPagesLockedForGood(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, neverUnlocks())
	p := o.settled(t, "ada", nil)
	p.lockOut(t)

	b := openBrowser(t, t.TempDir())
	b.logIn(p, p.password)
	b.says("This account is locked after too many attempts. Please turn to an administrator.")
	b.state("locked")
}

// TestPagesDialogs: the dialog that asks for a change of the password gives the actual reason.
func TestPagesDialogs(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30))})
	b := openBrowser(t, t.TempDir())

	asked := func(state string, p *person, says string) {
		t.Helper()
		b.logIn(p, p.password)
		b.says(says)
		b.says("On the next screen you choose a new one.")
		b.state(state)
	}

	expired := o.settled(t, "expired", nil)
	o.age(t, "expired", 31*day, keySetTime)
	asked("expired", expired, "Your password has expired.")

	reset := o.settled(t, "reset", nil)
	reset.password = newPassword()
	o.handOut(t, "reset", reset.password)
	reset.loginEventually(t, reset.password, mustChange("Reset"))
	asked("reset", reset, "An administrator has handed out a new password to you.")

	requested := o.settled(t, "requested", nil)
	o.declare(t, "requested", func(s *v1alpha1.UserAccountSpec) { s.Password.ChangeRequiredTime = now() })
	requested.loginEventually(t, requested.password, mustChange("Requested"))
	asked("requested", requested, "An administrator asks you to change your password.")

	after, strictly := governed(t, v1alpha1.PasswordPolicySpec{})
	changed := after.settled(t, "changed", nil)
	after.age(t, "changed", time.Hour, keySetTime)
	updatePolicy(t, strictly.Name, func(s *v1alpha1.PasswordPolicySpec) { s.ChangeRequiredTime = now() })
	changed.loginEventually(t, changed.password, mustChange("PolicyChanged"))
	asked("policy-changed", changed, "The rules for passwords have changed since you set yours.")
}

// TestPagesNoChange: a person who may not change the password is notified: on the home page after the login, else after the current password
// was right.
func TestPagesNoChange(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MinAgeHours: new(int32(24))})
	young := o.settled(t, "young", nil)
	kiosk := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	b := openBrowser(t, t.TempDir())

	for state, row := range map[string]struct {
		p    *person
		says string
	}{
		"too-young": {young, "The password was changed only a short time ago."},
		"forbidden": {kiosk, "This account may not change its own password."},
	} {
		b.open("/o/" + o.name + "/change-password")
		b.fill("username", row.p.username)
		b.fill("current-password", row.p.password)
		b.fill("new-password", newPassword())
		b.follow("#save")
		b.says(row.says)
		b.says("Please turn to an administrator.")
		b.is(`document.querySelector("form") === null`)
		b.state(state)
	}

	b.logIn(young, young.password)
	b.at("/")
	b.open("/change-password")
	b.says("It can be changed again after")
	b.is(`document.querySelector("form") === null`)
	b.state("too-young-logged-in")
}

// TestPagesBusy: a browser that comes while too many others log in is asked to try again.
func TestPagesBusy(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())
	b.base = anotherLoginServer(t, "login-busy", "--hashes=1", "--hash-queue=0")

	strangers, leave := context.WithCancel(t.Context())
	defer leave()

	for range 16 { // More than may be under way on one core.
		go func() {
			for strangers.Err() == nil {
				stranger := &person{organisation: o.name, username: uniqueName(t), at: b.base}
				_, _ = stranger.tryLogin(strangers, "x") // 503 or 401

				select {
				case <-strangers.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
	}

	eventually(t, "the page is busy", func() error {
		b.logIn(p, p.password)

		if said := b.said(); !strings.Contains(said, "A lot of people are logging in at once.") {
			if strings.Contains(said, "You are logged in") {
				b.follow(`form[action="/logout"] button`)
			}

			return fmt.Errorf("the page says %s", said)
		}

		return nil
	})
	leave()
	b.state("busy")
}

// TestPagesLandElsewhere: after the login an application behind the same host may redirect to another host; the page's form-action must not
// block that.
func TestPagesLandElsewhere(t *testing.T) {
	t.Parallel()

	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>x</title><link rel=icon href=data:,><p>the application"))
	}))
	defer elsewhere.Close()

	target, err := url.Parse(loginURL)
	must(t, err)

	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.Handle("/app", http.RedirectHandler(elsewhere.URL+"/from-app", http.StatusFound))

	front := httptest.NewServer(mux)
	defer front.Close()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())
	b.base, b.elsewhere = front.URL, elsewhere.URL

	b.open("/o/" + o.name + "/login?return_to=%2Fapp")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.do(chromedp.Click("main button.primary", chromedp.ByQuery))
	b.says("the application")
	b.at("/from-app")

	// After a change the page notifies them first, and they go on by a button.
	b.open("/change-password?return_to=%2Fapp")
	b.fill("current-password", p.password)
	p.password = newPassword()
	b.fill("new-password", p.password)
	b.follow("#save")
	b.at("/account")
	b.says("Your password was changed. All other devices were logged out.")
	b.is(`document.querySelector(".buttons > *").id === "continue"`)
	b.state("home-continue")
	b.do(chromedp.Click("#continue", chromedp.ByQuery))
	b.says("the application")
}

// TestPagesOfAnOperator: a login server with a product name, a logo, a contact and a field for the organisation shows these, and puts what
// is typed there into no address.
func TestPagesOfAnOperator(t *testing.T) {
	t.Parallel()

	logo := filepath.Join(t.TempDir(), "logo.svg")
	must(t, os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30"><rect width="90" height="30" fill="#7a1f5c"/></svg>`), 0o600))

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	disabled := o.hired(t, "eve", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	b := openBrowser(t, t.TempDir())
	b.base = anotherLoginServer(t, "login-operator", "--show-organization", "--product-name=Acme Accounts", "--logo-file="+logo,
		"--contact=Call the help desk: 4711.", "--default-namespace="+defaultOrganisation)

	b.open("/login")
	b.is(`document.title.includes("Acme Accounts") && document.querySelector("header").innerText.includes("Acme Accounts")`)
	b.is(`document.querySelector("header img").naturalWidth > 0`)
	b.is(fmt.Sprintf(`document.getElementById("organization").value === %q`, defaultOrganisation))
	b.state("login")

	b.fill("organization", o.name)
	b.logInHere(disabled.username, disabled.password)
	b.says("This account is disabled. Call the help desk: 4711.")
	b.state("contact")

	// What is typed is in no address (see the search for leaks).
	typed := noteTyped()
	b.fill("organization", typed)
	b.logInHere(noteTyped(), newPassword())
	b.says("The organisation, the username or the password is wrong.")
	b.is(fmt.Sprintf(`document.getElementById("organization").value === %q`, typed))
	b.follow("#change")
	b.is(fmt.Sprintf(`document.getElementById("organization").value === %q`, typed))
	b.says("These are the rules of another organisation.")
	b.state("change")
	b.follow(".buttons a")

	b.fill("organization", o.name)
	b.logInHere(p.username, p.password)
	b.at("/")
	b.says(o.name)
}
