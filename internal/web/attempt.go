package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/token"
)

// attemptTimeout bounds how long an attempt waits. Once its password is being hashed it is finished whatever happens, within
// ten seconds for the hash and ten more (see internal/login): http.Server's WriteTimeout has to leave room for all of it.
const attemptTimeout = 15 * time.Second

// Attempts is what the endpoints that check a password have in common.
type Attempts struct {
	Logins   *login.Service
	Sessions *Sessions
	Metrics  *Metrics
	// DefaultNamespace is the organisation of those who name none.
	DefaultNamespace string
	Throttle         *throttle.Throttle
	Audit            *audit.Recorder
}

// accountAnswer is the profile of a person.
type accountAnswer struct {
	Namespace   string   `json:"namespace"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

func profile(a *v1alpha1.UserAccount) accountAnswer {
	told := accountAnswer{
		Namespace: a.Namespace, Username: a.Username(), DisplayName: a.Spec.DisplayName, Email: a.Spec.Email, Groups: a.Spec.Groups,
	}
	if told.Groups == nil {
		told.Groups = []string{} // An empty list, and not null.
	}
	return told
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

// try is one attempt: who, by which door, and what is asked for.
type try struct {
	door     string
	who      login.Who
	audience string
	remember bool
	// check runs the attempt.
	check func(context.Context, login.Who) (*login.Result, error)
}

// grant is what an attempt that was granted gives.
type grant struct {
	*login.Result
	signed token.Token
	claims token.Claims
	// devices are the marks that the device had.
	devices []device
}

// serve runs an attempt of the API and answers it.
func (a *Attempts) serve(w http.ResponseWriter, r *http.Request, t try) {
	granted, refusal := a.run(r, t)
	if refusal != nil {
		refusal.write(w)
		return
	}
	traceOf(w).outcome = outcomeGranted
	a.Sessions.rememberDevice(w, r, granted)
	writeJSON(w, http.StatusOK, "application/json", &sessionAnswer{
		Token: granted.signed.Text(), TokenType: "Bearer", ExpiresAt: granted.claims.ExpiresTime,
		Account:           profile(granted.Account),
		PasswordExpiresAt: granted.Answer.PasswordExpires,
		Warnings:          warnings(granted.Answer),
	})
}

// run runs an attempt, counts it and has it written down. Every door goes through it.
func (a *Attempts) run(r *http.Request, t try) (*grant, *problem) {
	audience, err := token.ParseAudience(t.audience)
	if err != nil {
		return nil, invalidRequest(`The audience must be "web", which is the default, or "kubernetes".`)
	}
	if t.remember && audience != token.Web {
		return nil, invalidRequest(`Only a session of the audience "web" can be remembered.`)
	}
	if t.who.Namespace == "" {
		t.who.Namespace = a.DefaultNamespace
	}
	began := time.Now()
	granted, refusal := a.throttled(r, t, audience)
	outcome := outcomeGranted
	told := audit.Attempt{Door: t.door, Namespace: t.who.Namespace, Username: t.who.Username, Granted: refusal == nil}
	if refusal != nil {
		outcome = refusal.id
		told.Problem, told.Reason = refusal.id, refusal.auditReason()
	} else {
		told.SessionID = granted.claims.SessionID
	}
	a.Metrics.observe(t.door, outcome, time.Since(began))
	a.Audit.Attempt(r.Context(), told)
	return granted, refusal
}

// throttled runs an attempt unless too many from its address have failed. That is decided before anything is looked up, so
// that it tells nothing of the account.
func (a *Attempts) throttled(r *http.Request, t try, audience token.Audience) (*grant, *problem) {
	attempt, wait := a.Throttle.Begin(audit.RequestOf(r.Context()).Address)
	if wait > 0 {
		return nil, refusalOf(&addressThrottledError{retryAfter: wait})
	}
	failed := true
	defer func() { attempt.End(failed) }()
	devices := a.Sessions.devicesOf(r)
	t.who.Devices = asLogin(devices)
	granted, refusal := a.attempt(r.Context(), t, audience)
	if granted != nil {
		granted.devices = devices
	}
	failed = refusal != nil && refusal.isFailure()
	return granted, refusal
}

func (a *Attempts) attempt(ctx context.Context, t try, audience token.Audience) (*grant, *problem) {
	if !a.Sessions.Ready() {
		// Not after the attempt: a changed password or a used-up grace login could not be answered with a session.
		slog.Error("Login refused because there is no signing key: the operator makes it, see its log")
		return nil, unavailable()
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	granted, err := t.check(ctx, t.who)
	if err != nil {
		return nil, refusalOf(err)
	}
	signed, claims, err := a.Sessions.Issue(granted, audience, t.remember)
	if err != nil {
		slog.Error("Login refused because its session cannot be signed", "error", err)
		return nil, unavailable()
	}
	return &grant{Result: granted, signed: signed, claims: claims}, nil
}
