package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
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

// TestPagesFirstLogin: a new person logs in with the handed-out password, is asked for another one, makes the usual mistakes on the change
// page, changes it, and logs out.
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

	if marks := fmt.Sprint(b.marks()); strings.Contains(marks, "met") {
		t.Errorf("before anything is typed the marks are %s", marks)
	}

	next := "Tulip+7/harbour-" + newPassword()
	b.fill("current-password", "wrong-"+next)
	met, half := 0, false

	for _, key := range next {
		b.do(chromedp.SendKeys("#new-password", string(key), chromedp.ByQuery))

		now := strings.Count(fmt.Sprint(b.marks()), ":met")
		if now < met {
			t.Errorf("%d marks are green, %d were before", now, met)
		}

		if now > met && now == 4 {
			b.saveIsActive(false) // All fields are filled, and requirements are unmet.
			b.state("change-half")

			half = true
		}

		met = now
	}

	if !half {
		t.Error("the marks never were half green")
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
	b.fill("new-password", "x")
	b.submit("change-form") // as without script, which holds the button back

	for _, unmet := range []string{"At least 8 characters", "At least 1 uppercase letter", "At least 1 digit", "At least 2 symbols"} {
		b.is(fmt.Sprintf(`document.getElementById("new-password-error").innerText.includes(%q)`, unmet))
	}

	b.is(`document.querySelector("[data-rule=minLength]").className === "unmet" && document.querySelector("[data-rule=lowercase]").className === "met"`)
	b.state("change-several")

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

	token := b.cookies()["keyturn-session"].Value
	b.follow(`form[action="/logout"] button`)
	b.says("You are logged out.")
	sessionEndsEventually(t, noteSecret(token))
	b.state("logged-out")
	b.open("/")
	b.at("/login")
}

// TestPagesRememberMe: without "remember me" a login ends with the browser; with it, it goes on, until a reset ends it. Then the page shows
// the remembered username.
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

// TestPagesLogOutEverywhere: the home page reports failed attempts, and its button "log out everywhere" ends the sessions on all devices.
func TestPagesLogOutEverywhere(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	elsewhere := p.login(t, p.password, granted).Token
	b := openBrowser(t, t.TempDir())

	p.login(t, "wrong-"+newPassword(), wrong)
	b.logIn(p, p.password)
	b.at("/")
	b.says("1 failed attempt to log in was made before this one. If that was not you, change your password and tell an administrator.")
	b.state("failed-attempts")
	b.follow(`form[action="/logout-everywhere"] button`)
	b.says("You are logged out on all devices.")
	b.state("logged-out-everywhere")
	sessionEndsEventually(t, elsewhere)
}

// TestPagesChangeForAnother: somebody who is logged in or remembered as one person can change another person's password on the change page,
// and nothing of the first changes.
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

// TestPagesForbiddenChange: an account that may not change its password has no link to the change page, and that page has no form.
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

// TestPagesExpiryWarning: the home page warns of a password that expires soon and of grace logins, and leads on to where the person was
// going.
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
	b.follow(`form[action="/logout"] button`)
	b.logIn(p, p.password)
	b.says("Your password has expired, and this was the last login with it.")
	b.state("grace-last")
}

// TestPagesLocked: the login page says for how long an account is locked, and that an account is disabled.
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
