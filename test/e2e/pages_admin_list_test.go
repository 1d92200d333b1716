package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// listed waits until the list at an address has so many rows: it follows what is declared a moment later.
func (b *browser) listed(address string, rows int) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("%d rows", rows), func() error {
		b.open(address)

		if got := evaluate[int](b, `document.querySelectorAll("tbody tr").length`); got != rows {
			return fmt.Errorf("there are %d", got)
		}

		return nil
	})
}

// TestPagesAdminList: the list shows the accounts of the own organisation, in pages; search and filter find what is asked for.
func TestPagesAdminList(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, cheapHashing())

	for i := range 59 { // more than a page
		o.account(t, fmt.Sprintf("person-%02d", i), func(s *v1alpha1.UserAccountSpec) {
			s.DisplayName, s.Email = fmt.Sprintf("Person No. %d", i), fmt.Sprintf("p%d@example.org", i)
		})
	}

	b := openConsole(t)
	b.administer(ada)
	b.listed("/admin?search=person-58", 1)
	b.open("/admin")
	b.says("50 accounts on this page")
	b.is(`document.getElementById("namespace").value === "` + o.name + `"`)
	b.state("first-page")
	b.follow("nav.buttons a")
	b.says("10 accounts on this page")
	b.is(`document.querySelectorAll("tbody tr").length === 10`)
	b.state("second-page")
	b.follow("nav.buttons a")
	b.says("50 accounts on this page")

	b.fill("search", "P7@EXAMPLE")
	b.follow(".filter button")
	b.says("1 account")
	b.is(`document.querySelector("tbody a").innerText === "person-07"`)
	b.fill("search", "nobody at all")
	b.follow(".filter button")
	b.says("No account matches.")
	b.state("empty")
	b.follow(".count a")
	b.says("50 accounts on this page")

	b.do(chromedp.SetValue("#standing", "NoPassword", chromedp.ByQuery))
	b.follow(".filter button")
	b.is(`document.getElementById("standing").value === "NoPassword"`)
	b.goesBack()
	b.is(`document.getElementById("standing").value === ""`)
}

// TestPagesAdminEverywhere: a system user sees the accounts of all namespaces; an organisation's administrator does not.
func TestPagesAdminEverywhere(t *testing.T) {
	t.Parallel()

	platform := newOrganisation(t)
	sam := platform.settled(t, "sam", nil)
	sam.everywhere(t)

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	b := openConsole(t)
	b.administer(sam)
	b.fill("namespace", "*")
	b.fill("search", "a")
	b.follow(".filter button")
	b.is(`document.querySelector("th").innerText === "Organisation"`)
	b.state("everywhere")
	b.open(ada.pageOf(""))
	b.isAccountOf(ada)

	theirs := b.openBeside()
	theirs.administer(ada)
	theirs.fill("namespace", "*")
	theirs.follow(".filter button")
	theirs.says("None of your roles has the verb list on useraccounts here.")

	// She may not reset a system user of her own organisation.
	eve := o.settled(t, "eve", nil)
	eve.everywhere(t)
	theirs.open(eve.pageOf(""))

	if got := strings.Join(theirs.offers(".actions a"), "|"); got != "Unlock|Log out everywhere|Require a password change|Edit" {
		t.Errorf("of a system user the page offers %s", got)
	}
}

// TestPagesAdminMenus: a menu offers what one may do, and no more. Of several, one is open at a time; Escape and a click elsewhere close it.
func TestPagesAdminMenus(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	grace, lin := o.settled(t, "grace", nil), o.settled(t, "lin", nil)
	o.binds(t, grace, helpdeskRole)
	o.binds(t, lin, viewerRole)
	o.awaitStanding(t, "lin", v1alpha1.StandingActive, "")

	b := openConsole(t)
	offered := func(p *person, search, want string) {
		t.Helper()
		b.open("/admin?search=" + search)
		b.is(`document.querySelectorAll("tbody tr").length === 1`)

		if got := strings.Join(evaluate[[]string](b, `[...document.querySelectorAll(".menu li a")].map((a) => a.textContent)`), "|"); got != want {
			t.Errorf("of %s the list offers %s %q, want %q", search, p.username, got, want)
		}
	}

	b.administer(ada)
	offered(ada, "lin", "Reset password|Unlock|Log out everywhere|Require a password change")
	offered(ada, "ada", "Log out everywhere")
	b.says("(you)")

	b.open("/admin")
	b.do(chromedp.Click("tbody tr:nth-child(2) summary", chromedp.ByQuery))
	b.is(`document.querySelectorAll(".menu[open]").length === 1`)
	b.menuState("second")
	b.do(chromedp.Click("tbody tr:nth-child(1) summary", chromedp.ByQuery))
	b.is(`document.querySelectorAll(".menu[open]").length === 1 && document.querySelector("tbody tr:nth-child(1) .menu").open`)
	b.do(chromedp.Click("h1", chromedp.ByQuery))
	b.is(`document.querySelector(".menu[open]") === null`)

	// It lies over the table, inside the window.
	height := evaluate[int](b, `document.querySelector("table").offsetHeight`)
	b.do(chromedp.Click("tbody tr:nth-child(2) summary", chromedp.ByQuery))
	b.is(fmt.Sprintf(`document.querySelector("table").offsetHeight === %d`, height))
	b.is(`document.querySelector(".menu[open] ul").getBoundingClientRect().right <= innerWidth`)

	helpdesk := b.openBeside()
	helpdesk.administer(grace)
	b = helpdesk
	offered(grace, "lin", "Unlock|Log out everywhere|Require a password change")
	b.open(lin.pageOf("reset-password")) // Not offered, so not opened.
	b.isAccountOf(lin)
	b.state("helpdesk")

	viewer := b.openBeside()
	viewer.administer(lin)
	b = viewer
	offered(lin, "grace", "")
	b.state("viewer-list")
	b.open(grace.pageOf(""))

	if got := strings.Join(b.offers(".actions a"), "|"); got != "Edit" {
		t.Errorf("the page offers a viewer %s", got)
	}

	b.state("viewer-account")
}

// TestPagesAdminNames: what people are called is shown as text, whatever it is, and breaks no page.
func TestPagesAdminNames(t *testing.T) {
	t.Parallel()

	o, ada := administrates(t, v1alpha1.PasswordPolicySpec{})
	groups := make([]string, 64)

	for i := range groups {
		groups[i] = fmt.Sprintf("group-%02d-of-many", i)
	}

	groups[0], groups[1] = `<b>bold</b>`, strings.Repeat("g", 63)
	names := map[string]string{
		"script": `<script>alert(1)</script>`, "image": `"><img src=x onerror=alert(1)>`, "long": strings.Repeat("W", 256),
		"words": strings.Repeat("Wolfgang ", 28) + "IV", "hebrew": "\u200fעדה לאבלייס", "braces": "{{.Text}} {name} &amp;",
	}

	for name, displayName := range names {
		o.account(t, name, func(s *v1alpha1.UserAccountSpec) {
			s.DisplayName, s.Groups = displayName, groups
			if name == "long" {
				s.Username = strings.Repeat("w", 128)
				s.Email = strings.Repeat("e", 64) + "@" + strings.Repeat("example.", 20) + "org"
			}
		})
	}

	b := openConsole(t)
	b.administer(ada)
	b.listed("/admin", 1+len(names))

	for _, width := range []int64{320, 1280} {
		b.looks(width, "light")
		b.open("/admin")
		b.state(fmt.Sprintf("list-%d", width))

		for name, displayName := range names {
			p := &person{organisation: o.name, username: name}
			eventually(t, "it has a credential", func() error {
				b.open(p.pageOf(""))

				if len(b.offers("#reset-password")) == 0 {
					return errTooEarly
				}

				return nil
			})
			b.is(fmt.Sprintf(`document.querySelector("h1").textContent === %s`, mustJSON(t, displayName)))
			b.is(`document.images.length === 1 && document.scripts.length === 1`)
			b.state(fmt.Sprintf("%s-%d", name, width))
			b.follow("#reset-password")
			b.is(fmt.Sprintf(`document.getElementById("consequences").textContent.startsWith(%s)`, mustJSON(t, displayName)))
			b.state(fmt.Sprintf("%s-%d-dialog", name, width))
			b.open(p.pageOf("edit"))
			b.state(fmt.Sprintf("%s-%d-yaml", name, width))
		}
	}
}

// TestPagesAdminStandings: the page of an account in every standing.
func TestPagesAdminStandings(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		Lockout:    v1alpha1.LockoutRule{MaxFailures: new(int32(3)), DurationMinutes: new(int32(60))},
		MaxAgeDays: new(int32(90)), IdleLockDays: new(int32(365)),
	})
	ada := o.settled(t, "ada", nil)
	o.binds(t, ada, adminRole)

	locked := o.settled(t, "locked", nil)
	locked.lockOut(t)
	o.settled(t, "active", nil)
	o.hired(t, "first", nil)
	o.hired(t, "disabled", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	o.hired(t, "later", func(s *v1alpha1.UserAccountSpec) { s.StartTime = soon(24 * time.Hour) })
	o.hired(t, "former", func(s *v1alpha1.UserAccountSpec) { s.EndTime = new(v1alpha1.NewInstant(now().Add(-time.Hour))) })
	o.settled(t, "expired", nil)
	o.age(t, "expired", 91*day, keySetTime)
	o.hired(t, "reset-required", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	o.age(t, "reset-required", 91*day, keySetTime)
	o.account(t, "no-password", func(s *v1alpha1.UserAccountSpec) { s.Password = nil })
	o.account(t, "external", func(s *v1alpha1.UserAccountSpec) {
		s.Password, s.Authentication.Type = nil, v1alpha1.AuthenticationExternal
	})
	o.account(t, "conflict", func(s *v1alpha1.UserAccountSpec) { s.Username = "active" })
	o.awaitCondition(t, "conflict", v1alpha1.ConditionUsernameAccepted, metav1.ConditionFalse, v1alpha1.ConditionReasonUsernameConflict)

	b := openConsole(t)
	b.administer(ada)

	for name, says := range map[string]string{
		"active": "active", "first": "must change the password first login", "locked": "locked too many failed attempts",
		"disabled": "disabled", "later": "not valid yet", "former": "no longer valid", "expired": "the password is too old",
		"reset-required": "needs a reset", "no-password": "no password", "external": "kept elsewhere", "conflict": "the username is another account's",
	} {
		address := "/admin/accounts/" + o.name + "/" + name
		eventually(t, name+" stands so", func() error {
			b.open(address)

			if said := evaluate[string](b, `document.querySelector(".state-line").innerText`); !strings.Contains(said, says) {
				return fmt.Errorf("the page of %s says %q", name, said)
			}

			return nil
		})
		b.state(name)
	}

	b.listed("/admin", o.declaredAccounts(t))
	b.is(`document.querySelector("a[href$='/conflict']").closest("tr").querySelector(".menu") === null`)
	b.state("list")
	b.open("/admin/accounts/" + o.name + "/conflict")
	b.says("This account has no credential yet, or its username belongs to another account")

	if got := strings.Join(b.offers(".actions a"), "|"); got != "Edit" {
		t.Errorf("without a credential the page offers %s", got)
	}

	b.open("/admin/accounts/" + o.name + "/external")
	b.says("The password of this account is kept elsewhere, and is changed there.")

	if got := strings.Join(b.offers(".actions a"), "|"); strings.Contains(got, "Reset") {
		t.Errorf("of an External account the page offers %s", got)
	}
}
