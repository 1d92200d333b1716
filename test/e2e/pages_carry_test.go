package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPagesForgetAfterAChange: when the password is changed elsewhere, a remembered session in a browser is over. The page fills in the
// username again, and the new password logs in.
func TestPagesForgetAfterAChange(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Click("#remember", chromedp.ByQuery))
	b.logInHere(p.username, p.password)
	b.at("/")

	old := p.password
	p.change(t, newPassword(), granted)
	sessionEndsEventually(t, noteSecret(b.cookies()["keyturn-session"].Value))
	b.open("/")
	b.at("/login")
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q && document.getElementById("remember").checked`, p.username))
	b.fill("password", old)
	b.follow("main button.primary")
	b.says("The organisation, the username or the password is wrong.")
	b.fill("password", p.password)
	b.follow("main button.primary")
	b.at("/")
	b.says("1 failed attempt to log in was made")
}

// TestPagesReportFailuresAfterAChange: after a change that was required at the login, the home page reports failed attempts, and the person
// is remembered if the box was ticked at the login.
func TestPagesReportFailuresAfterAChange(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	p.login(t, "wrong-"+newPassword(), wrong)
	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Click("#remember", chromedp.ByQuery))
	b.logInHere(p.username, p.password)
	b.follow("dialog button")
	b.fill("current-password", p.password)
	p.password = newPassword()
	b.fill("new-password", p.password)
	b.follow("#save")
	b.says("1 failed attempt to log in was made before this one. If that was not you, tell an administrator.")

	if c := b.cookies(); c["keyturn-username"] == nil || c["keyturn-session"].Session {
		t.Errorf("the cookies are %v, though the box was ticked", c)
	}
}

// TestPagesCarryWhatIsTyped: the change page shows the username that was typed at the login, not the remembered one, and its script also
// works where the browser's storage is blocked.
func TestPagesCarryWhatIsTyped(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Click("#remember", chromedp.ByQuery))
	b.logInHere(p.username, p.password)
	b.follow(`form[action="/logout"] button`)
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q`, p.username))
	b.fill("username", "bob")
	b.follow("#change")
	b.is(`document.getElementById("username").value === "bob"`)

	b.open("/o/" + o.name + "/login")
	b.do(chromedp.Evaluate(`Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("no", "SecurityError") } }); true`, nil))
	b.follow("#change")
	b.is(`document.getElementById("save").disabled`) // The script is at work.
}
