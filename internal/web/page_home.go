package web

import (
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// homePage shows who is logged in.
type homePage struct {
	Notice string
	// Warning of the password's end: at Expires, if Until says so, and then what to do.
	Warning, Ask  string
	Until         bool
	FailedWarning string
	// Change is where the person changes the password; empty where that may not be.
	Change                       string
	Name, Username, Organization string
	Set, Expires, Previous       *instant
	Failed                       int
	ReturnTo                     string
}

// accountPage is the home page where "/" belongs to an application that Keyturn's pages are proxied beside.
const accountPage = "/account"

// homeAddress is the home page for somebody who goes on to an application from there. Who goes nowhere else has come to
// Keyturn itself, or is at home with the application.
func homeAddress(to string) string {
	if to == "" {
		return "/"
	}
	return withReturnTo(accountPage, to)
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	found, err := p.current(w, r)
	if errors.Is(err, sessions.ErrInvalid) {
		http.Redirect(w, r, withReturnTo("/login", to), http.StatusSeeOther)
		return
	}
	var own login.Profile
	if err == nil {
		own, err = p.profile(r, found.Account)
	}
	if err != nil {
		p.fail(w, r, httpkit.NewUnavailable(""), "home", homeAddress(to))
		return
	}
	text := p.UI.Text(r)
	page := homePage{
		Notice: p.notice(w, r, text),
		Name:   found.Account.Spec.DisplayName, Username: found.Account.Username(), Organization: found.Account.Namespace,
		Set: at(text, own.SetTime), Expires: at(text, own.PasswordExpires), Previous: at(text, found.Claims.PreviousLogin),
		Failed: found.Claims.FailedAttempts, ReturnTo: to,
	}
	if !own.ChangeForbidden && own.NotBefore.IsZero() {
		page.Change = withReturnTo("/change-password", to)
	}
	if page.Name == "" {
		page.Name = page.Username
	}
	page.warn(text, own, p.UI.Contact(text))
	p.UI.Render(w, r, http.StatusOK, "home", page)
}

// warn says what the person should know. Who may not change the password is told whom to ask.
func (h *homePage) warn(text *ui.Text, own login.Profile, contact string) {
	if h.Failed > 0 {
		advice := "home.failed.change"
		if h.Change == "" || h.Notice != "" { // It may not be changed, or just was.
			advice = "home.failed.tell"
		}
		h.FailedWarning = text.Say("home.failed.warning", "n", h.Failed) + " " + text.Say(advice)
	}
	ask := "warning.ask"
	switch {
	case own.Expired && own.GraceLoginsLeft == 0:
		h.Warning, ask = text.Say("warning.expired.none"), "warning.ask.now"
	case own.Expired:
		h.Warning = text.Say("warning.expired", "n", own.GraceLoginsLeft)
	case own.WarnExpiry:
		h.Warning, h.Until = text.Say("warning.expires"), true
	}
	if h.Change == "" {
		h.Ask = text.Say(ask) + " " + contact
	}
}
