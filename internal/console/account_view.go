package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/ui"
)

// accountView is what an account's page shows, with or without a dialog in front.
type accountView struct {
	Address                          string
	Username, Name, Namespace, Email string
	DisplayName, Policy              string
	Provider, Subject, ExternalName  string
	Groups                           []string
	Standing, Reason, Class          string
	IsOwn, IsExternal, HasCredential bool
	Set, Expires, LastLogin, Locked  *ui.Instant
	ResetTime                        *ui.Instant
	ResetBy                          string
	Failures                         int
	Notice                           string
	Actions                          []menuItem
	EditAddress                      string

	Reset     *resetDialog
	Confirm   *confirmDialog
	Generated *generatedDialog
	YAML      *yamlDialog
}

// HasDialog tells whether there is a dialog in front of the page.
func (v *accountView) HasDialog() bool {
	return v.Reset != nil || v.Confirm != nil || v.Generated != nil || v.YAML != nil
}

// newAccountView returns what an account's page shows.
func newAccountView(t *ui.Text, d *administration.Details) *accountView {
	a, answer := d.Account, live(d)
	target := administration.Target{Namespace: a.Namespace, Name: a.Name}
	view := &accountView{
		Address: addressOf(target, ""), Username: answer.Username, Name: a.Name, Namespace: a.Namespace, Email: answer.Email,
		DisplayName: answer.DisplayName, Groups: answer.Groups, Policy: d.Policy.Name,
		Provider: answer.Provider, Subject: answer.Subject, ExternalName: answer.ExternalName,
		Standing: standingText(t, answer.Standing), Reason: reasonText(t, answer.Standing, answer.Reason), Class: standingClass(answer.Standing),
		IsOwn: d.IsOwn, IsExternal: a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal, HasCredential: d.HasCredential,
		Set: ui.NewInstant(t, answer.PasswordSetAt), Expires: ui.NewInstant(t, answer.PasswordExpiresAt),
		LastLogin: ui.NewInstant(t, answer.LastSuccessAt), Locked: ui.NewInstant(t, answer.LockedUntil),
		ResetTime: ui.NewInstant(t, seconds(d.Credential.Acted.Reset.Time)), ResetBy: d.Credential.Acted.Reset.By,
		Failures: answer.Failures, EditAddress: addressOf(target, "edit"),
	}
	for _, action := range d.Actions {
		view.Actions = append(view.Actions, newMenuItem(t, target, action))
	}
	return view
}

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

// yamlDialog shows an account as it is declared, to be copied into Git.
type yamlDialog struct{ Text, Back string }

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
