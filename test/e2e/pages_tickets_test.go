package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// domainKeytab and realmKeytab are the keytabs of the service in the domain and in MIT's realm.
var (
	domainKeytab = sync.OnceValues(func() ([]byte, error) {
		d, err := sampleDomain()
		if err != nil {
			return nil, err
		}

		return d.Keytab(context.Background(), service)
	})
	realmKeytab = sync.OnceValues(func() ([]byte, error) {
		k, err := sampleKDC()
		if err != nil {
			return nil, err
		}

		return k.Keytab(context.Background(), service)
	})
)

// openBrowserWith starts a browser on a computer whose person has a ticket, and which shows it to http://localhost.
func openBrowserWith(t *testing.T, ticket directories.Ticket) *browser {
	t.Helper()

	// In its sandbox Chromium cannot load the library of Kerberos. It leaves it once a server has asked for a ticket, which it notes in its profile, and
	// not at all with the features that chromedp turns on.
	profile := t.TempDir()
	must(t, os.WriteFile(filepath.Join(profile, "Local State"), []byte(`{"net":{"received_http_auth_negotiate_headers":true}}`), 0o600))

	b := openBrowser(t, profile, chromedp.Env(ticket.Environment()...),
		chromedp.Flag("auth-server-allowlist", "localhost"), chromedp.Flag("enable-features", false))
	b.mu.Lock()
	defer b.mu.Unlock()

	b.base = strings.Replace(loginURL, "127.0.0.1", "localhost", 1)

	return b
}

const windowsLink = "a[href*='/login/negotiate']"

// TestPagesWindows: somebody with a ticket of the domain logs in without typing anything, and after a logout is not logged in again until they
// ask for it. Who is disabled in the domain has a ticket that still works, and does not get in.
func TestPagesWindows(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosLink)
	p := c.employs(o, "ada", nil)
	c.group("engineers", p.username)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	d, err := sampleDomain()
	must(t, err)

	ticket, err := d.Ticket(t.Context(), p.username, p.password)
	must(t, err)

	b := openBrowserWith(t, ticket)
	b.open("/o/" + o.name + "/login?return_to=%2Fapp%3Fpage%3D2")
	b.says("Sign in with Windows")
	b.state("login")
	b.leads(windowsLink, "/app")
	b.is(`location.search === "?page=2"`)

	if a := session(t, b.token(), 200); a.Account.Username != p.username || fmt.Sprint(a.Account.Groups) != "[engineers]" {
		t.Errorf("the session is of %s in %q", a.Account.Username, a.Account.Groups)
	}

	b.open("/")
	b.says("kept by Corp")
	b.state("home")
	b.open("/change-password")
	b.says("Your password is kept by Corp.")
	b.open("/logout")
	b.follow(`form[action="/logout"] button`)
	b.is(`document.getElementById("password") !== null`)
	b.state("logged-out")
	b.open("/o/" + o.name + "/login")
	b.is(`location.pathname.endsWith("/login") && document.getElementById("password") !== null`)
	b.leads(windowsLink, "/")

	token := b.token()
	session(t, token, 200)

	must(t, c.Disable(p.username))
	b.forgetCookies()
	b.open("/o/" + o.name + "/login")
	b.follow(windowsLink)
	b.says("Your account at Corp is disabled.")
	b.state("disabled")
	must(t, c.Enable(p.username))
	b.open("/o/" + o.name + "/login")
	b.leads(windowsLink, "/")
}

// TestPagesWindowsAutomatic: where it is offered so, the login page tries the ticket by itself, once, and not after a logout. A browser without a
// ticket shows the form, and its person logs in with the password.
func TestPagesWindowsAutomatic(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosAutomatic)
	p := c.employs(o, "ada", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	d, err := sampleDomain()
	must(t, err)

	ticket, err := d.Ticket(t.Context(), p.username, p.password)
	must(t, err)

	b := openBrowserWith(t, ticket)
	b.open("/o/" + o.name + "/login")
	b.at("/")
	b.says("kept by Corp")
	b.open("/logout")
	b.follow(`form[action="/logout"] button`)

	for range 2 {
		b.open("/o/" + o.name + "/login")
		b.is(`location.pathname.endsWith("/login") && document.getElementById("password") !== null`)
	}

	b.leads(windowsLink, "/")
	b.quit()

	without := openBrowserWith(t, directories.Ticket{Config: ticket.Config, Cache: ticket.Cache + "-none"})
	without.open("/o/" + o.name + "/login?return_to=%2Fapp")
	without.is(`location.pathname.endsWith("/login/negotiate") && document.getElementById("password") !== null`)
	without.state("without-ticket")
	without.fill("username", p.username)
	without.fill("password", p.password)
	without.leads("main button.primary", "/app")
	without.forgetCookies()
}

// TestPagesWindowsLDAP: a ticket of a realm of MIT's names the person, and the directory, here slapd, says who that is.
func TestPagesWindowsLDAP(t *testing.T) {
	t.Parallel()

	k, err := sampleKDC()
	must(t, err)

	keytab, err := realmKeytab()
	must(t, err)

	o, c := newOrganisation(t), newOpenLDAP(t)
	c.hasKeytab(keytab, directories.KDCRealm, v1alpha1.KerberosLink)
	p := c.employs(o, "ada", nil)
	must(t, k.AddPrincipal(t.Context(), p.username, p.password))
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	ticket, err := k.Ticket(t.Context(), p.username, p.password)
	must(t, err)

	b := openBrowserWith(t, ticket)
	b.open("/o/" + o.name + "/login")
	b.leads(windowsLink, "/")
	b.says("kept by Corp")

	if a := session(t, b.token(), 200); a.Account.Username != p.username {
		t.Errorf("the session is of %s", a.Account.Username)
	}
}
