package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/token"
)

// attemptTimeout bounds how long an attempt waits. Once its password is being hashed it is finished whatever happens, within
// ten seconds for the hash and ten more (see internal/login): the write timeout of the server has to leave room for all of it.
const attemptTimeout = 15 * time.Second

// Attempts is what the endpoints have in common at which a password is given.
type Attempts struct {
	*visits

	Logins *login.Service
	// DefaultNamespace is the organisation of a request that names none.
	DefaultNamespace string
	Throttle         *throttle.Throttle
	Audit            *audit.Recorder
}

// accountAnswer is the account of a person, as the API tells it.
type accountAnswer struct {
	Namespace   string   `json:"namespace"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

func answerOf(a *v1alpha1.UserAccount) accountAnswer {
	answer := accountAnswer{
		Namespace: a.Namespace, Username: a.Username(), DisplayName: a.Spec.DisplayName, Email: a.Spec.Email, Groups: a.Spec.Groups,
	}
	if answer.Groups == nil {
		answer.Groups = []string{} // An empty list, and not null.
	}
	return answer
}

// sessionAnswer is the answer to an attempt that was granted.
type sessionAnswer struct {
	Token             string        `json:"token"`
	TokenType         string        `json:"tokenType"`
	ExpiresAt         time.Time     `json:"expiresAt"`
	Account           accountAnswer `json:"account"`
	PasswordExpiresAt time.Time     `json:"passwordExpiresAt,omitzero"`
	Warnings          []warning     `json:"warnings,omitempty"`
}

// attempt is one attempt: who makes it, at which entry point, and what is asked for.
type attempt struct {
	entry    string
	who      login.Who
	audience string
	remember bool
	// login runs the attempt in package login.
	login func(context.Context, login.Who) (*login.Result, error)
}

// grant is what an attempt that was granted gives.
type grant struct {
	*login.Result

	signed token.Token
	claims token.Claims
	// devices that the request has proven.
	devices []device
}

// serve runs an attempt of the API and answers it.
func (a *Attempts) serve(w http.ResponseWriter, r *http.Request, at attempt) {
	granted, refusal := a.run(r, at)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	a.rememberDevice(w, granted)
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &sessionAnswer{
		Token: granted.signed.Text(), TokenType: "Bearer", ExpiresAt: granted.claims.ExpiresTime,
		Account:           answerOf(granted.Account),
		PasswordExpiresAt: granted.Answer.PasswordExpires,
		Warnings:          warnings(granted.Answer),
	})
}

// run runs an attempt, counts it and has the audit log write it down. Every entry point goes through it.
func (a *Attempts) run(r *http.Request, at attempt) (*grant, *httpkit.Problem) {
	audience, err := token.ParseAudience(at.audience)
	if err != nil {
		return nil, httpkit.Invalid(`The audience must be "web", which is the default, or "kubernetes".`)
	}
	if at.remember && audience != token.Web {
		return nil, httpkit.Invalid(`Only a session of the audience "web" can be remembered.`)
	}
	if at.who.Namespace == "" {
		at.who.Namespace = a.DefaultNamespace
	}
	began := time.Now()
	granted, refusal := a.throttled(r, at, audience)
	outcome := metrics.Granted
	line := audit.Attempt{Door: at.entry, Namespace: at.who.Namespace, Username: at.who.Username, Granted: refusal == nil}
	if refusal != nil {
		outcome = refusal.ID
		line.Problem, line.Reason = refusal.ID, auditReason(refusal)
	} else {
		line.SessionID = granted.claims.SessionID
	}
	a.Metrics.Attempt(at.entry, outcome, time.Since(began))
	a.Audit.Attempt(r.Context(), line)
	return granted, refusal
}

// throttled runs an attempt unless too many from its address have failed. That is decided before anything is looked up, so
// that it says nothing about the account.
func (a *Attempts) throttled(r *http.Request, at attempt, audience token.Audience) (*grant, *httpkit.Problem) {
	place, wait := a.Throttle.Begin(audit.RequestOf(r.Context()).Address)
	if wait > 0 {
		return nil, refusalOf(&addressThrottledError{retryAfter: wait})
	}
	failed := true
	defer func() { place.End(failed) }()
	devices := a.devices(r)
	at.who.Devices = loginDevices(devices)
	granted, refusal := a.logIn(r.Context(), at, audience)
	if granted != nil {
		granted.devices = devices
	}
	failed = refusal != nil && isFailure(refusal)
	return granted, refusal
}

// logIn runs an attempt in package login, and issues the session.
func (a *Attempts) logIn(ctx context.Context, at attempt, audience token.Audience) (*grant, *httpkit.Problem) {
	if !a.Sessions.Ready() {
		// Not after the attempt: a changed password or a used-up grace login could not be answered with a session.
		slog.Error("Login refused because there is no signing key: the operator makes it, see its log")
		return nil, httpkit.NewUnavailable("")
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	granted, err := at.login(ctx, at.who)
	if err != nil {
		return nil, refusalOf(err)
	}
	signed, claims, err := a.Sessions.Issue(sessions.Login{Record: granted.Record, Policy: granted.Policy, Answer: granted.Answer}, audience, at.remember)
	if err != nil {
		slog.Error("Login refused because its session cannot be signed", "error", err)
		return nil, httpkit.NewUnavailable("")
	}
	return &grant{Result: granted, signed: signed, claims: claims}, nil
}
