package web

import (
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
)

// CurrentSession serves the session of a request: GET /api/v1/session tells whose it is and until when, POST renews it,
// DELETE ends it, and DELETE /api/v1/sessions ends all of the account. The first three are about the session itself and
// take a bearer of either audience; none of them leads from one audience to the other.
type CurrentSession struct{ *visits }

// Mount adds the endpoints to a mux.
func (h *CurrentSession) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/session", h.get)
	mux.HandleFunc("POST /api/v1/session", h.renew)
	mux.HandleFunc("DELETE /api/v1/session", func(w http.ResponseWriter, r *http.Request) { h.delete(w, r, false) })
	mux.HandleFunc("DELETE /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) { h.delete(w, r, true) })
}

// currentSessionAnswer has no token where the session came in a cookie: scripts shall not get to read what HttpOnly keeps.
type currentSessionAnswer struct {
	Token     string        `json:"token,omitempty"`
	TokenType string        `json:"tokenType,omitempty"`
	ExpiresAt time.Time     `json:"expiresAt"`
	Account   accountAnswer `json:"account"`
}

func (h *CurrentSession) get(w http.ResponseWriter, r *http.Request) {
	found, err := h.currentSession(r, metrics.EntryAPI)
	if err != nil {
		sessionRefusal(err).Write(w)
		return
	}
	httpkit.OmitFromLog(w)
	if httpkit.Bearer(r) == "" {
		h.renewCookie(w, r, found)
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &currentSessionAnswer{
		Account: answerOf(found.Account), ExpiresAt: found.Claims.ExpiresTime,
	})
}

func (h *CurrentSession) renew(w http.ResponseWriter, r *http.Request) {
	found, err := h.currentSession(r, metrics.EntryAPI)
	if err != nil {
		sessionRefusal(err).Write(w)
		return
	}
	signed, claims, err := h.Sessions.Renew(r.Context(), found)
	if err != nil {
		sessionRefusal(err).Write(w)
		return
	}
	answer := currentSessionAnswer{ExpiresAt: claims.ExpiresTime, Account: answerOf(found.Account)}
	if httpkit.Bearer(r) == "" {
		h.setSession(w, signed, claims)
	} else {
		answer.Token, answer.TokenType = signed.Text(), "Bearer"
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &answer)
}

func (h *CurrentSession) delete(w http.ResponseWriter, r *http.Request, everywhere bool) {
	if _, err := h.end(w, r, metrics.EntryAPI, everywhere); err != nil {
		sessionRefusal(err).Write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
