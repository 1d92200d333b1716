package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// changePage is what the change page shows.
type changePage struct {
	accountFields
	Current, New ui.PasswordField
	// Own: the requirements are those of the account. Otherwise they are the organisation's.
	Own          bool
	Rules, Words string
	Requirements []ui.RequirementLine
	ReturnTo     string
	Action, Back string
	// Remember is a hidden field: the person ticked "remember me" on the login page, for this account.
	Remember bool
	Error    string
}

func (p *Pages) newChangePage(r *http.Request, to string, name accountName) *changePage {
	fields := p.accountFields(r, name)
	text := fields.Text
	return &changePage{
		accountFields: fields,
		Current: ui.PasswordField{
			Text: text, ID: "current-password", Label: text.Say("change.current"), Autocomplete: "current-password",
		},
		New: ui.PasswordField{
			Text: text, ID: "new-password", Label: text.Say("change.new"), Autocomplete: "new-password", Describe: "requirements",
		},
		ReturnTo: to, Action: sibling(r, "/change-password", ""), Back: sibling(r, "/login", to),
	}
}

// showRules shows requirements before a new password was judged.
func (c *changePage) showRules(requirements []policy.Requirement) {
	results := make([]policy.Result, len(requirements))
	for i, required := range requirements {
		results[i].Requirement = required
	}
	c.showResults(results, false)
}

func (c *changePage) showResults(results []policy.Result, judged bool) {
	c.Requirements = ui.RequirementLines(c.Text, results, judged)
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query())
	found, err := p.session(w, r)
	organization := organizationOf(r)
	ofAnother := err == nil && organization != "" && organization != found.Account.Namespace
	if ofAnother || errors.Is(err, sessions.ErrInvalid) {
		p.renderChange(w, r, http.StatusOK, p.newChangePage(r, to, p.rememberedAccount(r)))
		return
	}
	var profile login.Profile
	if err == nil {
		profile, err = p.profile(r, found.Account)
	}
	if err != nil {
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "change", homeAddress(to))
		return
	}
	page := p.newChangePage(r, to, accountName{Namespace: found.Account.Namespace, Username: found.Account.Username()})
	page.Back, page.Remember = homeAddress(to), found.Claims.RememberMe
	k := p.keeperOf(r.Context(), found.Account)
	switch {
	case k != nil:
		p.forbidExternal(w, r, page, k)
	case profile.ChangeForbidden:
		p.forbid(w, r, page, &login.ChangeForbiddenError{Reason: login.ChangeForbidden})
	case !profile.NotBefore.IsZero():
		p.forbid(w, r, page, &login.ChangeForbiddenError{Reason: login.PasswordTooYoung, NotBefore: profile.NotBefore})
	default:
		page.showAccountRules(profile.Policy.Requirements(), catalog.SubjectOf(found.Account).Words())
		p.renderChange(w, r, http.StatusOK, page)
	}
}

// showAccountRules shows the account's requirements, and keeps them in the hidden fields.
func (c *changePage) showAccountRules(requirements []policy.Requirement, words []string) {
	c.Own, c.Rules, c.Words = true, encodeRules(requirements), encodeWords(words)
	c.showRules(requirements)
}

// renderChange shows the page. If the account's requirements are not known, it shows the organisation's.
func (p *Pages) renderChange(w http.ResponseWriter, r *http.Request, status int, page *changePage) {
	if !page.Own && page.Requirements == nil {
		resolved, err := p.Catalog.NamespacePolicy(r.Context(), page.Organization)
		if err != nil {
			p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "change", page.Back)
			return
		}
		page.showRules(resolved.Policy.Requirements())
	}
	p.UI.Render(w, r, status, "change", page)
}

func (p *Pages) change(w http.ResponseWriter, r *http.Request) {
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		p.UI.ShowProblem(w, r, refusal, "", sibling(r, "/change-password", ""))
		return
	}
	form := r.PostForm
	page := p.newChangePage(r, returnTo(form), accountInForm(r))
	start := form.Get("step") == "start"
	page.restore(form, start)
	if start {
		p.renderChange(w, r, http.StatusOK, page)
		return
	}
	current, next := form.Get("current-password"), form.Get("new-password")
	if page.Username == "" || current == "" || next == "" {
		page.Error = page.Text.Say("problem.missing")
		p.renderChange(w, r, http.StatusBadRequest, page)
		return
	}
	name := accountName{Namespace: page.Organization, Username: page.Username}
	if k := p.ownKeeper(r, name); k != nil {
		p.forbidExternal(w, r, page, k)
		return
	}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryChange, audience: string(p.audience(r)), remember: page.Remember, account: name,
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return p.Logins.Change(ctx, who, current, next)
		},
	})
	if refusal != nil {
		p.refuseChange(w, r, page, refusal)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	if page.Remember {
		p.rememberUsername(w, name, true) // Otherwise the username that was remembered before stays.
	}
	p.startSession(w, r, granted)
	p.rememberLoginFor(w, r, page.ReturnTo, granted.claims)
	p.setNotice(w, noticePasswordChanged)
	http.Redirect(w, r, homeAddress(page.ReturnTo), http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}

// restore takes over the hidden fields of the page before this one. If the person has edited the username or the organisation
// since, the fields are about another account and are left out.
func (c *changePage) restore(form url.Values, start bool) {
	if !start && (form.Get("own_username") != c.Username || form.Get("own_organization") != c.Organization) {
		return
	}
	c.Remember = form.Get("remember") != ""
	if rules := decodeRules(form.Get("rules")); rules != nil {
		c.showAccountRules(rules, decodeWords(form.Get("words")))
	}
}

func (p *Pages) refuseChange(w http.ResponseWriter, r *http.Request, page *changePage, refusal *httpkit.Problem) {
	if forbidden, ok := errors.AsType[*login.ChangeForbiddenError](refusal.Cause); ok {
		p.forbid(w, r, page, forbidden)
		return
	}
	refusal.SetHeaders(w)
	if rejected, ok := errors.AsType[*login.PasswordRejectedError](refusal.Cause); ok {
		page.Error = page.Text.Say("change.rejected")
		page.New.MarkRejected(rejected.Results)
		if len(rejected.Requirements) > 0 {
			page.showAccountRules(rejected.Requirements, rejected.Words)
		}
		if len(rejected.Results) >= len(rejected.Requirements) { // Fewer where the text is no password: the others were not judged.
			page.showResults(rejected.Results, true)
		}
	} else {
		page.Error = p.UI.ProblemText(page.Text, refusal, page.textPages("change")...)
		if refusal.ID == httpkit.InvalidCredentials {
			page.Current.MarkWrong()
		}
	}
	p.renderChange(w, r, refusal.Status, page)
}

// forbid says why the password cannot be changed now, instead of showing the form.
func (p *Pages) forbid(w http.ResponseWriter, r *http.Request, page *changePage, e *login.ChangeForbiddenError) {
	refusal := changeForbidden(e, nil)
	refusal.SetHeaders(w)
	m := ui.Message{
		Title: page.Text.Say("change.forbidden.title"), Message: page.Text.Say("change.forbidden"), Contact: true, Back: page.Back,
	}
	if e.Reason == login.PasswordTooYoung {
		m.Message, m.Until = page.Text.Say("change.young"), ui.NewInstant(page.Text, e.NotBefore)
	}
	p.UI.Render(w, r, refusal.Status, "message", m)
}

// forbidExternal says who keeps the password, and where to change it.
func (p *Pages) forbidExternal(w http.ResponseWriter, r *http.Request, page *changePage, k *keeper) {
	refusal := changeForbidden(&login.ChangeForbiddenError{Reason: login.External}, k)
	refusal.SetHeaders(w)
	m := ui.Message{
		Title: page.Text.Say("change.forbidden.title"), Message: page.Text.Say("change.external.unknown"), Contact: k.Name == "", Back: page.Back, Link: k.linkTo(page.Text),
	}
	if k.Name != "" {
		m.Message = page.Text.Say("change.external", "provider", k.Name) + " " + page.Text.Say("change.external.there", "provider", k.Name)
	}
	p.UI.Render(w, r, refusal.Status, "message", m)
}
