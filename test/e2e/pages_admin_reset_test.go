package e2e_test

import (
	"strings"
	"testing"

	permissions "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// resetBeforehand is what the dialog says of a person called Grace Hopper.
const resetBeforehand = "Grace Hopper must choose another password at the next login, is logged out of all devices, and a lock is lifted."

// hopper makes an account for the tests of resets.
func (o *organisation) hopper(t *testing.T) *person {
	t.Helper()

	return o.settled(t, "grace", func(s *v1alpha1.UserAccountSpec) { s.DisplayName, s.Email = "Grace Hopper", "grace@example.org" })
}

// TestPagesAdminReset: an administrator who has only a browser finds a person by search, and resets the password in the dialog. The person
// logs in with it, has to choose another one, and sees that an administrator reset it.
func TestPagesAdminReset(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, strict())
	grace := o.hopper(t)
	o.settled(t, "lin", nil)

	b := openConsole(t)
	theirs := b.openBeside()
	theirs.logIn(grace, grace.password)
	theirs.at("/")

	b.open("/admin")
	b.at("/login") // Nobody is logged in.
	b.administer(ada)
	b.is(`document.querySelectorAll("tbody tr").length === 3`)
	b.state("list")
	b.fill("search", "hoPP")
	b.follow(".filter button")
	b.says("1 account")
	b.menu()
	b.menuState("menu")
	b.follow(`.menu a[href$="/reset-password"]`)

	b.isDialog()
	b.says(resetBeforehand)
	b.is(focused + ` === "new-password"`)
	b.is(`document.getElementById("username").value === "grace" && document.getElementById("username").readOnly`)
	b.is(`document.querySelector("label[for=new-password]").innerText === "New Password *" && document.getElementById("new-password").required`)
	b.is(`getComputedStyle(document.querySelector("label[for=new-password] .star")).color === "rgb(179, 38, 30)"`)
	b.is(`document.getElementById("save").innerText === "OK"`)
	b.saveIsActive(false)
	b.state("dialog")

	if marks := b.marks(); marks["notCurrent"] != "" || marks["minLength"] != "" {
		t.Errorf("before anything is typed the marks are %v", marks)
	}

	handed := newPassword()
	met, half := 0, false

	for _, key := range "Tulip+7/" + handed {
		b.do(chromedp.SendKeys("#new-password", string(key), chromedp.ByQuery))

		now := 0
		for _, mark := range b.marks() {
			if mark == "met" {
				now++
			}
		}

		if !half && now > met && now == 4 {
			b.saveIsActive(false)
			b.state("dialog-half")

			half = true
		}

		met = now
	}

	if !half {
		t.Error("the marks never were half green")
	}

	b.saveIsActive(true)
	b.do(chromedp.Click("[aria-controls=new-password]", chromedp.ByQuery))
	b.is(`document.getElementById("new-password").type === "text"`)
	b.do(chromedp.Click("[aria-controls=new-password]", chromedp.ByQuery))
	b.is(`document.getElementById("new-password").type === "password"`)
	b.state("dialog-met")
	b.follow("#save")
	b.isAccountOf(grace)
	b.says("The password was reset. It must be changed at the next login. The account is unlocked, and logged out of all devices.")
	b.is(focused + ` === "notice"`)
	b.says("must change the password")
	b.says("by " + ada.kubernetesName())
	b.state("done")

	handed = noteSecret("Tulip+7/" + handed)
	grace.login(t, grace.password, wrong)
	grace.login(t, handed, mustChange("Reset"))
	theirs.endsEventually()

	theirs.logIn(grace, handed)
	theirs.says("An administrator has handed out a new password to you.")
	theirs.follow("dialog button")
	theirs.fill("current-password", handed)
	grace.password = newPassword() + "+/"
	theirs.fill("new-password", grace.password)
	theirs.follow("#save")
	theirs.at("/")
	theirs.says("An administrator reset the password")
	theirs.is(`Date.now() - Date.parse([...document.querySelectorAll("dt")].find((dt) => dt.innerText === "An administrator reset the password").nextSibling.querySelector("time").dateTime) < 600000`)
	theirs.is(`document.querySelector("a[href='/admin']") === null`) // That is for those who may.
	theirs.state("told")

	b.open("/")
	b.is(`document.querySelector("a[href='/admin']").innerText === "Accounts"`)
	b.state("home-of-an-administrator")
}

// endsEventually waits until a browser's session is over.
func (b *browser) endsEventually() {
	b.t.Helper()
	eventually(b.t, "the session ends", func() error {
		if err := b.try(chromedp.Navigate(b.base + "/")); err != nil {
			return err
		}

		if !strings.Contains(evaluate[string](b, `location.pathname`), "/login") {
			return errTooEarly
		}

		return nil
	})
}

// TestPagesAdminResetRejected: what only the server can judge comes back to the dialog with marks, and the password in force stays. Cancel
// changes nothing.
func TestPagesAdminResetRejected(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)

	b.administer(ada)
	b.open(grace.pageOf(""))
	b.state("account")
	b.follow("#reset-password")
	b.isDialog()
	b.typeNew("Password1!")
	b.is(`document.querySelector("[data-rule=commonPassword] .state").innerText === "(checked when you press OK)"`)
	b.saveIsActive(true)
	b.follow("#save")
	b.isDialog()
	b.says("The new password does not meet all requirements. The password in force stays.")
	b.is(focused + ` === "new-password" && document.activeElement.value === ""`)
	b.is(`document.querySelector("[data-rule=commonPassword]").className === "unmet" && document.querySelector("[data-rule=minLength]").className === "met"`)
	b.state("rejected")

	b.typeNew("Grace-Hopper-1") // The account's own words the page knows.
	b.is(`document.querySelector("[data-rule=accountWords]").className === "unmet"`)
	b.saveIsActive(false)
	b.submit("reset-form") // as without script
	b.is(`document.querySelector("[data-rule=accountWords]")?.className === "unmet" && document.getElementById("alert") !== null`)
	b.state("rejected-words")

	b.typeNew(newPassword())
	b.leads("#reset-form a.button", grace.pageOf(""))
	b.isAccountOf(grace)
	b.is(focused + ` === "reset-password"`)
	b.is(`document.querySelector(".notice") === null`)
	grace.login(t, grace.password, granted)

	// To load the answer of a form again does not send it again.
	b.follow("#reset-password")
	b.typeNew("Password1!")
	b.follow("#save")
	b.says("does not meet all requirements")
	b.do(chromedp.Reload())
	b.is(`document.getElementById("alert") === null && document.querySelector("dialog") !== null`)
}

// TestPagesAdminGenerate: Generate makes a one-time password and shows it once, with a button that copies it. The way back and loading
// again neither show it nor make another one.
func TestPagesAdminGenerate(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{
		MustChange: v1alpha1.MustChangeRule{WithinHours: new(int32(48))}, Characters: strict().Characters,
	})
	grace := o.hopper(t)
	b := openConsole(t)
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		b.do(permissions.SetPermission(&permissions.PermissionDescriptor{Name: name}, permissions.PermissionSettingGranted).WithOrigin(b.base))
	}

	b.administer(ada)
	b.open(grace.pageOf(""))
	b.follow("#reset-password")
	b.follow("[name=generate]")
	b.isDialog()
	b.says("It is not shown again.")
	b.says("It works until")
	b.says("The password was reset. It must be changed at the next login.")

	first := evaluate[string](b, `document.getElementById("generated").innerText`)
	noteShown(first)
	b.state("generated")
	b.do(chromedp.Click("#copy", chromedp.ByQuery))
	b.says("Copied.")

	var copied string

	b.do(chromedp.Evaluate(`navigator.clipboard.readText()`, &copied, awaitsPromise))

	if copied != first {
		t.Error("what was copied is not the password")
	}

	b.state("generated-copied")
	grace.login(t, first, mustChange("Reset"))

	b.do(chromedp.Reload())
	b.isAccountOf(grace)
	b.hides(first)
	grace.login(t, first, mustChange("Reset"))

	b.follow("#reset-password")
	b.follow("[name=generate]")
	b.is(`document.getElementById("generated") !== null`)

	second := evaluate[string](b, `document.getElementById("generated").innerText`)
	noteShown(second)
	b.leads("dialog a.primary", grace.pageOf(""))
	b.isAccountOf(grace)
	b.goesBack()
	b.at(grace.pageOf("reset-password"))
	b.is(`document.getElementById("new-password") !== null`)
	b.hides(second)
	b.do(chromedp.Evaluate(`history.forward()`, nil))
	b.isAccountOf(grace)
	b.hides(second)
	grace.login(t, first, wrong)

	theirs := b.openBeside()
	theirs.logIn(grace, second)
	theirs.says("An administrator has handed out a new password to you.")
	theirs.follow("dialog button")
	theirs.fill("current-password", second)
	theirs.fill("new-password", newPassword()+"+/")
	theirs.follow("#save")
	theirs.says("An administrator reset the password")
}

// hides fails the test if a password is anywhere on the page.
func (b *browser) hides(password string) {
	b.t.Helper()

	if strings.Contains(evaluate[string](b, `document.documentElement.outerHTML`), password) {
		b.t.Error("the password is still on the page")
	}
}

// TestPagesAdminResetForGood: somebody who may not change the password keeps the one that an administrator sets, and the dialog says so.
func TestPagesAdminResetForGood(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	kiosk := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Password.Change = "Till", v1alpha1.PasswordChangeForbidden
	})
	b := openConsole(t)

	b.administer(ada)
	b.open(kiosk.pageOf(""))

	if got := strings.Join(b.offers(".actions a"), "|"); got != "Reset password|Unlock|Log out everywhere|Edit" {
		t.Errorf("the page offers %s", got)
	}

	b.follow("#reset-password")
	b.says("Till may not change the password, so the new one stays in force.")
	b.state("dialog")
	kiosk.password = newPassword()
	b.typeNew(kiosk.password)
	b.follow("#save")
	b.says("The person may not change it, so it stays in force.")
	b.state("done")
	kiosk.login(t, kiosk.password, granted)
}
