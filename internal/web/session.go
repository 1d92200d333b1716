package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

// CurrentSession serves the session of who asks: GET /api/v1/session tells whose it is and until when, POST renews it,
// DELETE ends it, and DELETE /api/v1/sessions ends all of the account. The first three are about the session itself and
// take a bearer of either audience; none of them leads from one audience to the other.
type CurrentSession struct {
	Sessions *Sessions
	Logins   *login.Service
}

// Mount adds the endpoints to a mux.
func (h *CurrentSession) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/session", h.get)
	mux.HandleFunc("POST /api/v1/session", h.renew)
	mux.HandleFunc("DELETE /api/v1/session", h.end)
	mux.HandleFunc("DELETE /api/v1/sessions", h.endAll)
}

// currentSessionAnswer tells the time, which is in whole seconds, as a text: a time.Time takes a tenth of a check to encode.
type currentSessionAnswer struct {
	Account   accountAnswer `json:"account"`
	ExpiresAt string        `json:"expiresAt"`
}

// renewalAnswer has no token where the session came in a cookie: scripts shall not get to read what HttpOnly keeps.
type renewalAnswer struct {
	Token     string        `json:"token,omitempty"`
	TokenType string        `json:"tokenType,omitempty"`
	ExpiresAt time.Time     `json:"expiresAt"`
	Account   accountAnswer `json:"account"`
}

func (h *CurrentSession) get(w http.ResponseWriter, r *http.Request) {
	found, err := h.Sessions.itself(r, DoorAPI)
	if err != nil {
		sessionRefusal(err).write(w)
		return
	}
	traceOf(w).unlogged = true
	h.Sessions.slide(w, r, found)
	writeJSON(w, http.StatusOK, "application/json", &currentSessionAnswer{
		Account: profile(found.Account), ExpiresAt: found.Claims.ExpiresTime.Format(time.RFC3339),
	})
}

func (h *CurrentSession) renew(w http.ResponseWriter, r *http.Request) {
	found, err := h.Sessions.itself(r, DoorAPI)
	if err != nil {
		sessionRefusal(err).write(w)
		return
	}
	signed, claims, err := h.Sessions.Renew(r.Context(), found)
	if err != nil {
		sessionRefusal(err).write(w)
		return
	}
	answer := renewalAnswer{ExpiresAt: claims.ExpiresTime, Account: profile(found.Account)}
	if bearer(r) == "" {
		setSessionCookie(w, r, signed, claims)
	} else {
		answer.Token, answer.TokenType = signed.Text(), "Bearer"
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}

func (h *CurrentSession) end(w http.ResponseWriter, r *http.Request)    { h.leave(w, r, false) }
func (h *CurrentSession) endAll(w http.ResponseWriter, r *http.Request) { h.leave(w, r, true) }

func (h *CurrentSession) leave(w http.ResponseWriter, r *http.Request, everywhere bool) {
	if _, err := endSession(w, r, DoorAPI, h.Sessions, h.Logins, everywhere); err != nil {
		sessionRefusal(err).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// dropOwnCookie takes the cookie back where it was what named the session, and not the Authorization header.
func dropOwnCookie(w http.ResponseWriter, r *http.Request) {
	if bearer(r) == "" {
		dropSessionCookie(w, r)
	}
}

// itself returns the session of a request that is about this session and nothing else of the account: that of a bearer of
// either audience, or of the cookie, which opens doors of the web only. Errors and counts as of Check.
func (s *Sessions) itself(r *http.Request, door Door) (Session, error) {
	signed := tokenOf(r)
	found, err := s.Verify(r.Context(), signed, token.Web)
	if bearer(r) != "" && errors.Is(err, ErrInvalidSession) {
		found, err = s.Verify(r.Context(), signed, token.Kubernetes)
	}
	s.count(door, signed, err)
	return found, err
}

// endSession ends the session of a request, or all of its account, takes the cookie back and tells the organisation.
// Errors: ErrInvalidSession where there is none to end, ErrSessionUnknown where it could not be ended.
func endSession(w http.ResponseWriter, r *http.Request, door Door, sessions *Sessions, logins *login.Service, everywhere bool) (string, error) {
	check := sessions.itself
	if everywhere {
		check = func(r *http.Request, door Door) (Session, error) {
			return sessions.Check(r.Context(), door, tokenOf(r), token.Web)
		}
	}
	found, err := check(r, door)
	if errors.Is(err, ErrInvalidSession) {
		dropOwnCookie(w, r)
	}
	if err != nil {
		return "", err
	}
	if everywhere {
		err = logins.EndSessions(r.Context(), found.Account)
	} else {
		err = endAlone(r, sessions, logins, found)
	}
	if err != nil {
		return "", ErrSessionUnknown
	}
	dropOwnCookie(w, r)
	return found.Account.Namespace, nil
}

// endAlone ends one session. Errors: ErrSessionUnknown, login.ErrUnavailable.
func endAlone(r *http.Request, sessions *Sessions, logins *login.Service, held Session) error {
	forget, err := sessions.Forget(r.Context(), held)
	if err != nil {
		return err
	}
	return logins.EndSession(r.Context(), held.Account, held.Claims.SessionID, forget)
}

// slide issues the cookie of a session again when half of its time is over. Bearers renew by themselves.
func (s *Sessions) slide(w http.ResponseWriter, r *http.Request, held Session) {
	if bearer(r) == "" {
		s.slideCookie(w, r, held)
	}
}

// slideCookie is slide for a session that came in the cookie.
func (s *Sessions) slideCookie(w http.ResponseWriter, r *http.Request, held Session) {
	c := held.Claims
	if s.Clock.Now().Before(c.IssuedTime.Add(c.ExpiresTime.Sub(c.IssuedTime) / 2)) {
		return
	}
	claims, err := s.renewed(r.Context(), held)
	if err != nil || !claims.ExpiresTime.After(c.ExpiresTime) {
		return // It goes on as long as it has. A signature that nobody gets would cost more than all of the check.
	}
	if signed, err := s.sign(claims); err == nil {
		setSessionCookie(w, r, signed, claims)
	}
}

func sessionRefusal(err error) *problem {
	if errors.Is(err, ErrInvalidSession) {
		return newProblem(http.StatusUnauthorized, problemInvalidSession, "There is no session, or it is over",
			"Log in again.")
	}
	p := newProblem(http.StatusServiceUnavailable, problemUnavailable, "Sessions cannot be checked at present",
		"Try again in a moment.")
	p.retryAfter = retrySoon
	return p
}
