package console

import (
	"net/http"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/ui"
)

// accountView is what an account's page shows, with or without a dialog in front.
type accountView struct {
	Address                             string
	Username, Name, Namespace, Email    string
	DisplayName, Policy                 string
	Groups                              []string
	Standing, Reason, Class, MustChange string
	IsOwn, IsExternal, HasCredential    bool
	Set, Expires, LastLogin, Locked     *ui.Instant
	ResetTime                           *ui.Instant
	ResetBy                             string
	Failures                            int
	Notice                              string
	Actions                             []menuItem
	EditAddress                         string

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
