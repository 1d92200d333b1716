package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// loginPage is what the login page shows.
type loginPage struct {
	whoFields
	Password passwordField
	// Action and Change are where the form and the dialog are sent to, Back is where Cancel leads.
	Action, Change, ChangeForm, Back string
	ReturnTo                         string
	Remember                         bool
	Notice, Error                    string
	Dialog                           *changeDialog
}

// changeDialog tells why the password must be changed.
type changeDialog struct {
	Reason string
	// Rules and Words go along to the change page.
	Rules, Words string
}

// newLoginPage returns the page for somebody.
func (p *Pages) newLoginPage(r *http.Request, to string, who remembered) *loginPage {
	fields := p.fields(r, who)
	return &loginPage{
		whoFields: fields,
		Password: passwordField{
			Text: fields.Text, ID: "password", Label: fields.Text.Say("password"), Autocomplete: "current-password",
		},
		Action: sibling(r, "/login", ""), Back: sibling(r, "/login", to),
		ChangeForm: sibling(r, "/change-password", ""), Change: sibling(r, "/change-password", to),
		ReturnTo: to,
	}
}

func (p *Pages) loginForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	organization := organizationOf(r)
	if found, err := p.current(w, r); err == nil && (organization == "" || organization == found.Account.Namespace) {
		returnto.Redirect(w, cmp.Or(to, "/"))
		return
	}
	who := p.guest(r)
	page := p.newLoginPage(r, to, who)
	page.Remember, page.Notice = who.Username != "", p.notice(w, r, page.Text)
	p.UI.Render(w, r, http.StatusOK, "login", page)
}

func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		p.fail(w, r, refusal, "", sibling(r, "/login", ""))
		return
	}
	form := r.PostForm
	to := returnTo(form.Get("return_to"))
	page := p.newLoginPage(r, to, whoInForm(r))
	page.Remember = form.Get("remember") != ""
	password := form.Get("password")
	if page.Username == "" || password == "" {
		page.Error = page.Text.Say("problem.missing")
		p.UI.Render(w, r, http.StatusBadRequest, "login", page)
		return
	}
	who := login.Who{Namespace: page.Organization, Username: page.Username}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryLogin, remember: page.Remember, who: who,
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return p.Logins.Login(ctx, who, password)
		},
	})
	if refusal != nil {
		p.refuseLogin(w, r, page, refusal)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	p.rememberUsername(w, who, page.Remember)
	p.begin(w, r, granted)
	landing := "/"
	switch {
	case len(warnings(granted.Answer)) > 0:
		landing = homeAddress(to) // There they are told, and go on from there.
	case to != "":
		landing = withReturnTo("/continue", to)
	}
	http.Redirect(w, r, landing, http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}

func (p *Pages) refuseLogin(w http.ResponseWriter, r *http.Request, page *loginPage, refusal *httpkit.Problem) {
	refusal.SetHeaders(w)
	if refusal.ID == httpkit.ChangeRequired {
		page.Dialog = &changeDialog{Reason: page.Text.Say(known("dialog.", refusal.Reason))}
		if required, ok := errors.AsType[*login.ChangeRequiredError](refusal.Cause); ok {
			page.Dialog.Rules, page.Dialog.Words = encodeRules(required.Requirements), encodeWords(required.Words)
		}
	} else {
		page.Error = p.say(page.Text, refusal, page.places("login")...)
		if refusal.ID == httpkit.InvalidCredentials {
			page.Password = wrongPassword(page.Password)
		}
	}
	p.UI.Render(w, r, refusal.Status, "login", page)
}

// places returns whose texts say a refusal on a page: those that speak of the organisation, too, where its field is shown.
func (f whoFields) places(page string) []string {
	if f.ShowOrganization {
		return []string{page + ".organisation", page}
	}
	return []string{page}
}

// wrongPassword has the focus go to a field: the alert above says what is wrong.
func wrongPassword(f passwordField) passwordField {
	f.Describe, f.Invalid = "alert", true
	return f
}
