package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// timeToFillIn is how long a dialog may be open before its proof is too old. With less time left, the password is asked for first.
const timeToFillIn = 5 * time.Minute

// resetDialog asks for a new password of somebody else.
type resetDialog struct {
	Action, Back string
	New          ui.PasswordField
	Requirements []ui.RequirementLine
	// Words are the account's own, as JSON, for the marks of the page.
	Words string
	// Consequences say beforehand what a reset does, and GenerateHint what Generate does.
	Consequences, GenerateHint string
	Error                      string
}

// confirmDialog asks whether to do something that needs no password.
type confirmDialog struct {
	Action, Back string
	Title, Text  string
	Error        string
}

// generatedDialog shows a password once.
type generatedDialog struct {
	Title, Password, Done, Back string
	// Until is when the password ceases to log in; nil where it does not.
	Until *ui.Instant
}

// pageWithDialog finds the session and the account of a request for a dialog. It returns nil where it has answered.
func (c *console) pageWithDialog(w http.ResponseWriter, r *http.Request, what string, needsProof bool) *administration.Details {
	t := targetOf(r)
	session, ok := c.pageSession(w, r, addressOf(t, what))
	if !ok {
		return nil
	}
	if needsProof && c.Service.RemainingProof(session) < timeToFillIn {
		c.refusePage(w, r, refusalOf(administration.ErrProofTooOld), addressOf(t, what))
		return nil
	}
	d, refusal := c.find(r, session, t)
	if refusal != nil {
		c.refusePage(w, r, refusal, addressOf(t, what))
		return nil
	}
	return d
}

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

func newResetDialog(text *ui.Text, d *administration.Details, said string) *resetDialog {
	target := administration.Target{Namespace: d.Account.Namespace, Name: d.Account.Name}
	words, _ := json.Marshal(append([]string{}, d.Words...)) // Never fails: it is text.
	results := make([]policy.Result, len(d.Requirements))
	for i, required := range d.Requirements {
		results[i].Requirement = required
	}
	return &resetDialog{
		Action: addressOf(target, string(administration.ActionResetPassword)), Back: backTo(target, administration.ActionResetPassword),
		New: ui.PasswordField{
			Text: text, ID: "new-password", Label: text.Say("admin.reset.new"), Autocomplete: "new-password", Describe: "requirements",
		},
		Requirements: requirementLines(text, results, false), Words: string(words),
		Consequences: text.Say(variant("admin.reset.consequences", ".forbidden", d), "name", nameOf(d)),
		GenerateHint: text.Say(variant("admin.generate.hint", ".kept", d)), Error: said,
	}
}

// backTo returns the address that leads from the dialog of an action back to what opened it, on the account's page.
func backTo(t administration.Target, action administration.Action) string {
	return addressOf(t, "") + "#" + string(action)
}

// variant returns the key of a text about a reset, with an end where the person may not change the password.
func variant(key, ofForbidden string, d *administration.Details) string {
	if d.ChangeForbidden {
		return key + ofForbidden
	}
	return key
}

// nameOf is what the pages call a person.
func nameOf(d *administration.Details) string {
	if d.Account.Spec.DisplayName != "" {
		return d.Account.Spec.DisplayName
	}
	return d.Account.Username()
}

// markRejected shows which requirements the password does not meet.
func (v *resetDialog) markRejected(text *ui.Text, refusal *httpkit.Problem) {
	rejected, ok := errors.AsType[*administration.PasswordRejectedError](refusal.Cause)
	if !ok {
		return
	}
	v.New.MarkRejected(rejected.Results)
	v.New.Errors = nil
	for _, unmet := range policy.Unmet(rejected.Results) {
		v.New.Errors = append(v.New.Errors, requirementText(text, unmet))
	}
	if len(rejected.Results) >= len(rejected.Requirements) { // Fewer where the text is no password: the others were not judged.
		v.Requirements = requirementLines(text, rejected.Results, true)
	}
}

// requirementText says what a password must be to somebody who chooses it for another person.
func requirementText(text *ui.Text, required policy.Requirement) string {
	if required.ID == policy.RequirementAccountWords {
		return text.Say("admin.reset.words")
	}
	return required.In(text)
}

// requirementLines are ui.RequirementLines for somebody who chooses a password for another person.
func requirementLines(text *ui.Text, results []policy.Result, judged bool) []ui.RequirementLine {
	lines := ui.RequirementLines(text, results, judged)
	for i := range lines {
		lines[i].Text = requirementText(text, results[i].Requirement)
		if !judged {
			lines[i].State = text.Say("admin.reset.later")
		}
	}
	return lines
}

func newConfirmDialog(text *ui.Text, d *administration.Details, action administration.Action, said string) *confirmDialog {
	target := administration.Target{Namespace: d.Account.Namespace, Name: d.Account.Name}
	key := "admin.confirm." + string(action)
	return &confirmDialog{
		Action: addressOf(target, string(action)), Back: backTo(target, action), Title: text.Say("admin.action." + string(action)),
		Text: text.Say(key, "name", nameOf(d)), Error: said,
	}
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
