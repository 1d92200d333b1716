package web

import (
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// visits finds and ends the sessions of requests, and keeps them in cookies. Every endpoint that takes a session goes through it.
type visits struct {
	Sessions *sessions.Service
	Metrics  *metrics.Metrics
	cookies
}

// check returns the session of a request, of the audience web, and counts that. Errors: sessions.ErrInvalid,
// sessions.ErrUnavailable.
func (v *visits) check(r *http.Request, entry metrics.Entry) (sessions.Session, error) {
	presented := v.Token(r)
	found, err := v.Sessions.Check(r.Context(), presented, token.Web)
	v.Metrics.SessionCheck(entry, presented, err)
	return found, err
}

// currentSession returns the session of a request that is about this session and nothing else of the account: that of a bearer of
// either audience, or of the cookie, which has the audience web only. Errors: as check.
func (v *visits) currentSession(r *http.Request, entry metrics.Entry) (sessions.Session, error) {
	presented := v.Token(r)
	found, err := v.Sessions.Check(r.Context(), presented, token.Web)
	if errors.Is(err, sessions.ErrInvalid) && httpkit.Bearer(r) != "" {
		found, err = v.Sessions.Check(r.Context(), presented, token.Kubernetes)
	}
	v.Metrics.SessionCheck(entry, presented, err)
	return found, err
}

// end ends the session of a request, or all sessions of its account, takes the cookie back and returns the organisation. Errors:
// sessions.ErrInvalid where there is none to end, sessions.ErrUnavailable where it could not be ended.
func (v *visits) end(w http.ResponseWriter, r *http.Request, entry metrics.Entry, everywhere bool) (string, error) {
	find := v.currentSession
	if everywhere {
		find = v.check
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
	}
	if err != nil {
		return "", err
	}
	return found.Account.Namespace, nil
}

// renewCookie issues the cookie of a session again when half of its time is over. Bearers renew by themselves.
func (v *visits) renewCookie(w http.ResponseWriter, r *http.Request, held sessions.Session) {
	if signed, claims, ok := v.Sessions.RenewHalfway(r.Context(), held); ok {
		v.setSession(w, signed, claims)
	}
}

// sessionRefusal is the problem of an error of check.
func sessionRefusal(err error) *httpkit.Problem {
	if errors.Is(err, sessions.ErrInvalid) {
		return httpkit.NewProblem(http.StatusUnauthorized, httpkit.InvalidSession, httpkit.Message{Key: "problem." + httpkit.InvalidSession})
	}
	return httpkit.NewUnavailable("session")
}
