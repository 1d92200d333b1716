package web

import (
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// homePage shows who is logged in.
type homePage struct {
	Notice, Warning, FailedWarning string
	WarnExpiry                     bool
	// Change tells whether the person may change the password.
	Change                       bool
	Name, Username, Organization string
	Set, Expires, Previous       *instant
	Failed                       int
	ReturnTo                     string
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	found, err := p.current(w, r)
	if errors.Is(err, ErrInvalidSession) {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	if err != nil {
		p.fail(w, r, unavailable(), "/")
		return
	}
	own, err := p.Logins.Profile(r.Context(), found.Account)
	if err != nil {
		p.fail(w, r, unavailable(), "/")
		return
	}
	text := p.UI.Text(r)
	page := homePage{
		Notice: notice(text, r), Change: !own.ChangeForbidden,
		Name: found.Account.Spec.DisplayName, Username: found.Account.Username(), Organization: found.Account.Namespace,
		Set: at(text, own.SetTime), Expires: at(text, own.PasswordExpires), Previous: at(text, found.Claims.PreviousLogin),
		Failed: found.Claims.FailedAttempts, ReturnTo: returnTo(r.URL.Query().Get("return_to")),
	}
	if page.Name == "" {
		page.Name = page.Username
	}
	page.warn(text, own)
	p.UI.Render(w, r, http.StatusOK, "home", page)
}

func (h *homePage) warn(text *ui.Text, own login.Profile) {
	if h.Failed > 0 {
		h.FailedWarning = text.Say("home.failed.warning", "n", h.Failed)
	}
	switch {
	case own.Expired && own.GraceLoginsLeft == 0:
		h.Warning = text.Say("warning.expired.none")
	case own.Expired:
		h.Warning = text.Say("warning.expired", "n", own.GraceLoginsLeft)
	case own.WarnExpiry:
		h.Warning, h.WarnExpiry = text.Say("warning.expires"), true
	}
}
