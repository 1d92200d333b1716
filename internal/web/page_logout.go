package web

import (
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/web/ui"
)

func (p *Pages) logout(w http.ResponseWriter, r *http.Request, everywhere bool) {
	organization, err := endSession(w, r, DoorPage, p.Sessions, p.Logins, everywhere)
	if err != nil && !errors.Is(err, ErrInvalidSession) {
		p.fail(w, r, unavailable(), "logout", "/")
		return
	}
	done := noticeLoggedOut
	if everywhere && err == nil {
		done = noticeLoggedOutEverywhere
	}
	setNotice(w, r, done)
	// The account's own organisation, which is no secret of who has just logged out of it.
	http.Redirect(w, r, p.address(organization, "/login"), http.StatusSeeOther)
}

// notice returns what the page before this one did, if that is still to be told.
func notice(w http.ResponseWriter, r *http.Request, text *ui.Text) string {
	if waiting := takeNotice(w, r); waiting != "" {
		return text.Say("notice." + waiting)
	}
	return ""
}
