package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestPagesExternal: a person of Entra ID logs in without a password of Keyturn's, is told who keeps the password and where to change it,
// cannot change it here, and is told of the provider's own session when logging out.
func TestPagesExternal(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, nil)
	b := c.openBrowser()

	b.open("/o/" + o.name + "/login?return_to=%2Fapp%3Fpage%3D2")
	b.says("Log in with Contoso")
	b.state("login")
	b.choose(c)
	b.logInThere(p, "/app")
	b.is(`location.search === "?page=2"`)

	b.open("/")
	b.says(p.Name)
	b.says("kept by Contoso")
	b.leadsElsewhere(c.sample.PasswordChangeURL())
	b.state("home")

	b.open("/change-password")
	b.says("Your password is kept by Contoso.")
	b.is(`document.querySelector("form:not([action='/logout'])") === null`)
	b.leadsElsewhere(c.sample.PasswordChangeURL())
	b.state("change-refused")

	token := b.token()
	account := &person{organisation: o.name, username: p.Username, password: newPassword(), cookie: "keyturn-session=" + token}
	a := account.change(t, newPassword(), mayNotChange("External"))

	if !strings.Contains(a.Detail, "kept by Contoso") || !strings.Contains(a.Detail, c.sample.PasswordChangeURL()) {
		t.Errorf("the API says %q, want who keeps the password and where to change it", a.Detail)
	}

	// Nobody learns from the API that an account is another's: who is not logged in is answered like anybody who types a wrong password.
	account.cookie = ""
	account.change(t, newPassword(), wrong)
	account.login(t, p.Password, wrong)

	b.open("/logout")
	b.says("You are logged in here through Contoso. Your session there goes on")
	b.state("logout")
	b.follow(`form[action="/logout"] button`)
	b.says("You are still logged in at Contoso.")
	b.is(fmt.Sprintf(`document.getElementById("elsewhere").href.startsWith(%q)`, c.sample.Origin()))
	b.state("logged-out")
	sessionEndsEventually(t, token)

	// The provider asks for nothing, since it is still logged in there.
	b.leads(fmt.Sprintf("a[href*='/login/oidc/%s']", c.name), "/")
	b.says(p.Name)

	b.open("/logout")
	b.follow(`form[action="/logout"] button`)
	b.follow("#elsewhere")
	b.follow("#logout")
	b.says("You are logged out of Contoso")
	b.open("/o/" + o.name + "/login")
	b.choose(c)
	b.says("Log in to Contoso")
}

// leadsElsewhere wants the page to have a link to another site.
func (b *browser) leadsElsewhere(address string) {
	b.t.Helper()
	b.is(fmt.Sprintf(`document.getElementById("elsewhere").href === %q`, address))
}

// TestPagesExternalNotDeclared: somebody whom the provider knows and nobody has declared is shown the subject to hand on. Once that is
// declared, the person logs in. Somebody else with the name and address of a person who is declared does not get that account.
func TestPagesExternalNotDeclared(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	dorothy := c.employs(o, "dorothy", nil)
	c.serves(o, nil)
	linus, mallory := c.knows("linus"), c.knows("mallory")
	b := c.openBrowser()

	if mallory.Name != dorothy.Name || mallory.Email != dorothy.Email {
		t.Fatal("mallory has not the name and the address of dorothy")
	}

	b.logInAt(c, o, mallory, callback+c.name)
	b.notDeclared(c, o, mallory.ObjectID)
	b.open("/")
	b.at("/login")

	b.forgetCookies()
	b.logInAt(c, o, linus, callback+c.name)
	b.notDeclared(c, o, linus.ObjectID)
	b.state("not-declared")

	o.account(t, "linus", func(s *v1alpha1.UserAccountSpec) {
		s.Password = nil
		s.Authentication = v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: c.name}, Subject: linus.ObjectID,
		}
	})
	eventually(t, "the person logs in", func() error {
		b.open("/o/" + o.name + "/login")
		b.choose(c)

		if !strings.Contains(b.said(), "You are logged in") {
			return fmt.Errorf("the page says:\n%s", b.said())
		}

		return nil
	})
	b.says("linus")

	lines := newAuditor(o).all(t, login)
	if len(lines) < 3 || lines[0].Subject != mallory.ObjectID || lines[1].Subject != linus.ObjectID || lines[len(lines)-1].Account.Name != "linus" {
		t.Fatalf("the audit log has %v", lines)
	}

	for _, line := range lines {
		want := "attempt granted oidc"
		if line.Subject != "" {
			want = "attempt refused oidc not-declared NotDeclared"
		}

		if line.String() != want || line.Provider != c.name || line.Method != "oidc" {
			t.Errorf("the audit log has %q with the provider %q and the method %q, want %q", line, line.Provider, line.Method, want)
		}
	}
}

// notDeclared wants the page that tells what to hand on.
func (b *browser) notDeclared(c *contoso, o *organisation, subject string) {
	b.t.Helper()
	b.says("You have no account here")
	b.is(fmt.Sprintf(`document.getElementById("subject").innerText === %q && document.getElementById("provider").innerText === %q`, subject, c.name))
	b.says(o.name)
}

// forgetCookies makes the browser another person's.
func (b *browser) forgetCookies() {
	b.t.Helper()
	b.do(network.ClearBrowserCookies())
}

// TestPagesExternalDisabled: while a provider is turned off, no page offers it, and sessions that began there are over. An account that is
// disabled here does not get in, whatever the provider says.
func TestPagesExternalDisabled(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, nil)
	b := c.openBrowser()

	b.logInAt(c, o, p, "/")
	token := b.token()
	session(t, token, http.StatusOK)

	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.Access = v1alpha1.AccessDisabled })
	sessionEndsEventually(t, token)
	c.offered(o, false)
	b.open("/")
	b.at("/login")
	b.open("/o/" + o.name + "/login")
	b.is(`!document.body.innerText.includes("Contoso")`)
	b.state("login-without")
	b.open(c.startOf(o))
	b.says("This way to log in is not offered here.")
	b.state("disabled-provider")

	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.Access = v1alpha1.AccessEnabled })
	c.offered(o, true)
	o.declare(t, p.Username, func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	o.awaitStanding(t, p.Username, v1alpha1.StandingDisabled, v1alpha1.ReasonAccountDisabled)
	b.open("/o/" + o.name + "/login")
	b.leads(fmt.Sprintf("a[href*='/login/oidc/%s']", c.name), callback+c.name)
	b.says("This account is disabled.")
	b.state("disabled-account")
}

// TestPagesExternalSessionCap: a session that began at a provider lasts the minutes that the provider allows, a renewal does not make it longer,
// and it is never remembered. TestEndOfASessionAtProvider waits until it is over, with a clock of its own.
func TestPagesExternalSessionCap(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, func(s *v1alpha1.IdentityProviderSpec) {
		s.Session = &v1alpha1.ProviderSession{MaxMinutes: new(int32(5))}
	})
	b := c.openBrowser()

	b.logInAt(c, o, p, "/")

	cookie := b.cookies()["keyturn-session"]
	if cookie == nil || !cookie.Session {
		t.Errorf("the cookie of the session is %+v, want one that ends with the browser", cookie)
	}

	a := session(t, b.token(), http.StatusOK)
	if lasts := time.Until(a.ExpiresAt); lasts > 5*time.Minute || lasts < 4*time.Minute {
		t.Errorf("the session lasts %s, want five minutes", lasts)
	}

	renewed, err := send(t.Context(), http.MethodPost, "/api/v1/session", map[string]string{"Authorization": "Bearer " + b.token()}, nil)
	must(t, err)
	must(t, renewed.check(granted))

	if renewed.ExpiresAt.After(a.ExpiresAt) {
		t.Errorf("a renewal has moved the end from %s to %s", a.ExpiresAt, renewed.ExpiresAt)
	}
}

// TestPagesExternalWithoutScript: the whole way works in a browser without JavaScript.
func TestPagesExternalWithoutScript(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, nil)
	b := c.openBrowser()

	b.withoutScript()
	b.open("/o/" + o.name + "/login")
	b.plainState("login")
	b.choose(c)
	b.logInThere(p, "/")
	b.says(p.Name)
	b.plainState("home")
	b.open("/change-password")
	b.says("Your password is kept by Contoso.")
	b.plainState("change-refused")
	b.open("/logout")
	b.follow(`form[action="/logout"] button`)
	b.says("You are still logged in at Contoso.")
	b.plainState("logged-out")
}

// TestPagesExternalLook: the pages pass all checks in both languages, at 320 pixels and in the dark scheme.
func TestPagesExternalLook(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p, linus := c.employs(o, "dorothy", nil), c.knows("linus")
	c.serves(o, func(s *v1alpha1.IdentityProviderSpec) {
		s.DisplayName = "Contoso, the department of long and longer names"
	})
	b := c.openBrowser()

	for _, look := range []struct{ language, scheme, refused, notDeclared string }{
		{"en", "dark", "Your password is kept by Contoso", "You have no account here"},
		{"de", "light", "Ihr Passwort wird von Contoso", "Sie haben hier kein Konto"},
	} {
		name := look.language + "-" + look.scheme + "-"

		b.speaks(look.language)
		b.looks(320, look.scheme)
		b.logInAt(c, o, linus, callback+c.name)
		b.says(look.notDeclared)
		b.state(name + "not-declared")
		b.forgetCookies()
		b.open("/o/" + o.name + "/login")
		b.state(name + "login")
		b.choose(c)
		b.logInThere(p, "/")
		b.state(name + "home")
		b.open("/change-password")
		b.says(look.refused)
		b.state(name + "change-refused")
		b.open("/logout")
		b.state(name + "logout")
		b.follow(`form[action="/logout"] button`)
		b.state(name + "logged-out")
		b.forgetCookies()
	}
}

// TestPagesExternalFailures: a login that the person cancels, an answer that belongs to no login, a provider that is down, and groups that
// are too many each have a page that says what to do.
func TestPagesExternalFailures(t *testing.T) {
	t.Parallel()

	o, c, down := newOrganisation(t), newContoso(t), newContoso(t)
	frances := c.employs(o, "frances", nil)
	c.serves(o, func(s *v1alpha1.IdentityProviderSpec) {
		s.GroupMappings = []v1alpha1.GroupMapping{{From: "6f0e2c1a-9d3b-4c8e-8f57-2b1d90a4e001", To: "engineers"}}
	})
	down.serves(o, func(s *v1alpha1.IdentityProviderSpec) {
		s.DisplayName = "Fabrikam"
		s.OIDC.Issuer = strings.Replace(s.OIDC.Issuer, down.sample.Origin(), "https://localhost:1", 1)
	})
	b := c.openBrowser()

	b.open("/o/" + o.name + "/login")
	b.choose(c)
	b.leads("#cancel", callback+c.name)
	b.says("You have cancelled the login at Contoso")
	b.state("cancelled")

	b.open(callback + c.name + "?code=made-up&state=made-up")
	b.says("This login has taken too long, or has begun in another browser or window.")
	b.state("no-flow")

	b.open("/o/" + o.name + "/login")
	b.choose(down)
	b.says("Logging in through Fabrikam is not possible at present")
	b.state("down")

	b.logInAt(c, o, frances, callback+c.name)
	b.says("Contoso has not told your groups, because you have too many of them there.")
	b.state("groups-overage")

	// Where no groups are mapped, they are not needed.
	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.GroupMappings = nil })
	eventually(t, "she logs in", func() error {
		b.open("/o/" + o.name + "/login")
		b.choose(c)

		if !strings.Contains(b.said(), frances.Name) {
			return errTooEarly
		}

		return nil
	})
}

// TestPicturesOfExternalAccounts takes the pictures of docs/external-accounts.md.
func TestPicturesOfExternalAccounts(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, nil)
	b := c.openBrowser()

	b.do(chromedp.EmulateViewport(520, 1000, chromedp.EmulateScale(2)))
	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Evaluate(`document.getElementById("organization").value = "acme"`, nil))
	b.card("external-login")
	b.choose(c)
	b.logInThere(p, "/")
	b.open("/change-password")
	b.says("Your password is kept by Contoso.")
	b.card("external-change-refused")
}
