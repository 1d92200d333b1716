package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// Codes serves POST /api/v1/token: it answers a login code, which a person has allowed on the page /login/kubectl, with a session for
// Kubernetes.
type Codes struct{ *Attempts }

// Mount adds the endpoint to a mux.
func (h *Codes) Mount(mux *http.ServeMux) { mux.Handle("POST /api/v1/token", h) }

type codeRequest struct {
	Code     string `json:"code"`
	Verifier string `json:"verifier"`
}

// ServeHTTP implements http.Handler.
func (h *Codes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body codeRequest
	refusal := httpkit.ReadJSON(w, r, &body, "code (text), verifier (text)")
	if refusal == nil && (body.Code == "" || body.Verifier == "") {
		refusal = httpkit.Invalid("Give a code, and the verifier whose challenge it was made for.")
	}
	if refusal != nil {
		refusal.Write(w)
		return
	}
	began := time.Now()
	granted, signed, refusal := h.exchangeThrottled(r, body)
	outcome := metrics.Granted
	line := audit.Attempt{Door: metrics.EntryKubectl, Granted: refusal == nil}
	if refusal != nil {
		outcome = refusal.ID
		line.Problem, line.Reason = refusal.ID, auditReason(refusal)
	} else {
		line.Namespace, line.Username, line.SessionID = granted.Account.Namespace, granted.Account.Username(), granted.Claims.SessionID
		line.Provider = granted.Claims.Provider
		if line.Provider != "" { // As of other attempts, the method goes with a provider.
			line.Method = string(granted.Claims.Method)
		}
	}
	h.Metrics.Attempt(metrics.EntryKubectl, outcome, time.Since(began))
	h.Audit.Attempt(r.Context(), line)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &sessionAnswer{
		Token: signed.Text(), TokenType: "Bearer", ExpiresAt: granted.Claims.ExpiresTime, Account: accountAnswerOf(granted.Account, granted.Groups),
	})
}

// exchangeThrottled exchanges a code unless too many attempts from its address have failed.
func (h *Codes) exchangeThrottled(r *http.Request, body codeRequest) (sessions.Session, token.Token, *httpkit.Problem) {
	place, wait := h.Throttle.Begin(audit.RequestOf(r.Context()).Address)
	if wait > 0 {
		refusal := tooManyAttempts(wait)
		refusal.Cause = errAddressThrottled
		return sessions.Session{}, token.Token{}, refusal
	}
	failed := true
	defer func() { place.End(failed) }()
	granted, signed, refusal := h.exchange(r.Context(), body)
	failed = refusal != nil && isFailure(refusal)
	return granted, signed, refusal
}

func (h *Codes) exchange(ctx context.Context, body codeRequest) (sessions.Session, token.Token, *httpkit.Problem) {
	if !h.Sessions.Ready() {
		slog.Error("Login code refused because there is no signing key: the operator makes it, see its log")
		return sessions.Session{}, token.Token{}, httpkit.NewUnavailable("")
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	granted, signed, err := h.Sessions.Exchange(ctx, body.Code, body.Verifier)
	switch {
	case errors.Is(err, sessions.ErrInvalid):
		return sessions.Session{}, token.Token{}, problem(http.StatusUnauthorized, httpkit.InvalidCode)
	case err != nil:
		return sessions.Session{}, token.Token{}, httpkit.NewUnavailable("")
	}
	return granted, signed, nil
}
