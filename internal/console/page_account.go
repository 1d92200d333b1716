package console

import (
	"net/http"
)

// account serves GET /admin/accounts/{namespace}/{name}.
func (c *console) account(w http.ResponseWriter, r *http.Request) {
	t := targetOf(r)
	session, ok := c.pageSession(w, r, addressOf(t, ""))
	if !ok {
		return
	}
	d, refusal := c.find(r, session, t)
	if refusal != nil {
		c.refusePage(w, r, refusal, addressOf(t, ""))
		return
	}
	view := newAccountView(c.UI.Text(r), d)
	view.Notice = c.takeNotice(w, r, t, c.UI.Text(r))
	c.UI.Render(w, r, http.StatusOK, "admin-account", view)
}
