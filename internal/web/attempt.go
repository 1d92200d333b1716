package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/token"
)

// attemptTimeout bounds how long an attempt waits before its password is hashed. The hash may take ten seconds more, and recording
// its result another ten (see internal/login). The server's write timeout must be longer than all of it.
const attemptTimeout = 15 * time.Second

// Attempts runs logins and changes of the password, for the API and the pages.
type Attempts struct {
	*requestSessions

	Logins *login.Service
	// DefaultNamespace is the organisation of a request that names none.
	DefaultNamespace string
	Throttle         *throttle.Throttle
	Audit            *audit.Recorder
}

// accountAnswer is an account in an answer of the API.
type accountAnswer struct {
	Namespace   string   `json:"namespace"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

func accountAnswerOf(a *v1alpha1.UserAccount, groups []string) accountAnswer {
	answer := accountAnswer{
		Namespace: a.Namespace, Username: a.Username(), DisplayName: a.Spec.DisplayName, Email: a.Spec.Email, Groups: groups,
	}
	if answer.Groups == nil {
		answer.Groups = []string{} // In JSON an empty list, not null.
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

// attempt is one login or change of the password: at which entry point, for which account, and the session that is asked for.
type attempt struct {
	entry    string
	account  accountName
	audience string
	remember bool
	// asserted is what a provider or a ticket says; nil where a password is given.
	asserted *asserted
	// login calls the login service.
	login func(context.Context, login.Who) (*login.Result, error)
}

// grant is the result of an attempt that succeeded.
type grant struct {
	*login.Result

	signed token.Token
	claims token.Claims
	// devices are the valid device tokens of the request.
	devices []token.Device
}

// serve runs an attempt and answers in JSON.
func (a *Attempts) serve(w http.ResponseWriter, r *http.Request, at attempt) {
	granted, refusal := a.run(r, at)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	a.rememberDevice(w, granted.claims, granted.devices)
	httpkit.WriteJSON(w, http.StatusOK, "application/json", &sessionAnswer{
		Token: granted.signed.Text(), TokenType: "Bearer", ExpiresAt: granted.claims.ExpiresTime,
		Account:           accountAnswerOf(granted.Account, granted.Groups()),
		PasswordExpiresAt: granted.Answer.PasswordExpires,
		Warnings:          warnings(granted.Answer),
	})
}

// run runs an attempt, counts it in the metrics and writes its audit line. Every entry point uses it.
func (a *Attempts) run(r *http.Request, at attempt) (*grant, *httpkit.Problem) {
	audience, err := token.ParseAudience(at.audience)
	switch {
	case err != nil:
		return nil, httpkit.Invalid(`The audience must be "web", which is the default, "kubernetes", or "console".`)
	case audience == token.Console && !a.ConsoleHosts.Has(r):
		return nil, httpkit.Invalid(`The audience "console" is granted at the hosts of the console only (--console-hosts).`)
	case at.remember && audience == token.Kubernetes:
		return nil, httpkit.Invalid(`A session of the audience "kubernetes" cannot be remembered.`)
	}
	at.account.Namespace = cmp.Or(at.account.Namespace, a.DefaultNamespace)
	began := time.Now()
	granted, refusal := a.runThrottled(r, at, audience)
	a.report(r, at, granted, refusal, time.Since(began))
	return granted, refusal
}

// report counts an attempt in the metrics and writes its audit line.
func (a *Attempts) report(r *http.Request, at attempt, granted *grant, refusal *httpkit.Problem, took time.Duration) {
	outcome := metrics.Granted
	line := audit.Attempt{Door: at.entry, Namespace: at.account.Namespace, Username: at.account.Username, Granted: refusal == nil}
	if refusal != nil {
		outcome = refusal.ID
		line.Problem, line.Reason = refusal.ID, auditReason(refusal)
	} else {
		line.SessionID = granted.claims.SessionID
	}
	by := at.asserted
	if by == nil {
		by = verifiedBy(granted, refusal)
	}
	line.Method = string(by.method)
	if by.provider != nil {
		line.Provider, line.Subject = by.provider.Name, by.subject
		if by.subject != "" {
			line.Account = accountOf(granted, refusal)
		}
		a.Metrics.Providers.Attempt(by.provider.Name, cmp.Or(line.Reason, outcome))
	}
	a.Metrics.Attempt(at.entry, outcome, took)
	a.Audit.Attempt(r.Context(), line)
}

// accountOf returns the account of an attempt that a provider has decided; nil where that is nobody's.
func accountOf(granted *grant, refusal *httpkit.Problem) *v1alpha1.UserAccount {
	if refusal == nil {
		return granted.Account
	}
	if e, ok := errors.AsType[*login.ProviderError](refusal.Cause); ok {
		return e.Account
	}
	return nil
}

// verifiedBy returns the directory that verifies the account of an attempt with a password; nothing where Keyturn keeps the password, or nobody has
// the name.
func verifiedBy(granted *grant, refusal *httpkit.Problem) *asserted {
	var by *v1alpha1.IdentityProvider
	if refusal == nil {
		by = granted.Provider
	} else if e, ok := errors.AsType[*login.ProviderError](refusal.Cause); ok {
		by = e.Provider
	}
	if by == nil || !provider.IsDirectory(by) {
		return &asserted{}
	}
	return &asserted{method: token.LDAP, provider: by}
}

// runThrottled runs an attempt unless too many from its address have failed. It decides that before anything is looked up, so that
// the answer says nothing about the account.
func (a *Attempts) runThrottled(r *http.Request, at attempt, audience token.Audience) (*grant, *httpkit.Problem) {
	place, wait := a.Throttle.Begin(audit.RequestOf(r.Context()).Address)
	if wait > 0 {
		refusal := tooManyAttempts(wait)
		refusal.Cause = errAddressThrottled
		return nil, refusal
	}
	failed := true
	defer func() { place.End(failed) }()
	granted, refusal := a.logIn(r.Context(), at, audience, a.devices(r))
	failed = refusal != nil && isFailure(refusal)
	return granted, refusal
}

// logIn calls the login service, and issues the session.
func (a *Attempts) logIn(ctx context.Context, at attempt, audience token.Audience, devices []token.Device) (*grant, *httpkit.Problem) {
	if !a.Sessions.Ready() {
		// Checked first: the attempt may change the password or use up a grace login, and would then get no session.
		slog.Error("Login refused because there is no signing key: the operator makes it, see its log")
		return nil, httpkit.NewUnavailable("")
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	granted, err := at.login(ctx, login.Who{
		Namespace: at.account.Namespace, Username: at.account.Username, Address: audit.RequestOf(ctx).Address, Devices: devices,
	})
	if err != nil {
		return nil, refusalOf(err)
	}
	signed, claims, err := a.Sessions.Issue(sessions.Login{
		Record: granted.Record, Policy: granted.Policy, Answer: granted.Answer,
		Method: granted.Method, Provider: granted.Provider, ProvenTime: granted.ProvenTime,
	}, audience, at.remember)
	if err != nil {
		slog.Error("Login refused because its session cannot be signed", "error", err)
		return nil, httpkit.NewUnavailable("")
	}
	return &grant{Result: granted, signed: signed, claims: claims, devices: devices}, nil
}
