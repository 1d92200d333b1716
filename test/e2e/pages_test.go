package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// strict is a policy with rules of every kind that a page can judge.
func strict() v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{
		Length: v1alpha1.LengthRule{Min: new(int32(8))},
		Characters: v1alpha1.CharacterRule{
			Uppercase: new(int32(1)), Lowercase: new(int32(1)), Digits: new(int32(1)), Symbols: new(int32(2)),
		},
	}
}

// marks returns the marks of the requirements, by ID.
func (b *browser) marks() map[string]string {
	b.t.Helper()

	return evaluate[map[string]string](b,
		`Object.fromEntries([...document.querySelectorAll("#requirements li")].map((li) => [li.dataset.rule, li.className]))`)
}

func (b *browser) saveIsActive(want bool) {
	b.t.Helper()

	if got := !evaluate[bool](b, `document.getElementById("save").disabled`); got != want {
		b.t.Errorf("the button is active: %t, want %t; marks %v", got, want, b.marks())
	}
}

const focused = `document.activeElement.id`

func TestPagesFirstLogin(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Ada Lovelace" })
	b := openBrowser(t, t.TempDir())

	b.open("/o/" + o.name + "/login")
	b.is(focused + ` === "username"`)
	b.state("login")

	b.logIn(p, "wrong-"+newPassword())
	b.says("The organisation, the username or the password is wrong.")
	b.is(focused + ` === "password"`)
	b.state("wrong")

	b.logIn(p, p.password)
	b.says("This is your first login")
	b.is(`document.querySelector("dialog").matches(":modal") && document.querySelector("dialog").contains(document.activeElement)`)
	b.state("dialog")
	b.follow("dialog a")
	b.at("/o/" + o.name + "/login")

	if c := b.cookies(); len(c) != 0 {
		t.Errorf("after Cancel there are cookies: %v", c)
	}

	b.logIn(p, p.password)
	b.follow("dialog button")
	b.at("/o/" + o.name + "/change-password")
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q && document.getElementById("advice").hidden`, p.username))
	b.is(focused + ` === "current-password"`)
	b.state("change")
	b.saveIsActive(false)

	next := "Tulip+7/harbour-" + newPassword()
	b.fill("current-password", "wrong-"+next)
	met := 0

	for _, key := range next {
		b.do(chromedp.SendKeys("#new-password", string(key), chromedp.ByQuery))

		now := strings.Count(fmt.Sprint(b.marks()), ":met")
		if now < met {
			t.Errorf("%d marks are green, %d were before", now, met)
		}

		if now > met && now == 4 {
			b.state("change-half")
		}

		met = now
	}

	for id, mark := range b.marks() {
		decided := id != "commonPassword" && id != "notCurrent" && id != "history" && id != "strength" && id != "denyList"
		if decided != (mark == "met") {
			t.Errorf("%s has the mark %q", id, mark)
		}
	}

	b.saveIsActive(true)
	b.state("change-met")

	for _, field := range []string{"current-password", "new-password"} {
		b.do(chromedp.Click(fmt.Sprintf("[aria-controls=%s]", field), chromedp.ByQuery))
		b.is(fmt.Sprintf(`document.getElementById(%q).type === "text"`, field))
	}

	b.shot("change-shown")
	b.follow("#save")
	b.says("The organisation, the username or the current password is wrong.")
	b.is(focused + ` === "current-password"`)

	if n := evaluate[int](b, `document.querySelectorAll("[aria-invalid=true]").length`); n != 1 {
		t.Errorf("%d fields are marked as wrong, want the current password alone", n)
	}

	b.is(`[...document.querySelectorAll("input[type=password]")].every((i) => i.value === "")`)
	b.is(`document.getElementById("advice").hidden`)
	b.state("change-wrong")

	b.fill("current-password", p.password)
	b.fill("new-password", p.password)
	b.follow("#save")
	b.says("Choose a password that meets these requirements:")
	b.is(focused + ` === "new-password"`)
	b.is(`document.getElementById("new-password-error").innerText.includes("Not the current password")`)
	b.state("change-weak")

	b.fill("current-password", p.password)
	b.fill("new-password", next)
	b.saveIsActive(true)
	b.is(`document.querySelector("[data-rule=notCurrent]").className === ""`)
	b.follow("#save")
	b.at("/")
	b.says("Your password was changed. All other devices were logged out.")
	b.says("Ada Lovelace")
	b.state("home")

	p.login(t, p.password, wrong)
	p.password = next
	p.login(t, p.password, granted)

	b.follow(`form[action="/logout"] button`)
	b.says("You are logged out.")
	b.state("logged-out")
	b.open("/")
	b.at("/login")
}

func TestPagesRememberMe(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	profile := t.TempDir()
	b := openBrowser(t, profile)

	b.logIn(p, p.password)
	b.at("/")
	b.quit()

	b = openBrowser(t, profile)
	b.open("/")
	b.at("/login")
	b.is(`document.getElementById("username").value === "" && document.getElementById("organization") === null`)

	b.open("/o/" + o.name + "/login")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.do(chromedp.Click("#remember", chromedp.ByQuery))
	b.follow("main button.primary")
	b.at("/")
	b.quit()

	b = openBrowser(t, profile)
	b.open("/")
	b.at("/")
	b.says("You are logged in")

	o.handOut(t, "ada", newPassword())
	eventually(t, "the session ends", func() error {
		if err := b.try(chromedp.Navigate(loginURL + "/")); err != nil {
			return err
		}

		if !strings.Contains(evaluate[string](b, `location.pathname`), "/login") {
			return errTooEarly
		}

		return nil
	})
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q && document.getElementById("remember").checked`, p.username))
	b.is(focused + ` === "password"`)
	b.state("remembered")
	b.fill("password", p.password)
	b.follow("main button.primary")
	b.says("The organisation, the username or the password is wrong.")
}

func TestPagesLogOutEverywhere(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	elsewhere := p.login(t, p.password, granted).Token
	b := openBrowser(t, t.TempDir())

	p.login(t, "wrong-"+newPassword(), wrong)
	b.logIn(p, p.password)
	b.at("/")
	b.says("1 failed attempt to log in was made since your previous login.")
	b.state("failed-attempts")
	b.follow(`form[action="/logout-everywhere"] button`)
	b.says("You are logged out on all devices.")
	sessionEndsEventually(t, elsewhere)
}

func TestPagesChangeForAnother(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	ada, bob := o.settled(t, "ada", nil), o.settled(t, "bob", nil)
	b := openBrowser(t, t.TempDir())

	b.open("/o/" + o.name + "/login")
	b.fill("username", ada.username)
	b.follow("#change")
	b.at("/o/" + o.name + "/change-password")
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q`, ada.username))
	b.is(`!document.getElementById("advice").hidden`)
	b.state("advice")

	b.open("/o/" + o.name + "/login")
	b.fill("username", ada.username)
	b.fill("password", ada.password)
	b.do(chromedp.Click("#remember", chromedp.ByQuery))
	b.follow("main button.primary")
	b.open("/change-password")

	next := newPassword()

	b.fill("username", bob.username)
	b.is(`!document.getElementById("advice").hidden`)
	b.fill("current-password", bob.password)
	b.fill("new-password", "x")
	b.saveIsActive(true) // Another policy may be bob's: the marks advise.
	b.fill("new-password", next)
	b.follow("#save")
	b.at("/")
	b.says("bob")
	b.follow(`form[action="/logout"] button`)
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q`, ada.username))
	bob.login(t, next, granted)
	ada.login(t, ada.password, granted)
}

func TestPagesForbiddenChange(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	b := openBrowser(t, t.TempDir())

	b.logIn(p, p.password)
	b.says("You are logged in")
	b.is(`document.querySelector("a[href='/change-password']") === null`)
	b.state("home")
	b.open("/change-password")
	b.says("This account may not change its own password. Please turn to an administrator.")
	b.is(`document.querySelector("form") === null`)
	b.state("forbidden")
}

func TestPagesExpiryWarning(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MaxAgeDays: new(int32(30)), GraceLogins: new(int32(2))})
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	o.age(t, "ada", 20*day, keySetTime)
	b.open("/o/" + o.name + "/login?return_to=%2Fapp%3Fpage%3D2")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.follow("main button.primary")
	b.says("Your password expires on")
	b.is(`document.getElementById("continue").getAttribute("href") === "/app?page=2"`)
	b.state("soon")
	b.follow(".warning a")
	b.at("/change-password")
	b.is(fmt.Sprintf(`document.getElementById("username").value === %q`, p.username))

	b.follow(".buttons a")
	b.follow(`form[action="/logout"] button`)
	o.age(t, "ada", 11*day, keySetTime)
	b.logIn(p, p.password)
	b.says("Your password has expired. 1 more login with it is possible.")
	b.state("grace")
}

func TestPagesLocked(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{
		MaxFailures: new(int32(1)), DurationMinutes: new(int32(15)),
	}})
	p := o.settled(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	p.login(t, "wrong-"+newPassword(), wrong)
	b.logIn(p, p.password)
	b.says("Too many attempts. Try again in 15 minutes.")
	b.state("locked")

	disabled := newOrganisation(t).hired(t, "eve", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	b.logIn(disabled, disabled.password)
	b.says("This account is disabled. Please turn to an administrator.")
	b.state("disabled")
}

func TestPagesWithoutScript(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())

	b.withoutScript()
	b.open("/o/" + o.name + "/login")
	b.is(`[...document.querySelectorAll(".reveal button")].every((button) => button.offsetParent === null)`)
	b.shot("login")
	b.logIn(p, p.password)
	b.says("This is your first login")
	b.shot("dialog")
	b.follow("dialog button")
	b.saveIsActive(true)
	b.shot("change")

	next := newPassword()

	b.fill("current-password", p.password)
	b.fill("new-password", "short")
	b.follow("#save")
	b.says("Choose a password that meets these requirements:")

	if marks := b.marks(); marks["minLength"] != "unmet" || marks["lowercase"] != "met" {
		t.Errorf("the server's marks are %v", marks)
	}

	b.shot("rejected")
	b.fill("current-password", p.password)
	b.fill("new-password", next)
	b.follow("#save")
	b.at("/")
	b.says("UTC")
	b.shot("home")
	p.login(t, next, granted)
}

func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, strict())
	p := o.hired(t, "ada", nil)
	b := openBrowser(t, t.TempDir())
	next := newPassword()

	press := func(keys string) { b.do(chromedp.KeyEvent(keys)) }
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
	press(p.password + kb.Tab + kb.Tab + next + kb.Enter)
	b.at("/")
	b.says("Your password was changed.")
	p.login(t, next, granted)
}

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

// TestPagesLook looks at the pages in both colour schemes, and as narrow as they get: 320 pixels are also what 200% and
// more leave of an ordinary window.
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

// TestPagesJudgeAsTheServer has the page's script and the server judge the same passwords.
func TestPagesJudgeAsTheServer(t *testing.T) {
	t.Parallel()

	data, err := os.ReadFile("../../internal/policy/testdata/passwords.json")
	must(t, err)

	type counts struct{ Length, Uppercase, Lowercase, Digits, Symbols, Classes int }

	var table struct {
		Passwords []struct {
			Name, Raw, Prepared string
			counts
		}
	}

	must(t, json.Unmarshal(data, &table))

	if len(table.Passwords) == 0 {
		t.Fatal("there are no passwords to judge")
	}

	b := openBrowser(t, t.TempDir())
	b.open("/change-password")

	for _, row := range table.Passwords {
		if row.Prepared == "" {
			continue // What is no password at all has no marks: the server says so when it is saved.
		}

		raw, err := json.Marshal(row.Raw)
		must(t, err)

		got := evaluate[struct {
			Prepared string
			Counts   counts
		}](b, fmt.Sprintf(`(() => { const prepared = keyturnRules.prepare(%s); return { prepared, counts: keyturnRules.count(prepared) } })()`, raw))
		if got.Prepared != row.Prepared || got.Counts != row.counts {
			t.Errorf("%s: the page has %q %+v, the server %q %+v", row.Name, got.Prepared, got.Counts, row.Prepared, row.counts)
		}
	}

	subject := policy.Subject{
		Username: "ada7", DisplayName: "Ada Lovelace-Śmith", Email: "ada.l@example.org", Organisation: "Büro-42",
	}
	words, err := json.Marshal(subject.Words())
	must(t, err)

	for _, raw := range []string{
		"ada", "ADA2024!", "adaada", "adaadaa", "evolecaL", "Lovelace1815", "lovelace-lovelace", "ada.l@example.org", "Śmith!", "śMITH",
		"büro42", "BÜRO", "oRÜB", "42büro42", "ada lovelace", "AdaLovelaceSmith", "adam", "lovelaceX", "Lovelace123456789", "Example", "7ada7",
		"ada77777777", "ada777777777", "👩‍🚀ada👩‍🚀", "ada.l", "ädä",
	} {
		prepared, err := policy.Prepare(raw)
		must(t, err)

		want := true
		for _, r := range (policy.Policy{MinLength: 1, MaxLength: 256, DenyAccountWords: true}).Evaluate(prepared, subject) {
			if r.ID == policy.RequirementAccountWords {
				want = r.Satisfied
			}
		}

		text, err := json.Marshal(raw)
		must(t, err)

		if got := !evaluate[bool](b, fmt.Sprintf(`keyturnRules.isAccountWord(keyturnRules.prepare(%s), %s)`, text, words)); got != want {
			t.Errorf("%q: the page says met: %t, the server %t", raw, got, want)
		}
	}
}
