package web

import (
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/token"
)

// CurrentSession serves the session of a request: GET /api/v1/session returns its account and its end, POST renews it, DELETE ends
// it, and DELETE /api/v1/sessions ends all sessions of the account. All but the last take a bearer token of either audience, and
// a renewed token keeps its audience.
type CurrentSession struct{ *requestSessions }

// Mount adds the endpoints to a mux.
func (h *CurrentSession) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/session", h.get)
	mux.HandleFunc("POST /api/v1/session", h.renew)
	mux.HandleFunc("DELETE /api/v1/session", func(w http.ResponseWriter, r *http.Request) { h.delete(w, r, false) })
	mux.HandleFunc("DELETE /api/v1/sessions", func(w http.ResponseWriter, r *http.Request) { h.delete(w, r, true) })
}

// currentSessionAnswer has no token if the session came in a cookie: the cookie is HttpOnly, so scripts must not get its value.
type currentSessionAnswer struct {
	Token     string        `json:"token,omitempty"`
	TokenType string        `json:"tokenType,omitempty"`
	ExpiresAt string        `json:"expiresAt"` // As text: encoding a time.Time takes a tenth of a session check.
	Account   accountAnswer `json:"account"`
	// Method of the login, and the provider that has said who the person is; empty where a password that Keyturn keeps was given.
	Method   token.Method `json:"method,omitempty"`
	Provider string       `json:"provider,omitempty"`
}

// setMethod says how the person of a session logged in, where that was not by a password that Keyturn keeps.
func (a *currentSessionAnswer) setMethod(claims *token.Claims) {
	if claims.Method != token.Password {
		a.Method, a.Provider = claims.Method, claims.Provider
	}
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
	answer := &currentSessionAnswer{Account: accountAnswerOf(found.Account, found.Groups), ExpiresAt: found.Claims.ExpiresTime.Format(time.RFC3339)}
	answer.setMethod(&found.Claims)
	httpkit.WriteJSON(w, http.StatusOK, "application/json", answer)
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
	answer := currentSessionAnswer{ExpiresAt: claims.ExpiresTime.Format(time.RFC3339), Account: accountAnswerOf(found.Account, found.Groups)}
	if httpkit.Bearer(r) == "" {
		h.setSession(w, signed, claims)
	} else {
		answer.Token, answer.TokenType = signed.Text(), "Bearer"
	}
	answer.setMethod(&claims)
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &answer)
}

func (h *CurrentSession) delete(w http.ResponseWriter, r *http.Request, everywhere bool) {
	if _, err := h.endSession(w, r, metrics.EntryAPI, everywhere); err != nil {
		sessionRefusal(err).Write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
