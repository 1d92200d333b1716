package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/session"
)

// attemptTimeout bounds how long an attempt waits for its turn. Once its turn has come it is finished whatever happens,
// within ten seconds more (see internal/login): http.Server's WriteTimeout has to leave room for both.
const attemptTimeout = 15 * time.Second

// Attempts is what the endpoints that check a password have in common.
type Attempts struct {
	Logins   *login.Service
	Sessions *Sessions
	Metrics  *Metrics
	// DefaultNamespace is the organisation of those who name none.
	DefaultNamespace string
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
	return accountAnswer{
		Namespace: a.Namespace, Username: a.Username(), DisplayName: a.Spec.DisplayName, Email: a.Spec.Email,
		Groups: append([]string{}, a.Spec.Groups...),
	}
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

// serve runs an attempt, answers it and counts it.
func (a *Attempts) serve(w http.ResponseWriter, r *http.Request, t try) {
	audience, err := session.ParseAudience(t.audience)
	if err != nil {
		invalidRequest(`The audience must be "web", which is the default, or "kubernetes".`).write(w, r)
		return
	}
	if t.who.Namespace == "" {
		t.who.Namespace = a.DefaultNamespace
	}
	began := time.Now()
	answer, refusal := a.run(r.Context(), t, audience)
	outcome := outcomeGranted
	if refusal != nil {
		outcome = refusal.id
	}
	a.Metrics.observe(t.door, outcome, time.Since(began))
	if refusal != nil {
		refusal.write(w, r)
		return
	}
	traceOf(r.Context()).outcome = outcome
	writeJSON(w, http.StatusOK, "application/json", answer)
}

func (a *Attempts) run(ctx context.Context, t try, audience session.Audience) (*sessionAnswer, *problem) {
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
	token, expires, err := a.Sessions.Issue(granted, audience, t.remember)
	if err != nil {
		slog.Error("Login refused because its session cannot be signed", "error", err)
		return nil, unavailable()
	}
	return &sessionAnswer{
		Token: token.Text(), TokenType: "Bearer", ExpiresAt: expires,
		Account:           profile(granted.Account),
		PasswordExpiresAt: granted.Answer.PasswordExpires,
		Warnings:          warnings(granted.Answer),
	}, nil
}
