package web

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// logoutPage asks whether to log out.
type logoutPage struct {
	Name, Username, Organization string
	// Provider that has logged the person in, by its display name; empty where a password or a ticket has. Its own session goes on.
	Provider string
	// ReturnTo is where the person goes on to after the logout. Back is where Cancel leads.
	ReturnTo, Back string
}

// logoutForm asks whether to log out. A GET must not log out: a link or an image of any site could send one.
func (p *Pages) logoutForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query())
	found, err := p.session(w, r)
	switch {
	case errors.Is(err, sessions.ErrInvalid): // There is no session to end.
		if isOwnStart(r) && isNavigation(r) { // The person has clicked on a link, which no other site shows.
			p.noteLoggedOut(w, r)
		}
		returnto.Redirect(w, cmp.Or(to, "/login"))
		return
	case err != nil:
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "logout", cmp.Or(to, "/"))
		return
	}
	page := logoutPage{
		Name: cmp.Or(found.Account.Spec.DisplayName, found.Account.Username()), Username: found.Account.Username(),
		Organization: found.Account.Namespace, ReturnTo: to, Back: cmp.Or(to, "/"),
	}
	if found.Claims.Method == token.OIDC {
		page.Provider = p.displayName(r.Context(), found.Claims.Provider)
	}
	p.UI.Render(w, r, http.StatusOK, "logout", page)
}

// logout ends the session, or all sessions of the account, and redirects to the form's return_to or to the login page. An
// application may post a form of its own, without fields: a form that cannot be read logs out as well.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request, everywhere bool) {
	to := ""
	if httpkit.ReadForm(w, r) == nil {
		to = returnTo(r.PostForm)
	}
	ended, err := p.endSession(w, r, metrics.EntryPage, everywhere)
	if err != nil && !errors.Is(err, sessions.ErrInvalid) {
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "logout", "/")
		return
	}
	done := noticeLoggedOut
	if everywhere && err == nil {
		done = noticeLoggedOutEverywhere
	}
	landing := "/login"
	if err == nil {
		landing = inOrganization(p.unlessDefault(ended.Account.Namespace), landing)
		if ended.Claims.Method == token.OIDC {
			done = withProvider(done, ended.Claims.Provider)
		}
	}
	p.setNotice(w, done)
	if to != "" {
		landing = withReturnTo("/continue", to)
	}
	http.Redirect(w, r, landing, http.StatusSeeOther)
}
