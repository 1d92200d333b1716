package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// confirms follows a link to a dialog, which says something, and presses its button.
func (b *browser) confirms(state, link, says string) {
	b.t.Helper()
	b.follow(link)
	b.isDialog()
	b.says(says)
	b.state(state)
	b.follow("dialog button.primary")
}

// TestPagesAdminUnlock: an administrator finds a locked person by the filter, and unlocks the account.
func TestPagesAdminUnlock(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, neverUnlocks())
	grace := o.hopper(t)
	b := openConsole(t)

	grace.lockOut(t)
	o.awaitStanding(t, "grace", v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)
	b.administer(ada)
	b.do(chromedp.SetValue("#standing", "Locked", chromedp.ByQuery))
	eventually(t, "the list knows", func() error {
		b.follow(".filter button")

		if !strings.Contains(b.said(), "1 account") {
			return errTooEarly
		}

		return nil
	})
	b.says("too many failed attempts")
	b.state("filtered")
	b.menu()
	b.confirms("confirm", `.menu a[href$="/unlock"]`, "The failed attempts of Grace Hopper are forgotten, and a lock ends. The password stays as it is.")
	b.isAccountOf(grace)
	b.says("The account is unlocked.")
	b.says("active")
	b.state("done")
	grace.login(t, grace.password, granted)
	b.open(grace.pageOf("")) // It is said once.
	b.is(`document.querySelector(".notice") === null`)
}

// TestPagesAdminSignOut: an administrator signs a person out, whose browser then has to log in again. So an administrator does to the
// own account.
func TestPagesAdminSignOut(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)
	theirs := b.openBeside()

	theirs.logIn(grace, grace.password)
	theirs.at("/")
	b.administer(ada)
	b.open(grace.pageOf(""))
	b.confirms("confirm", "#sign-out", "Grace Hopper is logged out of all devices, and has to log in again.")
	b.isAccountOf(grace)
	b.says("The account is logged out of all devices.")
	b.state("done")
	theirs.endsEventually()
	grace.login(t, grace.password, granted)

	b.open(ada.pageOf(""))
	b.says("This is your own account.")

	if got := strings.Join(b.offers(".actions a"), "|"); got != "Log out everywhere|Edit" {
		t.Errorf("the own page offers %s", got)
	}

	b.state("own")
	b.follow("#sign-out")
	b.leads("dialog button.primary", "/login")
	b.is(`new URLSearchParams(location.search).get("return_to") === "` + ada.pageOf("") + `"`)
}

// TestPagesAdminRequireChange: an administrator requires a change of the password, and withdraws that.
func TestPagesAdminRequireChange(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)

	b.administer(ada)
	b.open(grace.pageOf(""))
	b.confirms("confirm", "#require-change", "Grace Hopper must choose another password at the next login.")
	b.isAccountOf(grace)
	b.says("The password must be changed at the next login.")
	b.says("requested by an administrator")
	b.state("required")
	grace.login(t, grace.password, mustChange("Requested"))
	b.is(`document.getElementById("require-change") === null`)
	b.confirms("confirm-withdraw", "#withdraw-change", "Grace Hopper may go on with the password as it is.")
	b.isAccountOf(grace)
	b.says("The password need not be changed any more.")
	b.state("withdrawn")
	grace.login(t, grace.password, granted)

	// Somebody else is faster: what the open dialog offers is not possible any more.
	b.confirms("confirm-again", "#require-change", "must choose another password")
	b.follow("#withdraw-change")
	grace.change(t, newPassword(), granted)
	b.follow("dialog button.primary")
	b.says("No change of the password is requested that could be withdrawn.")
	b.is(focused + ` === "alert"`)
	b.state("conflict")
	b.leads("main a.button", grace.pageOf(""))
}

// TestPagesAdminProof: what an administrator does needs a password that was typed a short time ago. Else the page asks for it again, as a
// login that leads back to the dialog. Looking needs none.
func TestPagesAdminProof(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)

	again := func(state string) {
		t.Helper()
		b.at("/login")
		b.says("Enter your password again to go on.")
		b.is(`document.getElementById("username").value === "ada"`)
		b.is(focused + ` === "password"`)
		b.state(state)
		b.fill("password", ada.password)
		b.leads("main button.primary", grace.pageOf("reset-password"))
		b.isDialog()
	}

	b.administer(ada)
	b.proofAges(16 * time.Minute)
	b.open("/admin")
	b.at("/admin")
	b.open(grace.pageOf(""))
	b.isAccountOf(grace)
	b.follow("#reset-password")
	again("again")

	// So it is where it gets too old while somebody types.
	b.proofAges(16 * time.Minute)
	b.typeNew(newPassword())
	b.follow("#save")
	again("again-after-typing")
	grace.login(t, grace.password, granted)

	// A dialog is not opened for the last minutes.
	b.proofAges(11 * time.Minute)
	b.open(grace.pageOf("reset-password"))
	again("again-before-typing")
	grace.password = newPassword()
	b.typeNew(grace.password)
	b.follow("#save")
	b.says("The password was reset.")
	grace.login(t, grace.password, mustChange("Reset"))
}

// TestPagesAdminRefusals: what an administrator may not do, or cannot do now, is refused with a page that says why.
func TestPagesAdminRefusals(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	lin := o.settled(t, "lin", nil)
	o.binds(t, lin, viewerRole)
	binding := o.binds(t, lin, helpdeskRole)
	b := openConsole(t)

	b.administer(ada)
	b.open("/admin/accounts/" + o.name + "/nobody")
	b.says("There is no such account, or you may not see it.")
	b.state("not-found")
	b.leads("main a.button", "/admin")
	b.open("/admin?namespace=" + defaultOrganisation + "-elsewhere")
	b.says("None of your roles has the verb list on useraccounts here.")
	b.state("other-organisation")
	b.leads("main a.button", "/admin")
	b.open("/admin?namespace=No_Name")
	b.is(focused + ` === "alert"`)
	b.state("no-namespace")
	b.open("/admin/nowhere")
	b.is(focused + ` === "alert"`)
	b.state("nowhere")

	// The role is taken away while the page is open.
	theirs := b.openBeside()
	theirs.administer(lin)
	theirs.open(grace.pageOf(""))
	theirs.follow("#unlock")
	must(t, kube.Delete(t.Context(), binding))
	eventually(t, "the role is gone", func() error {
		theirs.follow("dialog button.primary")

		if !strings.Contains(theirs.said(), "None of your roles has the verb unlock on useraccounts here.") {
			theirs.open(grace.pageOf("unlock"))

			return errTooEarly
		}

		return nil
	})
	theirs.is(focused + ` === "alert"`)
	theirs.state("role-gone")
	theirs.leads("main a.button", grace.pageOf(""))

	if got := strings.Join(theirs.offers(".actions a"), "|"); got != "Edit" {
		t.Errorf("without the role the page offers %s", got)
	}

	grace.login(t, grace.password, granted)
}

// TestPagesAdminOutage: while Kubernetes cannot be asked who may do what, nothing is done, and the dialog says so.
func TestPagesAdminOutage(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openBrowser(t, t.TempDir())

	base, w := wiredConsole(t)
	b.base = base
	b.administer(ada)
	b.open(grace.pageOf(""))
	b.follow("#unlock")
	w.setCut(true)
	b.follow("dialog button.primary")
	b.says("It cannot be decided at present whether you may do that, or it cannot be written. Nothing was changed.")
	b.state("unavailable")
	w.setCut(false)
	eventually(t, "it is back", func() error {
		b.open(grace.pageOf(""))

		if got := b.offers(".actions a"); len(got) == 0 {
			return fmt.Errorf("the page says %s", b.said())
		}

		return nil
	})
}

// TestPagesAdminEdit: what is declared is shown as YAML to be copied into Git.
func TestPagesAdminEdit(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace := o.hopper(t)
	b := openConsole(t)

	b.administer(ada)
	b.open(grace.pageOf(""))
	b.follow("#edit")
	b.isDialog()
	b.says("kind: UserAccount")
	b.says("displayName: Grace Hopper")
	b.is(`!document.querySelector("pre").innerText.includes("uid") && !document.querySelector("pre").innerText.includes("status")`)
	b.state("edit")
	b.leads("dialog a", grace.pageOf(""))
	b.is(focused + ` === "edit"`)
}
