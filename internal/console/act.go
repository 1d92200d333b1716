package console

import (
	"context"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/sessions"
)

// act runs an action, counts it in the metrics, and writes its audit line. Every entry point uses it.
func (c *console) act(
	w http.ResponseWriter, r *http.Request, session sessions.Session, action administration.Action, t administration.Target,
	do func(context.Context) error,
) *httpkit.Problem {
	refusal := refusalOf(do(r.Context()))
	if action == administration.ActionResetPassword {
		refusal = notResettable(refusal)
	}
	outcome := metrics.Done
	if refusal != nil {
		outcome = refusal.ID
	}
	httpkit.SetOutcome(w, outcome)
	c.Metrics.Action(action, outcome)
	c.record(r, session, string(action), t, refusal)
	return refusal
}

// record writes the audit line of something that an administrator did or, with a refusal, wanted to do.
func (c *console) record(r *http.Request, session sessions.Session, verb string, t administration.Target, refusal *httpkit.Problem) {
	line := audit.Action{Actor: actorName(session), Verb: verb, Namespace: t.Namespace, Name: t.Name}
	if refusal != nil {
		line.Problem, line.Reason, line.Uncertain = refusal.ID, refusal.Reason, refusal.ID == httpkit.OutcomeUnknown
	}
	if refusal != nil && !line.Uncertain {
		omitted, hasLine := c.refusals.next(line.Actor, time.Now())
		if !hasLine {
			return
		}
		line.Omitted = omitted
	}
	c.Audit.Action(r.Context(), line)
}

// resetPassword gives the account of a request a new password or, without one, a generated one.
func (c *console) resetPassword(w http.ResponseWriter, r *http.Request, session sessions.Session, password string) (done administration.Reset, refusal *httpkit.Problem) {
	t := targetOf(r)
	refusal = c.act(w, r, session, administration.ActionResetPassword, t, func(ctx context.Context) (err error) {
		if password == "" {
			done, err = c.Service.GeneratePassword(ctx, session, t)
		} else {
			done, err = c.Service.ResetPassword(ctx, session, t, password)
		}
		return err
	})
	return done, refusal
}

// operation returns what an action without a password does.
func (c *console) operation(action administration.Action) func(context.Context, sessions.Session, administration.Target) error {
	switch action {
	case administration.ActionUnlock:
		return c.Service.Unlock
	case administration.ActionSignOut:
		return c.Service.SignOut
	case administration.ActionRequireChange:
		return c.Service.RequireChange
	case administration.ActionWithdrawChange:
		return c.Service.WithdrawRequiredChange
	default:
		panic("no operation: " + action) // A fault of this package: a reset needs a password.
	}
}

// find reads an account for a page or an answer. A refusal gets an audit line.
func (c *console) find(r *http.Request, session sessions.Session, t administration.Target) (*administration.Details, *httpkit.Problem) {
	details, err := c.Service.Details(r.Context(), session, t)
	refusal := refusalOf(err)
	if refusal != nil {
		c.record(r, session, string(permission.Get), t, refusal)
	}
	return details, refusal
}
