package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// problemBase begins the type of every problem.
const problemBase = "https://keyturn.dev/problems/"

// The IDs of problems: the last part of their type. Programs go by them, so they are never changed.
const (
	problemInvalidCredentials = "invalid-credentials"
	problemInvalidSession     = "invalid-session"
	problemChangeRequired     = "password-change-required"
	problemChangeForbidden    = "password-change-forbidden"
	problemAccountUnavailable = "account-unavailable"
	problemOtherOrganisation  = "other-organisation"
	problemGroupsTooLarge     = "groups-too-large"
	problemPasswordRejected   = "password-rejected"
	problemTooManyAttempts    = "too-many-attempts"
	problemOverloaded         = "overloaded"
	problemUnavailable        = "unavailable"
	problemInvalidRequest     = "invalid-request"
	problemCrossOrigin        = "cross-origin-request"
	problemNotFound           = "not-found"
	problemMethodNotAllowed   = "method-not-allowed"
	problemTooLarge           = "request-too-large"
	problemUnsupportedMedia   = "unsupported-media-type"
	problemInternal           = "internal-error"
)

// problem is a problem document (RFC 9457), and the headers that go with it.
type problem struct {
	id         string
	retryAfter time.Duration
	// cause is what an attempt was refused for.
	cause error

	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what to do next.
	Detail string `json:"detail"`

	// Reason, for programs, is a word of the API of UserAccounts.
	Reason string `json:"reason,omitempty"`
	// NotBefore is when the same request can succeed.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Requirements of a new password: policy.Requirement or policy.Result.
	Requirements any `json:"requirements,omitempty"`
}

func newProblem(status int, id, title, detail string) *problem {
	return &problem{id: id, Type: problemBase + id, Title: title, Status: status, Detail: detail}
}

// write answers with the problem, and notes it as the outcome of the request.
func (p *problem) write(w http.ResponseWriter) {
	p.note(w)
	writeJSON(w, p.Status, "application/problem+json", p)
}

// note notes the problem as the outcome of the request, and sets the headers that go with it, of a document and of a page
// alike.
func (p *problem) note(w http.ResponseWriter) {
	traceOf(w).outcome = p.id
	if p.Status == http.StatusUnauthorized {
		// RFC 9110, section 15.5.2, asks for a challenge. Bearer makes no browser open a dialog.
		w.Header().Set("WWW-Authenticate", `Bearer realm="keyturn"`)
	}
	if p.retryAfter > 0 {
		// Whole seconds (RFC 9110, section 10.2.3), rounded up: a second early would be refused again.
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
}

// writeJSON answers with a document.
func writeJSON(w http.ResponseWriter, status int, contentType string, document any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		slog.Debug("Answer not delivered: the client has gone", "error", err)
	}
}
