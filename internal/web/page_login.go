package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/keyturn/keyturn/internal/login"
)

// loginPage is what the login page shows.
type loginPage struct {
	whoFields
	Password       passwordField
	Action, Change string
	// Back is where Cancel leads.
	Back          string
	ReturnTo      string
	Remember      bool
	Notice, Error string
	Dialog        *changeDialog
}

// changeDialog tells why the password must be changed.
type changeDialog struct {
	Reason string
	// Rules and Words go along to the change page.
	Rules, Words string
}

// newLoginPage returns the page as it is before anybody has typed anything.
func (p *Pages) newLoginPage(r *http.Request, to, organization string) *loginPage {
	text := p.UI.Text(r)
	who := rememberedWho(r)
	if organization != "" && organization != who.Namespace {
		who = remembered{Namespace: organization}
	}
	page := &loginPage{
		whoFields: p.fields(text, who),
		Password: passwordField{
			Text: text, ID: "password", Label: text.Say("password"), Autocomplete: "current-password",
		},
		Action: "/login", ReturnTo: to, Remember: who.Username != "",
	}
	page.Change = withReturnTo(p.address(page.Organization, "/change-password"), to)
	page.Back = withReturnTo(p.address(page.Organization, "/login"), to)
	return page
}

func (p *Pages) loginForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	organization := r.PathValue("organization")
	if found, err := p.current(w, r); err == nil && (organization == "" || organization == found.Account.Namespace) {
		landing := to
		if landing == "" {
			landing = "/"
		}
		http.Redirect(w, r, landing, http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
		return
	}
	page := p.newLoginPage(r, to, organization)
	page.Notice = notice(page.Text, r)
	p.UI.Render(w, r, http.StatusOK, "login", page)
}

func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	if refusal := p.form(w, r); refusal != nil {
		p.fail(w, r, refusal, "/login")
		return
	}
	form := r.PostForm
	to := returnTo(form.Get("return_to"))
	organization := form.Get("organization")
	if organization == "" {
		organization = p.DefaultNamespace
	}
	page := p.newLoginPage(r, to, organization)
	page.Username, page.Remember = form.Get("username"), form.Get("remember") != ""
	password := form.Get("password")
	if page.Username == "" || password == "" {
		page.Error = page.Text.Say("problem.missing")
		p.UI.Render(w, r, http.StatusBadRequest, "login", page)
		return
	}
	who := login.Who{Namespace: page.Organization, Username: page.Username}
	granted, refusal := p.run(r, try{
		door: doorLogin, remember: page.Remember, who: who,
		check: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return p.Logins.Login(ctx, who, password)
		},
	})
	if refusal != nil {
		p.refuseLogin(w, r, page, refusal)
		return
	}
	traceOf(r.Context()).outcome = outcomeGranted
	rememberWho(w, r, who, page.Remember)
	setSessionCookie(w, r, granted.token, granted.claims)
	landing := to
	if to == "" || len(warnings(granted.Answer)) > 0 {
		landing = withReturnTo("/", to) // There they are told, and go on from there.
	}
	http.Redirect(w, r, landing, http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}

func (p *Pages) refuseLogin(w http.ResponseWriter, r *http.Request, page *loginPage, refusal *problem) {
	refusal.note(w, r)
	if refusal.id == problemChangeRequired {
		reason := "dialog." + refusal.Reason
		if !page.Text.Has(reason) {
			reason = "dialog.other"
		}
		page.Dialog = &changeDialog{Reason: page.Text.Say(reason)}
		if required, ok := errors.AsType[*login.ChangeRequiredError](refusal.cause); ok {
			page.Dialog.Rules, page.Dialog.Words = encodeRules(required.Requirements), encodeWords(required.Words)
		}
	} else {
		said, contact := problemText(page.Text, refusal, "login")
		page.Error = p.withContact(page.Text, said, contact)
		if refusal.id == problemInvalidCredentials {
			page.Password = wrongPassword(page.Password)
		}
	}
	p.UI.Render(w, r, refusal.Status, "login", page)
}

// wrongPassword has the focus go to a field: the alert above says what is wrong.
func wrongPassword(f passwordField) passwordField {
	f.Describe, f.Invalid = "alert", true
	return f
}
