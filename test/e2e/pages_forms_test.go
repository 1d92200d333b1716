package e2e_test

import "testing"

// lacksUsername is what Chromium says of a form with a password and no username. It looks at each field once, and at a form as
// soon as one of its fields has the focus. A page that wants the focus at a password (autofocus) may be half read by then: the
// username was looked at with the first half, so Chromium complains of the second. usernamesFirst looks at whole forms instead.
const lacksUsername = "[DOM] Password forms should have (optionally hidden) username fields"

// formsWithoutUsername finds the forms that have a password, and no username before it. Where an administrator resets somebody's password, the
// username is marked as none on purpose: password managers are to keep nobody else's password.
const formsWithoutUsername = `[...document.forms].filter((form) => {
	const fields = [...form.querySelectorAll("input")], kind = (field) => field.getAttribute("autocomplete") || "";
	const password = fields.findIndex((field) => field.type === "password" || kind(field).endsWith("-password"));
	return password >= 0 && !fields.slice(0, password).some((field) => field.type !== "hidden" &&
		(kind(field) === "username" || form.id === "reset-form" && field.name === "username" && kind(field) === "off"));
}).length`

// usernamesFirst wants each form with a password to say whose it is: password managers go by that.
func (b *browser) usernamesFirst() {
	b.t.Helper()

	if n := evaluate[int](b, formsWithoutUsername); n != 0 {
		b.t.Errorf("%d forms have a password and no username before it", n)
	}
}

// TestFormsWithoutUsername: the check that every form of a page has a username field finds a form without one.
func TestFormsWithoutUsername(t *testing.T) {
	t.Parallel()

	b := openBrowser(t, t.TempDir())
	b.open("/change-password") // which wants that there is none

	if n := evaluate[int](b, `document.getElementById("username").type = "hidden", `+formsWithoutUsername); n != 1 {
		t.Errorf("%d forms without a username are found, want 1", n)
	}
}
