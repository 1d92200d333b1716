package web

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/web/returnto"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// logoutPage asks whether to log out.
type logoutPage struct {
	Name, Username, Organization string
	// ReturnTo is where the person goes on to, logged out or not; Back is that, or the home page.
	ReturnTo, Back string
}

// logoutForm asks whether to log out. Opening an address logs nobody out: any site's link or picture could do that.
func (p *Pages) logoutForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	found, err := p.current(w, r)
	switch {
	case errors.Is(err, sessions.ErrInvalid): // There is nothing to end.
		returnto.Redirect(w, cmp.Or(to, "/login"))
		return
	case err != nil:
		p.fail(w, r, httpkit.NewUnavailable(""), "logout", cmp.Or(to, "/"))
		return
	}
	p.UI.Render(w, r, http.StatusOK, "logout", logoutPage{
		Name: cmp.Or(found.Account.Spec.DisplayName, found.Account.Username()), Username: found.Account.Username(),
		Organization: found.Account.Namespace, ReturnTo: to, Back: cmp.Or(to, "/"),
	})
}

// logout ends the session, or all of the account, and leads to the form's return_to or to the login page. The form may be the
// application's own, with no field at all, and one that cannot be read logs out like any other.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request, everywhere bool) {
	to := ""
	if httpkit.ReadForm(w, r) == nil {
		to = returnTo(r.PostForm.Get("return_to"))
	}
	organization, err := p.end(w, r, metrics.EntryPage, everywhere)
	if err != nil && !errors.Is(err, sessions.ErrInvalid) {
		p.fail(w, r, httpkit.NewUnavailable(""), "logout", "/")
		return
	}
	done := noticeLoggedOut
	if everywhere && err == nil {
		done = noticeLoggedOutEverywhere
	}
	p.setNotice(w, done)
	// The account's own organisation, which is no secret of who has just logged out of it.
	landing := p.address(organization, "/login")
	if to != "" {
		landing = withReturnTo("/continue", to)
	}
	http.Redirect(w, r, landing, http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}

// notice returns what the page before this one did, if that is still to be told.
func (p *Pages) notice(w http.ResponseWriter, r *http.Request, text *ui.Text) string {
	if waiting := p.takeNotice(w, r); waiting != "" {
		return text.Say("notice." + waiting)
	}
	return ""
}
