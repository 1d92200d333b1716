package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// offerTimeout is how long the home page waits for the answer whether it may offer the console.
const offerTimeout = 300 * time.Millisecond

// homePage shows who is logged in.
type homePage struct {
	Notice string
	// Warning that the password expires or has expired. Until adds the time Expires to it; Ask says whom to ask for a new password.
	Warning, Ask  string
	Until         bool
	FailedWarning string
	// Change is the address of the change page; empty if the person may not change the password now.
	Change                       string
	Name, Username, Organization string
	Set, Expires, Previous       *ui.Instant
	// Reset is when an administrator last reset the password.
	Reset *ui.Instant
	// Keeper of the password; nil where Keyturn keeps it. Elsewhere leads to where it is changed; nil for none.
	Keeper    *keeper
	Elsewhere *ui.Link
	// Console: the person may list accounts in the console.
	Console  bool
	Failed   int
	ReturnTo string
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query())
	found, err := p.session(w, r)
	if errors.Is(err, sessions.ErrInvalid) {
		http.Redirect(w, r, withReturnTo("/login", to), http.StatusSeeOther)
		return
	}
	var profile login.Profile
	if err == nil {
		profile, err = p.profile(r, found.Account)
	}
	if err != nil {
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "home", homeAddress(to))
		return
	}
	text := p.UI.Text(r)
	notice, _ := p.notice(w, r, text)
	page := homePage{
		Notice: notice, Keeper: p.keeperOf(r.Context(), found.Account),
		Name: found.Account.Spec.DisplayName, Username: found.Account.Username(), Organization: found.Account.Namespace,
		Set: ui.NewInstant(text, profile.SetTime), Expires: ui.NewInstant(text, profile.PasswordExpires), Previous: ui.NewInstant(text, found.Claims.PreviousLogin),
		Failed: found.Claims.FailedAttempts, ReturnTo: to, Reset: ui.NewInstant(text, profile.ResetTime),
		Console: p.offersConsole(r, found),
	}
	if !profile.ChangeForbidden && profile.NotBefore.IsZero() {
		page.Change = withReturnTo("/change-password", to)
	}
	if page.Keeper != nil {
		page.Elsewhere = page.Keeper.linkTo(text)
	}
	if page.Name == "" {
		page.Name = page.Username
	}
	page.setWarnings(text, profile, p.UI.Contact(text))
	p.UI.Render(w, r, http.StatusOK, "home", page)
}

// offersConsole tells whether to show a link to the console: at its hosts, to those who may list the accounts of their organisation.
func (p *Pages) offersConsole(r *http.Request, found sessions.Session) bool {
	if !p.ConsoleHosts.Has(r) {
		return false
	}
	asking, cancel := context.WithTimeout(r.Context(), offerTimeout)
	defer cancel()
	allowed, err := p.MayListAccounts(asking, found, found.Account.Namespace)
	return err == nil && allowed
}

// setWarnings sets the warnings. If the person may not change the password, they say whom to ask.
func (h *homePage) setWarnings(text *ui.Text, profile login.Profile, contact string) {
	if h.Failed > 0 {
		advice := "home.failed.change"
		if h.Change == "" || h.Notice != "" { // The password may not be changed now, or has just been.
			advice = "home.failed.tell"
		}
		h.FailedWarning = text.Say("home.failed.warning", "n", h.Failed) + " " + text.Say(advice)
	}
	ask := "warning.ask"
	switch {
	case profile.Expired && profile.GraceLoginsLeft == 0:
		h.Warning, ask = text.Say("warning.expired.none"), "warning.ask.now"
	case profile.Expired:
		h.Warning = text.Say("warning.expired", "n", profile.GraceLoginsLeft)
	case profile.WarnExpiry:
		h.Warning, h.Until = text.Say("warning.expires"), true
	}
	if h.Change == "" {
		h.Ask = text.Say(ask) + " " + contact
	}
}
