package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestPagesByKeyboard: everything on the login and change pages can be done with the keyboard, in a sensible order, with a visible focus.
func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())
	next := newPassword()

	press := func(keys string) {
		t.Helper()
		b.is(painted)
		b.do(chromedp.KeyEvent(keys))
	}
	b.open("/o/" + o.name + "/login")
	press(p.username + kb.Tab)
	b.is(focused + ` === "password" && getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	press(p.password + kb.Enter)
	b.is(`document.querySelector("dialog").matches(":modal")`)
	press(kb.Escape) // cancels
	b.is(`location.search === "" && document.querySelector("dialog") === null`)
	b.open("/o/" + o.name + "/login")
	press(p.username + kb.Tab + p.password + kb.Tab + kb.Tab + kb.Tab + kb.Enter) // past Show and Remember me
	b.is(`document.activeElement === document.querySelector("dialog button")`)
	press(kb.Enter)
	b.at("/o/" + o.name + "/change-password")
	b.is(focused + ` === "current-password"`)
	b.state("change")
	press(kb.Tab + kb.Enter) // Show
	b.is(`document.getElementById("current-password").type === "text"`)
	press(kb.Enter)
	b.is(`document.getElementById("current-password").type === "password"`)
	press(kb.Tab + "short" + kb.Tab)
	b.is(`document.activeElement.getAttribute("aria-controls") === "new-password"`)
	b.state("change-show")
	press(kb.Tab) // past Save changes, which is not active
	b.is(`document.activeElement.innerText === "Cancel"`)
	b.state("change-cancel")
	press(kb.Enter)
	b.at("/o/" + o.name + "/login")
	b.is(focused + ` === "username"`)
	press(p.username + kb.Tab + p.password + kb.Enter)
	b.is(`document.activeElement === document.querySelector("dialog button")`)
	press(kb.Enter)
	b.at("/o/" + o.name + "/change-password")
	b.is(focused + ` === "current-password"`)
	press(p.password + kb.Tab + kb.Tab + next + kb.Enter)
	b.at("/")
	b.says("Your password was changed.")
	b.state("home")
	p.login(t, next, granted)
}

// TestPagesInGerman: a browser that asks for German gets the pages in German, the requirements included.
func TestPagesInGerman(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	b.speaks("de-AT,de;q=0.9,en;q=0.5")
	b.logIn(p, p.password)
	b.says("Dies ist Ihre erste Anmeldung")
	b.is(`document.documentElement.lang === "de"`)
	b.state("dialog")
	b.follow("dialog button")
	b.says("Mindestens 2 Sonderzeichen")
	b.fill("new-password", "Abc")
	b.says("noch nicht erfüllt")
	b.state("change")

	next := newPassword()

	b.fill("new-password", next)
	b.fill("current-password", p.password)
	b.follow("#save")
	b.says("Ihr Passwort wurde geändert. Alle anderen Geräte wurden abgemeldet.")
	b.state("home")
}

// TestPagesLook: the pages pass all checks in both colour schemes and at several widths. 320 pixels are also what 200% zoom and more leave
// of an ordinary window.
func TestPagesLook(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada.with-a-name-that-is-rather-long", nil)
	b := openBrowser(t, t.TempDir())

	for _, width := range []int64{320, 640, 1000} {
		for _, scheme := range []string{"light", "dark"} {
			name := fmt.Sprintf("%d-%s-", width, scheme)
			b.looks(width, scheme)
			b.open("/o/" + o.name + "/login")
			b.state(name + "login")
			b.logIn(p, p.password)
			b.says("This is your first login")
			b.state(name + "dialog")
			b.follow("dialog button")
			b.fill("new-password", "Abc")
			b.is(`document.querySelector("[data-rule=lowercase]").className === "met"`)
			b.state(name + "change")
			b.fill("current-password", p.password)
			b.fill("new-password", p.password)
			b.follow("#save")
			b.says("Choose a password")
			b.state(name + "weak")
		}
	}
}

// TestPagesLookElsewhere: the other states of the pages pass all checks at 320 pixels, in the dark scheme and in German.
func TestPagesLookElsewhere(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(10))}) // soon at once
	p := o.settled(t, "ada.with-a-name-that-is-rather-long", func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName = "Augusta Ada King-Noel, Countess of Lovelace"
	})
	kiosk := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	b := openBrowser(t, t.TempDir())

	for _, language := range []string{"en", "de"} {
		b.speaks(language)

		for _, scheme := range []string{"light", "dark"} {
			name := language + "-320-" + scheme + "-"
			b.looks(320, scheme)
			b.open("/o/" + o.name + "/login")
			b.state(name + "login")
			b.logIn(p, "wrong-"+newPassword())
			b.is(focused + ` === "password"`)
			b.state(name + "wrong")
			b.fill("password", p.password)
			b.follow("main button.primary")
			b.is(`document.querySelectorAll(".warning").length === 2`)
			b.state(name + "home")
			b.open("/logout?return_to=%2Fchange-password")
			b.is(`document.querySelector("main a.button").getAttribute("href") === "/change-password"`)
			b.state(name + "logout")
			b.do(chromedp.Click("main button.primary", chromedp.ByQuery)) // by way of the page that leads on
			b.at("/change-password")
			b.is(`document.readyState === "complete" && document.getElementById("save") !== null`)
			b.open("/login")
			b.is(`document.querySelector(".notice") !== null`)
			b.state(name + "notice")
			b.logIn(kiosk, kiosk.password)
			b.open("/change-password")
			b.is(`document.querySelector("form") === null`)
			b.state(name + "message")
			b.open("/")
			b.follow(`form[action="/logout"] button`)
			b.open("/o/" + o.name + "/change-password")
			b.fill("new-password", "Abc")
			b.state(name + "change")
		}
	}
}

// TestPictures takes the pictures of the README, of the card alone.
func TestPictures(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())
	b.do(chromedp.EmulateViewport(520, 1000, chromedp.EmulateScale(2)))
	b.open("/login")
	b.fill("username", "ada")
	b.do(chromedp.SendKeys("#password", "a password", chromedp.ByQuery))
	b.card("login")
	b.logIn(p, p.password)
	b.follow("dialog button")
	b.fill("new-password", "Harbour-at")
	b.is(`document.querySelector("[data-rule=uppercase]").className === "met"`)
	b.do(chromedp.Evaluate(`document.getElementById("organization").value = "acme"`, nil))
	b.card("change-password")
}

// card takes a picture of what is on the page, with a margin.
func (b *browser) card(name string) {
	b.t.Helper()
	b.picture(name, func(picture *[]byte) chromedp.Action {
		return chromedp.Tasks{
			chromedp.Evaluate(`document.body.style.minHeight = "auto"`, nil), chromedp.Screenshot("body", picture, chromedp.ByQuery),
		}
	})
}

// window takes a picture of the window, with a dialog in the middle of it.
func (b *browser) window(name string) {
	b.t.Helper()
	b.picture(name, func(picture *[]byte) chromedp.Action { return chromedp.CaptureScreenshot(picture) })
}

// picture takes a picture for the README.
func (b *browser) picture(name string, take func(*[]byte) chromedp.Action) {
	b.t.Helper()

	folder, err := picturesFolder()
	must(b.t, err)

	var picture []byte

	b.do(chromedp.Evaluate(`document.activeElement.blur()`, nil), take(&picture))
	must(b.t, os.WriteFile(filepath.Join(folder, "README-"+name+".png"), picture, 0o644))
}

// TestPagesWithoutScript: the whole way from the first login to a changed password works in a browser without JavaScript.
func TestPagesWithoutScript(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	b.withoutScript()
	b.open("/o/" + o.name + "/login")
	b.is(`[...document.querySelectorAll(".reveal button")].every((button) => button.offsetParent === null)`)
	b.plainState("login")
	b.logIn(p, "wrong-"+newPassword())
	b.is(focused + ` === "password"`)
	b.plainState("wrong")
	b.logIn(p, p.password)
	b.says("This is your first login")
	b.plainState("dialog")
	b.follow("dialog button")
	b.saveIsActive(true)
	b.plainState("change")

	next := newPassword()

	b.fill("current-password", p.password)
	b.fill("new-password", "short")
	b.follow("#save")
	b.says("Choose a password that meets these requirements:")

	if marks := b.marks(); marks["minLength"] != "unmet" || marks["lowercase"] != "met" {
		t.Errorf("the server's marks are %v", marks)
	}

	b.is(focused + ` === "new-password"`)
	b.plainState("rejected")
	b.fill("current-password", p.password)
	b.fill("new-password", next)
	b.follow("#save")
	b.at("/")
	b.says("UTC")
	b.plainState("home")
	p.login(t, next, granted)
}
