package web

import (
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// loginPage is what the login page shows.
type loginPage struct {
	accountFields
	Password ui.PasswordField
	// Action and ChangeForm are where the form and the dialog are posted to, Back is where Cancel leads.
	Action, Change, ChangeForm, Back string
	ReturnTo                         string
	Remember                         bool
	// Prompt: the page asks for the password of somebody who is logged in.
	Prompt        bool
	Notice, Error string
	// NoticeLink goes with the notice, and ErrorLink with the error; nil for none.
	NoticeLink, ErrorLink *ui.Link
	Dialog                *changeDialog
	// Providers are other ways to log in. Again, where there is one, is the only way.
	Providers []providerLink
	Again     *providerLink
}

// changeDialog says why the password must be changed.
type changeDialog struct {
	Reason string
	// Rules and Words are hidden fields for the change page (see encodeRules and encodeWords).
	Rules, Words string
}

// newLoginPage returns the page with an account filled in.
func (p *Pages) newLoginPage(r *http.Request, to string, name accountName) *loginPage {
	fields := p.accountFields(r, name)
	return &loginPage{
		accountFields: fields,
		Password: ui.PasswordField{
			Text: fields.Text, ID: "password", Label: fields.Text.Say("password"), Autocomplete: "current-password",
		},
		Action: sibling(r, "/login", ""), Back: sibling(r, "/login", to),
		ChangeForm: sibling(r, "/change-password", ""), Change: sibling(r, "/change-password", to),
		ReturnTo: to,
	}
}

// sessionHere returns the session of a request; false where there is none, or where it is of another organisation than the address names.
func (p *Pages) sessionHere(w http.ResponseWriter, r *http.Request) (sessions.Session, bool) {
	organization := organizationOf(r)
	found, err := p.session(w, r)
	return found, err == nil && (organization == "" || organization == found.Account.Namespace)
}

func (p *Pages) refuseLogin(w http.ResponseWriter, r *http.Request, page *loginPage, refusal *httpkit.Problem) {
	refusal.SetHeaders(w)
	if refusal.ID == httpkit.ChangeRequired {
		page.Dialog = &changeDialog{Reason: page.Text.Say(reasonKey("dialog.", refusal.Reason))}
		if required, ok := errors.AsType[*login.ChangeRequiredError](refusal.Cause); ok {
			page.Dialog.Rules, page.Dialog.Words = encodeRules(required.Requirements), encodeWords(required.Words)
		}
	} else {
		shown := *refusal
		if unavailable, ok := errors.AsType[*login.AccountUnavailableError](refusal.Cause); ok && refusal.PasswordChangeURL != "" {
			page.ErrorLink = keeperAt(unavailable.Provider).linkTo(page.Text)
			shown.Messages = refusal.Messages[:1] // The next one has the address, which the link has.
		}
		page.Error = p.UI.ProblemText(page.Text, &shown, page.textPages("login")...)
		if refusal.ID == httpkit.InvalidCredentials {
			page.Password.MarkWrong()
		}
	}
	p.UI.Render(w, r, refusal.Status, "login", page)
}
