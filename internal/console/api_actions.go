package console

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
)

type resetRequest struct {
	NewPassword string `json:"newPassword"`
	Generate    bool   `json:"generate"`
}

// apiReset serves POST /api/v1/accounts/{namespace}/{name}/reset-password.
func (c *console) apiReset(w http.ResponseWriter, r *http.Request) {
	session, err := c.session(r, metrics.EntryAPI)
	if err != nil {
		c.refuseSession(w, administration.ActionResetPassword, err)
		return
	}
	var body resetRequest
	refusal := httpkit.ReadJSON(w, r, &body, "newPassword (text), generate (true or false)")
	if refusal == nil && (body.NewPassword != "") == body.Generate {
		refusal = httpkit.Invalid("Give either a newPassword, or generate: true.")
	}
	if refusal != nil {
		refusal.Write(w)
		return
	}
	done, refusal := c.resetPassword(w, r, session, body.NewPassword)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", resetAnswer{
		Namespace: done.Account.Namespace, Name: done.Account.Name, Username: done.Account.Username(),
		Password: done.Password.Text(), MustChangeReason: done.MustChange, PasswordExpiresAt: seconds(done.ExpiresTime),
	})
}

// apiAct serves an action that needs no password.
func (c *console) apiAct(action administration.Action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := c.session(r, metrics.EntryAPI)
		if err != nil {
			c.refuseSession(w, action, err)
			return
		}
		if r.ContentLength != 0 {
			if refusal := httpkit.ReadJSON(w, r, &struct{}{}, "none"); refusal != nil {
				refusal.Write(w)
				return
			}
		}
		t := targetOf(r)
		refusal := c.act(w, r, session, action, t, func(ctx context.Context) error { return c.operation(action)(ctx, session, t) })
		if refusal != nil {
			refusal.Write(w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// refuseSession refuses an action of somebody without a valid session. There is no actor, and so no audit line: the metric counts it.
func (c *console) refuseSession(w http.ResponseWriter, action administration.Action, err error) {
	refusal := refusalOf(err)
	c.Metrics.Action(action, refusal.ID)
	refusal.Write(w)
}
