package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// requestSessions finds, renews and ends the sessions of requests. Every endpoint that takes a session uses it.
type requestSessions struct {
	Sessions *sessions.Service
	Catalog  *catalog.Catalog
	Metrics  *metrics.Metrics
	// ConsoleHosts are the hosts of the console. A login there is for the audience console.
	ConsoleHosts httpkit.Hosts
	cookies
}

// audience returns the audience of a session that begins on a page.
func (v *requestSessions) audience(r *http.Request) token.Audience {
	if v.ConsoleHosts.Has(r) {
		return token.Console
	}
	return token.Web
}

// check returns the session of a token for the people's pages: of the audience web or, at a host of the console, of that one, too.
func (v *requestSessions) check(r *http.Request, presented string) (sessions.Session, error) {
	found, err := v.Sessions.Check(r.Context(), presented, token.Web)
	if errors.Is(err, sessions.ErrInvalid) && v.ConsoleHosts.Has(r) {
		return v.Sessions.Check(r.Context(), presented, token.Console)
	}
	return found, err
}

// webSession returns the session of a request for the people's pages, and counts the check in the metrics. Errors:
// sessions.ErrInvalid, sessions.ErrUnavailable.
func (v *requestSessions) webSession(r *http.Request, entry metrics.Entry) (sessions.Session, error) {
	presented := v.Token(r)
	found, err := v.check(r, presented)
	v.Metrics.SessionCheck(entry, presented, err)
	return found, err
}

// currentSession is webSession for requests about the session itself, such as a logout: a bearer token may have any audience.
func (v *requestSessions) currentSession(r *http.Request, entry metrics.Entry) (sessions.Session, error) {
	presented := v.Token(r)
	found, err := v.check(r, presented)
	for _, audience := range []token.Audience{token.Kubernetes, token.Console} {
		if errors.Is(err, sessions.ErrInvalid) && httpkit.Bearer(r) != "" {
			found, err = v.Sessions.Check(r.Context(), presented, audience)
		}
	}
	v.Metrics.SessionCheck(entry, presented, err)
	return found, err
}

// endSession ends the session of a request, or all sessions of its account, and returns it. In a browser it deletes the cookie, and notes the logout.
// Errors: sessions.ErrInvalid if there is no session, sessions.ErrUnavailable if it could not be ended.
func (v *requestSessions) endSession(w http.ResponseWriter, r *http.Request, entry metrics.Entry, everywhere bool) (sessions.Session, error) {
	find := v.currentSession
	if everywhere {
		find = v.webSession
	}
	found, err := find(r, entry)
	switch {
	case err != nil:
	case everywhere:
		err = v.Sessions.EndAll(r.Context(), found.Account)
	default:
		err = v.Sessions.End(r.Context(), found)
	}
	if httpkit.Bearer(r) == "" && !errors.Is(err, sessions.ErrUnavailable) {
		v.Drop(w, httpkit.SessionCookie)
		v.noteLoggedOut(w, r)
	}
	return found, err
}

// noteLoggedOut notes that the person of a browser has logged out, so that no login page asks it for a ticket by itself. It does so wherever anybody logs in
// by tickets: whose session it was is not known if it was over before, and the next login page may be another organisation's.
func (v *requestSessions) noteLoggedOut(w http.ResponseWriter, r *http.Request) {
	declared, err := v.Catalog.IdentityProviders(r.Context())
	if err != nil || slices.ContainsFunc(declared, takesTickets) {
		v.Set(w, negotiatedCookie, "1", loggedOutLasts)
	}
}

// renewCookie renews the cookie in the second half of the session's time. Clients with a bearer token renew it themselves.
func (v *requestSessions) renewCookie(w http.ResponseWriter, r *http.Request, found sessions.Session) {
	if signed, claims, ok := v.Sessions.RenewHalfway(r.Context(), found); ok {
		v.setSession(w, signed, claims)
	}
}
