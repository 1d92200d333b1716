package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestPagesAdminLook: the pages under /admin pass all checks in both languages and colour schemes, on a desk and on a telephone. 640 pixels
// are what 200% zoom leaves of an ordinary window.
func TestPagesAdminLook(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, strict())
	grace := o.hopper(t)
	o.hired(t, "lin", nil)

	b := openConsole(t)
	b.administer(ada)

	for _, look := range []struct {
		language, scheme string
		width            int64
	}{
		{"en", "light", 1280}, {"de", "dark", 1280}, {"de", "light", 640}, {"en", "dark", 360}, {"de", "light", 360},
	} {
		b.speaks(look.language)
		b.looks(look.width, look.scheme)
		b.looksOver(grace, fmt.Sprintf("%s-%s-%d-", look.language, look.scheme, look.width))
	}
}

// looksOver looks at every page and dialog, and changes nothing that would show on the next turn but the password.
func (b *browser) looksOver(p *person, name string) {
	b.t.Helper()
	b.open("/admin")
	b.is(`document.querySelectorAll("tbody tr").length === 3`)
	b.do(chromedp.Click("tbody tr:nth-child(2) summary", chromedp.ByQuery))
	b.is(`document.querySelector(".menu[open] ul").getBoundingClientRect().left >= 0`)
	b.menuState(name + "list")
	b.open("/admin?search=nobody&standing=Locked")
	b.state(name + "empty")
	b.open(p.pageOf(""))
	b.state(name + "account")
	b.open(p.pageOf("reset-password"))
	b.typeNew("Harbour-at")
	b.is(`document.querySelector("[data-rule=uppercase]").className === "met"`)
	b.reaches("[name=generate]")
	b.state(name + "reset")
	b.follow("[name=generate]")
	b.is(`document.getElementById("generated") !== null`)
	noteShown(evaluate[string](b, `document.getElementById("generated").innerText`))
	b.reaches("dialog .buttons a")
	b.state(name + "generated")
	b.leads("dialog .buttons a", p.pageOf(""))
	b.open(p.pageOf("unlock"))
	b.state(name + "unlock")
	b.follow("dialog button.primary")
	b.is(`document.querySelector(".notice") !== null`)
	b.state(name + "notice")
	b.open(p.pageOf("edit"))
	b.reaches("dialog .buttons a")
	b.state(name + "edit")
	b.open("/admin?namespace=elsewhere")
	b.state(name + "refused")
}

// reaches wants that a part of a dialog can be scrolled to where the window is low.
func (b *browser) reaches(selector string) {
	b.t.Helper()

	if !evaluate[bool](b, fmt.Sprintf(`(() => {
		const part = document.querySelector(%q), dialog = part.closest("dialog"), was = dialog.scrollTop;
		part.scrollIntoView({ block: "end" });
		const at = part.getBoundingClientRect(), seen = at.top >= 0 && at.bottom <= innerHeight && at.left >= 0 && at.right <= innerWidth;
		dialog.scrollTop = was;
		return seen;
	})()`, selector)) {
		b.t.Errorf("%s cannot be reached", selector)
	}
}

// TestPagesAdminLowWindow: in a low window everything in the reset dialog can be reached.
func TestPagesAdminLowWindow(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, strict())
	grace := o.hopper(t)
	b := openConsole(t)

	b.administer(ada)
	b.do(chromedp.EmulateViewport(640, 360))
	b.open(grace.pageOf("reset-password"))

	for _, part := range []string{"#dialog-title", "#username", "#new-password", "#requirements li:last-of-type", "#save", "#reset-form a", "[name=generate]"} {
		b.reaches(part)
	}

	b.shot("dialog")
}

// TestPagesAdminWithoutScript: everything under /admin works in a browser without JavaScript.
func TestPagesAdminWithoutScript(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, strict())
	grace := o.hopper(t)
	b := openConsole(t)

	b.withoutScript()
	b.administer(ada)
	b.fill("search", "hopper")
	b.follow(".filter button")
	b.menu()
	b.plainState("menu")
	b.follow(`.menu a[href$="/reset-password"]`)
	b.is(`[...document.querySelectorAll(".reveal button")].every((button) => button.offsetParent === null)`)
	b.says(resetBeforehand)
	b.saveIsActive(true)
	b.plainState("dialog")
	b.typeNew("short")
	b.follow("#save")
	b.says("The new password does not meet all requirements.")

	if marks := b.marks(); marks["minLength"] != "unmet" || marks["lowercase"] != "met" {
		t.Errorf("the server's marks are %v", marks)
	}

	b.plainState("rejected")
	b.follow("#reset-form a")
	b.isAccountOf(grace)
	b.follow("#reset-password")
	grace.password = "Tulip+7/" + newPassword()
	b.typeNew(grace.password)
	b.follow("#save")
	b.says("The password was reset.")
	b.plainState("done")
	grace.login(t, noteSecret(grace.password), mustChange("Reset"))
	b.follow("#reset-password")
	b.follow("[name=generate]")
	b.says("It is not shown again.")
	b.is(`document.getElementById("copy").offsetParent === null`)

	generated := evaluate[string](b, `document.getElementById("generated").innerText`)
	noteShown(generated)
	b.plainState("generated")
	grace.login(t, generated, mustChange("Reset"))
	b.follow("dialog a.primary")
	b.isAccountOf(grace)
	b.follow("#unlock")
	b.plainState("confirm")
	b.follow("dialog button.primary")
	b.says("The account is unlocked.")
	b.follow("#edit")
	b.says("kind: UserAccount")
	b.plainState("edit")
}

// TestPagesAdminByKeyboard: everything under /admin can be done with the keyboard, in a sensible order, with a visible focus.
func TestPagesAdminByKeyboard(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)

	press := func(keys string, with ...chromedp.KeyOption) {
		t.Helper()
		b.is(painted)
		b.do(chromedp.KeyEvent(keys, with...))
	}
	isVisible := ` && getComputedStyle(document.activeElement).outlineStyle === "solid"`

	b.administer(ada)
	b.is(focused + ` === "search"`)
	press("hopper" + kb.Enter)
	b.is(`new URLSearchParams(location.search).get("search") === "hopper" && document.readyState === "complete"`)
	press(kb.Tab + kb.Tab + kb.Tab + kb.Tab + kb.Tab + kb.Tab + kb.Tab) // back link, search, standing, organisation, Search, Show all, grace
	b.is(`document.activeElement.innerText === "grace"` + isVisible)
	press(kb.Tab + kb.Enter)
	b.is(`document.activeElement.matches(".menu summary") && document.querySelector(".menu").open` + isVisible)
	press(kb.Tab + kb.Tab + kb.Escape)
	b.is(`document.activeElement.matches(".menu summary") && !document.querySelector(".menu").open`)
	press(kb.Enter)
	press(kb.Tab, chromedp.KeyModifiers(input.ModifierShift)) // away from it, which closes it
	b.is(`document.activeElement.innerText === "grace" && !document.querySelector(".menu").open`)
	b.do(chromedp.Focus(".menu summary", chromedp.ByQuery))
	press(kb.Enter + kb.Tab)
	b.is(`document.activeElement.innerText === "Reset password"` + isVisible)
	press(kb.Enter)

	b.at(grace.pageOf("reset-password"))
	b.isDialog()
	b.is(focused + ` === "new-password"`)
	press(kb.Escape) // cancels
	b.isAccountOf(grace)
	b.is(focused + ` === "reset-password"` + isVisible)
	press(kb.Enter)
	b.isDialog()
	press("short" + kb.Tab)
	b.is(`document.activeElement.getAttribute("aria-controls") === "new-password"`)
	press(kb.Tab) // past OK, which is not active
	b.is(`document.activeElement.innerText === "Cancel"` + isVisible)
	press(kb.Tab)
	b.is(`document.activeElement.name === "generate"` + isVisible)
	press(kb.Tab + kb.Tab + kb.Tab + kb.Tab) // round, without leaving the dialog for what is behind it
	b.is(`!document.activeElement.closest("[inert]")`)
	b.do(chromedp.Focus("#new-password", chromedp.ByQuery))
	b.fill("new-password", "")

	handed := newPassword()

	press(handed + kb.Enter)
	b.isAccountOf(grace)
	b.says("The password was reset.")
	grace.login(t, handed, mustChange("Reset"))

	b.do(chromedp.Focus("#unlock", chromedp.ByQuery))
	press(kb.Enter)
	b.at(grace.pageOf("unlock"))
	b.isDialog()
	press(kb.Escape)
	b.isAccountOf(grace)
	b.is(focused + ` === "unlock"`)
	press(kb.Enter)
	b.at(grace.pageOf("unlock"))
	b.is(`document.activeElement.innerText === "Unlock"`)
	press(kb.Enter)
	b.says("The account is unlocked.")
}

// TestPicturesOfAdministration takes the README's pictures of the pages under /admin.
func TestPicturesOfAdministration(t *testing.T) {
	t.Parallel()

	policy := strict()
	policy.Lockout.MaxFailures, policy.MaxAgeDays = new(int32(3)), new(int32(180))
	o, ada := administrates(t, policy)
	o.hopper(t)

	lin := o.settled(t, "lin", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Lin Maier" })
	o.hired(t, "mary", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Mary Somerville" })
	o.hired(t, "charles", func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Access = "Charles Babbage", v1alpha1.AccessDisabled
	})
	lin.lockOut(t)
	o.awaitStanding(t, "lin", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)
	o.age(t, "lin", 21*day, keySetTime, keyLastSuccessTime)
	o.age(t, "grace", 3*day, keySetTime, keyLastSuccessTime)

	b := openConsole(t)
	b.do(chromedp.EmulateViewport(1280, 700, chromedp.EmulateScale(2)))
	b.administer(ada)
	b.listed("/admin", 5)
	b.says("locked")
	b.do(
		chromedp.Click("tbody tr:nth-child(3) summary", chromedp.ByQuery),
		// The menu reaches below the card.
		chromedp.Evaluate(`document.getElementById("namespace").value = "acme"; document.body.style.paddingBottom = "3rem"`, nil),
	)
	b.card("admin-list")

	b.do(chromedp.EmulateViewport(760, 920, chromedp.EmulateScale(2)))
	b.open("/admin/accounts/" + o.name + "/grace/reset-password")
	b.typeNew("Harbour-at")
	b.is(`document.querySelector("[data-rule=uppercase]").className === "met"`)
	b.window("admin-reset")
}
