package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// TestPagesDirectory: somebody logs in with the password of a directory in the form for all passwords, is told who keeps it and where to change
// it, and cannot change it here. Who must change it there first is sent there, and who is disabled there is told so.
func TestPagesDirectory(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosLink)
	p, mustChangeThere, disabled, expired := c.employs(o, "ada", nil), c.employs(o, "change", nil), c.employs(o, "off", nil), c.employs(o, "old", nil)
	must(t, c.MustChangePassword(mustChangeThere.username))
	must(t, c.Disable(disabled.username))
	must(t, c.ExpirePassword(expired.username))
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	b := openBrowser(t, t.TempDir())

	for _, look := range []struct {
		language, scheme                                            string
		windows, kept, refused, wrong, mustChange, expired, disable string
	}{
		{
			"en", "light", "Sign in with Windows", "kept by Corp", "Your password is kept by Corp.", "the username or the password is wrong",
			"Your password at Corp has to be changed before you can log in here.", "Your password at Corp has expired.", "Your account at Corp is disabled.",
		},
		{
			"de", "dark", "Mit Windows anmelden", "verwaltet von Corp", "Ihr Passwort wird von Corp", "Benutzername oder Passwort ist falsch",
			"Ihr Passwort bei Corp muss geändert werden, bevor Sie sich hier anmelden können.", "Ihr Passwort bei Corp ist abgelaufen.", "Ihr Konto bei Corp ist deaktiviert.",
		},
	} {
		name := look.language + "-" + look.scheme + "-"

		b.speaks(look.language)
		b.looks(320, look.scheme)
		b.open("/o/" + o.name + "/login")
		b.says(look.windows)
		b.state(name + "login")
		b.logInHere(p.username, newPassword())
		b.says(look.wrong)
		b.state(name + "wrong")

		for _, who := range []struct {
			*person
			words, state string
		}{
			{mustChangeThere, look.mustChange, "must-change"}, {expired, look.expired, "expired"}, {disabled, look.disable, "disabled"},
		} {
			b.logIn(who.person, who.password)
			b.says(who.words)

			if who.person != disabled {
				b.leadsElsewhere(passwordChangeURL)
			}

			b.state(name + who.state)
		}

		b.logIn(p, p.password)
		b.at("/")
		b.says(look.kept)
		b.leadsElsewhere(passwordChangeURL)
		b.state(name + "home")
		b.open("/change-password")
		b.says(look.refused)
		b.is(`document.querySelector("form:not([action='/logout'])") === null`)
		b.leadsElsewhere(passwordChangeURL)
		b.state(name + "change-refused")
		b.forgetCookies()
	}
}

// TestPagesDirectoryDown: while the directory is down, the page of the form says so.
func TestPagesDirectoryDown(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	c.spec.LDAP.Servers = []string{"127.0.0.1:1"} // nothing listens there
	p := c.employs(o, "ada", nil)
	c.serves(o)
	eventually(t, "the login server asks the directory", func() error {
		a, err := p.tryLogin(t.Context(), p.password)
		if err == nil && a.code != http.StatusServiceUnavailable {
			err = errTooEarly
		}

		return err
	})

	b := openBrowser(t, t.TempDir())

	for language, words := range map[string]string{
		"en": "Logging in through Corp is not possible at present", "de": "Die Anmeldung über Corp ist gerade nicht möglich.",
	} {
		b.speaks(language)
		b.logIn(p, p.password)
		b.says(words)
		b.state(language)
	}
}

// TestPagesDirectoryAdministrator: somebody whose password a directory keeps administers accounts, and gives that password again before an
// action.
func TestPagesDirectoryAdministrator(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	p := c.employs(o, "boss", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)
	o.binds(t, p, adminRole)

	grace := o.settled(t, "grace", nil)
	b := openBrowser(t, t.TempDir())
	b.mu.Lock()
	b.base = consoleURL
	b.mu.Unlock()

	b.open("/o/" + o.name + "/login?return_to=%2Fadmin")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.leads("main button.primary", "/admin")
	b.says("grace")

	b.proofAges(16 * time.Minute)
	b.open(grace.pageOf("reset-password"))
	b.at("/login")
	b.state("again")
	b.fill("password", p.password)
	b.leads("main button.primary", grace.pageOf("reset-password"))
	b.isDialog()
	grace.password = newPassword()
	b.typeNew(grace.password)
	b.follow("#save")
	b.says("The password was reset.")
	grace.login(t, grace.password, mustChange("Reset"))

	b.open("/admin/accounts/" + o.name + "/" + p.username)
	b.says(c.name)
	b.state("account")
}

// TestPicturesOfDirectories takes the pictures of docs/external-accounts.md, of the card alone.
func TestPicturesOfDirectories(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosLink)
	ada, grace := c.hiresAs(o, "ada"), c.hiresAs(o, "grace")
	must(t, c.MustChangePassword(grace.username))
	c.serves(o)
	ada.loginEventually(t, ada.password, granted)

	b := openBrowser(t, t.TempDir())
	b.do(chromedp.EmulateViewport(520, 1000, chromedp.EmulateScale(2)))
	b.open("/o/" + o.name + "/login")
	b.says("Sign in with Windows")
	b.namesAcme(o)
	b.card("directory-login")
	b.logIn(grace, grace.password)
	b.says("Your password at Corp has to be changed before you can log in here.")
	b.namesAcme(o)
	b.card("directory-must-change")
	b.logIn(ada, ada.password)
	b.at("/")
	b.says("kept by Corp")
	b.namesAcme(o)
	b.card("directory-home")
	b.open("/change-password")
	b.says("Your password is kept by Corp.")
	b.card("directory-change-refused")
}

// hiresAs adds somebody with just this username to the directory until the test is over, and declares the account.
func (c *corp) hiresAs(o *organisation, username string) *person {
	c.t.Helper()

	p := &person{organisation: o.name, username: username, password: newPassword()}
	must(c.t, c.AddUser(directories.Person{Username: p.username, Password: p.password}))
	c.t.Cleanup(func() {
		if err := c.DeleteUser(p.username); err != nil {
			c.t.Error(err)
		}
	})
	c.declares(o, p, nil)

	return p
}

// namesAcme shows the name acme where the page shows that of the test's organisation.
func (b *browser) namesAcme(o *organisation) {
	b.t.Helper()
	b.do(chromedp.Evaluate(`(() => {
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll("`+o.name+`", "acme");
		for (const field of document.querySelectorAll("input")) if (field.value === "`+o.name+`") field.value = "acme";
	})()`, nil))
}

// takesTickets has the IdentityProvider take tickets of the domain.
func (c *corp) takesTickets(offer v1alpha1.KerberosOffer) {
	c.t.Helper()

	keytab, err := domainKeytab()
	must(c.t, err)
	c.hasKeytab(keytab, directories.Realm, offer)
}

func (c *corp) hasKeytab(keytab []byte, realm string, offer v1alpha1.KerberosOffer) {
	c.keytab = keytab
	c.spec.LDAP.Kerberos = &v1alpha1.KerberosSettings{
		KeytabSecretRef: v1alpha1.ProviderSecretReference{Name: c.name + "-keytab"}, Realm: realm, ServicePrincipal: service, Offer: offer,
	}
}
