package console

import (
	"net/http"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/permission"
)

// apiList serves GET /api/v1/accounts.
func (c *console) apiList(w http.ResponseWriter, r *http.Request) {
	session, err := c.session(r, metrics.EntryAPI)
	if err != nil {
		refusalOf(err).Write(w)
		return
	}
	q, refusal := readQuery(r, session.Account.Namespace)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	list, err := c.Service.List(r.Context(), session, q)
	if err != nil {
		refusal := refusalOf(err)
		c.record(r, session, string(permission.List), administration.Target{Namespace: q.Namespace}, refusal)
		refusal.Write(w)
		return
	}
	answer := listAnswer{Accounts: make([]accountAnswer, len(list.Accounts)), Continue: continueOf(list)}
	for i, a := range list.Accounts {
		answer.Accounts[i] = watched(a)
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", answer)
}

// apiGet serves GET /api/v1/accounts/{namespace}/{name}.
func (c *console) apiGet(w http.ResponseWriter, r *http.Request) {
	session, err := c.session(r, metrics.EntryAPI)
	if err != nil {
		refusalOf(err).Write(w)
		return
	}
	d, refusal := c.find(r, session, targetOf(r))
	if refusal != nil {
		refusal.Write(w)
		return
	}
	answer := detailsAnswer{
		accountAnswer: live(d), Actions: d.Actions, Requirements: d.Requirements,
		ResetAt: seconds(d.Credential.Acted.Reset.Time), ResetBy: d.Credential.Acted.Reset.By,
	}
	if answer.Actions == nil {
		answer.Actions = []administration.Action{}
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", answer)
}
