package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/session"
)

// CurrentSession serves GET /api/v1/session: whose session it is, and until when.
type CurrentSession struct{ Sessions *Sessions }

// Mount adds the endpoint to a mux.
func (h *CurrentSession) Mount(mux *http.ServeMux) { mux.Handle("GET /api/v1/session", h) }

type currentSessionAnswer struct {
	Account   accountAnswer `json:"account"`
	ExpiresAt time.Time     `json:"expiresAt"`
}

// ServeHTTP implements http.Handler.
func (h *CurrentSession) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, err := h.Sessions.Verify(r.Context(), tokenOf(r), session.Web)
	if err != nil {
		sessionRefusal(err).write(w, r)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", currentSessionAnswer{
		Account: profile(found.Account), ExpiresAt: found.Expires,
	})
}

// tokenOf returns the session token of a request; empty where it has none. Every endpoint takes it from here, so that
// what carries a token is decided once.
func tokenOf(r *http.Request) string {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

func sessionRefusal(err error) *problem {
	if errors.Is(err, ErrInvalidSession) {
		return newProblem(http.StatusUnauthorized, problemInvalidSession, "There is no session, or it is over", "Log in again.")
	}
	p := newProblem(http.StatusServiceUnavailable, problemUnavailable, "Sessions cannot be checked at present",
		"Try again in a moment.")
	p.retryAfter = retrySoon
	return p
}
