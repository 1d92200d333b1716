package console

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// dialog serves the GET of every action: the account's page with the action's dialog in front of it.
func (c *console) dialog(w http.ResponseWriter, r *http.Request, action administration.Action) {
	d := c.pageWithDialog(w, r, string(action), true)
	if d == nil {
		return
	}
	if !d.May(action) {
		seeOther(w, addressOf(targetOf(r), "")) // The page says what can be done.
		return
	}
	c.showDialog(w, r, http.StatusOK, d, action, nil)
}

// showDialog shows the account's page with the dialog of an action; refusal is why the action was refused, if it was.
func (c *console) showDialog(w http.ResponseWriter, r *http.Request, status int, d *administration.Details, action administration.Action, refusal *httpkit.Problem) {
	text := c.UI.Text(r)
	view := newAccountView(text, d)
	said := ""
	if refusal != nil {
		refusal.SetHeaders(w)
		said = c.UI.ProblemText(text, refusal, problemPage)
	}
	if action == administration.ActionResetPassword {
		view.Reset = newResetDialog(text, d, said)
		if refusal != nil {
			view.Reset.markRejected(text, refusal)
		}
	} else {
		view.Confirm = newConfirmDialog(text, d, action, said)
	}
	c.UI.Render(w, r, status, "admin-account", view)
}

// reset serves the POST of the reset dialog.
func (c *console) reset(w http.ResponseWriter, r *http.Request) {
	t, action := targetOf(r), administration.ActionResetPassword
	session, ok := c.pageSession(w, r, addressOf(t, string(action)))
	if !ok {
		return
	}
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		c.UI.ShowProblem(w, r, refusal, problemPage, addressOf(t, string(action)))
		return
	}
	generate, password := r.PostForm.Get("generate") != "", r.PostForm.Get("new-password")
	if !generate && password == "" {
		c.refuseAction(w, r, session, action, httpkit.NewProblem(http.StatusBadRequest, httpkit.InvalidRequest, httpkit.Message{Key: "problem.missing"}))
		return
	}
	if generate {
		password = ""
	}
	done, refusal := c.resetPassword(w, r, session, password)
	if refusal != nil {
		c.refuseAction(w, r, session, action, refusal)
		return
	}
	notice := noticeReset
	if done.MustChange == "" {
		notice = noticeResetKept
	}
	if !generate {
		c.setNotice(w, t, notice)
		seeOther(w, addressOf(t, ""))
		return
	}
	c.showGenerated(w, r, done, notice)
}

// showGenerated shows the generated password: in this answer, and never again. It does not wait for what else a page about the account
// shows: that could fail.
func (c *console) showGenerated(w http.ResponseWriter, r *http.Request, done administration.Reset, notice string) {
	text, title := c.UI.Text(r), "admin.generated.title"
	if done.MustChange == "" {
		title += ".kept"
	}
	view := &accountView{Address: addressOf(targetOf(r), ""), Username: done.Account.Username(), Generated: &generatedDialog{
		Title: text.Say(title, "name", done.Account.Username()), Password: done.Password.Text(), Done: text.Say("admin.notice." + notice),
		Back: addressOf(targetOf(r), ""), Until: ui.NewInstant(text, seconds(done.ExpiresTime)),
	}}
	c.UI.Render(w, r, http.StatusOK, "admin-account", view)
}

// confirmed serves the POST of the other dialogs.
func (c *console) confirmed(w http.ResponseWriter, r *http.Request, action administration.Action) {
	t := targetOf(r)
	session, ok := c.pageSession(w, r, addressOf(t, string(action)))
	if !ok {
		return
	}
	refusal := c.act(w, r, session, action, t, func(ctx context.Context) error { return c.operation(action)(ctx, session, t) })
	if refusal != nil {
		c.refuseAction(w, r, session, action, refusal)
		return
	}
	c.setNotice(w, t, string(action))
	seeOther(w, addressOf(t, ""))
}

// refuseAction shows the dialog again with why the action was refused, or leads to a login where that helps.
func (c *console) refuseAction(w http.ResponseWriter, r *http.Request, session sessions.Session, action administration.Action, refusal *httpkit.Problem) {
	t := targetOf(r)
	if refusal.Status == http.StatusUnauthorized {
		c.refusePage(w, r, refusal, addressOf(t, string(action)))
		return
	}
	d, err := c.Service.Details(r.Context(), session, t)
	if err != nil || refusal.Status == http.StatusNotFound {
		c.UI.ShowProblem(w, r, refusal, problemPage, listPage)
		return
	}
	if !d.May(action) { // A dialog would offer what is not possible.
		c.UI.ShowProblem(w, r, refusal, problemPage, addressOf(t, ""))
		return
	}
	c.showDialog(w, r, refusal.Status, d, action, refusal)
}
