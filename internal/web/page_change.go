package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
)

// changePage is what the change page shows.
type changePage struct {
	whoFields
	Current, New passwordField
	// Own tells that the rules are those of the account, and not the organisation's.
	Own          bool
	Rules, Words string
	Requirements []requirementLine
	ReturnTo     string
	Action, Back string
	// Remember goes along for the account that it was ticked for.
	Remember bool
	Error    string
}

// requirementLine is a requirement on the page; Mark is its class: met, unmet or none.
type requirementLine struct {
	ID                policy.RequirementID
	N, Bytes          int
	Text, Mark, State string
}

func (p *Pages) newChangePage(r *http.Request, to string, who remembered) *changePage {
	fields := p.fields(r, who)
	text := fields.Text
	return &changePage{
		whoFields: fields,
		Current: passwordField{
			Text: text, ID: "current-password", Label: text.Say("change.current"), Autocomplete: "current-password",
		},
		New: passwordField{
			Text: text, ID: "new-password", Label: text.Say("change.new"), Autocomplete: "new-password", Describe: "requirements",
		},
		ReturnTo: to, Action: sibling(r, "/change-password", ""), Back: sibling(r, "/login", to),
	}
}

// list shows requirements, none of them judged.
func (c *changePage) list(requirements []policy.Requirement) {
	results := make([]policy.Result, len(requirements))
	for i, required := range requirements {
		results[i].Requirement = required
	}
	c.show(results, false)
}

func (c *changePage) show(results []policy.Result, judged bool) {
	c.Requirements = nil
	for _, result := range results {
		line := requirementLine{
			ID: result.ID, N: max(result.Minimum, result.Maximum, result.Count), Bytes: result.MaximumBytes,
			Text: result.In(c.Text),
		}
		switch {
		case judged && result.Satisfied:
			line.Mark, line.State = "met", c.Text.Say("mark.met")
		case judged:
			line.Mark, line.State = "unmet", c.Text.Say("mark.unmet")
		default:
			line.State = c.Text.Say("mark.saving")
		}
		c.Requirements = append(c.Requirements, line)
	}
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query().Get("return_to"))
	found, err := p.current(w, r)
	organization := organizationOf(r)
	ofAnother := err == nil && organization != "" && organization != found.Account.Namespace
	if ofAnother || errors.Is(err, sessions.ErrInvalid) {
		p.renderChange(w, r, http.StatusOK, p.newChangePage(r, to, p.guest(r)))
		return
	}
	var own login.Profile
	if err == nil {
		own, err = p.profile(r, found.Account)
	}
	if err != nil {
		p.fail(w, r, httpkit.NewUnavailable(""), "change", homeAddress(to))
		return
	}
	page := p.newChangePage(r, to, remembered{Namespace: found.Account.Namespace, Username: found.Account.Username()})
	page.Back, page.Remember = homeAddress(to), found.Claims.RememberMe
	switch {
	case own.ChangeForbidden:
		p.forbid(w, r, page, &login.ChangeForbiddenError{Reason: login.ChangeForbidden})
	case !own.NotBefore.IsZero():
		p.forbid(w, r, page, &login.ChangeForbiddenError{Reason: login.PasswordTooYoung, NotBefore: own.NotBefore})
	default:
		page.own(own.Policy.Requirements(), catalog.SubjectOf(found.Account).Words())
		p.renderChange(w, r, http.StatusOK, page)
	}
}

// own shows the rules of the account itself.
func (c *changePage) own(requirements []policy.Requirement, words []string) {
	c.Own, c.Rules, c.Words = true, encodeRules(requirements), encodeWords(words)
	c.list(requirements)
}

// renderChange shows the page, with the organisation's rules where those of the account are not known.
func (p *Pages) renderChange(w http.ResponseWriter, r *http.Request, status int, page *changePage) {
	if page.Requirements == nil {
		resolved, err := p.Catalog.NamespacePolicy(r.Context(), page.Organization)
		if err != nil {
			p.fail(w, r, httpkit.NewUnavailable(""), "change", page.Back)
			return
		}
		page.list(resolved.Policy.Requirements())
	}
	p.UI.Render(w, r, status, "change", page)
}

func (p *Pages) change(w http.ResponseWriter, r *http.Request) {
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		p.fail(w, r, refusal, "", sibling(r, "/change-password", ""))
		return
	}
	form := r.PostForm
	page := p.newChangePage(r, returnTo(form.Get("return_to")), whoInForm(r))
	start := form.Get("step") == "start"
	page.carry(form, start)
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
	who := login.Who{Namespace: page.Organization, Username: page.Username}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryChange, remember: page.Remember, who: who,
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
		p.rememberUsername(w, who, true) // Else what the login page shows stays as it is.
	}
	p.begin(w, r, granted)
	p.setNotice(w, noticePasswordChanged)
	http.Redirect(w, r, homeAddress(page.ReturnTo), http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}

// carry takes over what the page before this one has handed on, as long as it is about the same account: whoever edits the
// username changes another's password, and is not remembered in the place of that one. The rules are shown and decide
// nothing.
func (c *changePage) carry(form url.Values, start bool) {
	if !start && (form.Get("own_username") != c.Username || form.Get("own_organization") != c.Organization) {
		return
	}
	c.Remember = form.Get("remember") != ""
	if rules := decodeRules(form.Get("rules")); rules != nil {
		c.own(rules, decodeWords(form.Get("words")))
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
		page.New.Error = page.Text.Say("change.rejected.field")
		page.New.Invalid, page.New.Describe = true, "new-password-error requirements"
		for _, unmet := range policy.Unmet(rejected.Results) {
			page.New.Errors = append(page.New.Errors, unmet.In(page.Text))
		}
		if len(rejected.Requirements) > 0 {
			page.own(rejected.Requirements, rejected.Words)
		}
		if len(rejected.Results) >= len(rejected.Requirements) {
			page.show(rejected.Results, true)
		}
	} else {
		page.Error = p.say(page.Text, refusal, page.places("change")...)
		if refusal.ID == httpkit.InvalidCredentials {
			page.Current = wrongPassword(page.Current)
		}
	}
	p.renderChange(w, r, refusal.Status, page)
}

// forbid says why a password cannot be changed, in the place of a form that cannot work.
func (p *Pages) forbid(w http.ResponseWriter, r *http.Request, page *changePage, e *login.ChangeForbiddenError) {
	refusal := changeForbidden(e)
	refusal.SetHeaders(w)
	m := message{
		Title: page.Text.Say("change.forbidden.title"), Message: page.Text.Say("change.forbidden"), Contact: true, Back: page.Back,
	}
	if e.Reason == login.PasswordTooYoung {
		m.Message, m.Until = page.Text.Say("change.young"), at(page.Text, e.NotBefore)
	}
	p.UI.Render(w, r, refusal.Status, "message", m)
}

// encodeRules writes requirements into a form, from where they come back with the next step.
func encodeRules(requirements []policy.Requirement) string {
	rules := make([]policy.Requirement, len(requirements))
	for i, r := range requirements {
		r.Message = "" // The page has words of its own.
		rules[i] = r
	}
	return encode(rules)
}

// decodeRules reads what encodeRules wrote; nil for anything else.
func decodeRules(text string) []policy.Requirement {
	if strings.Count(text, "{") > len(policy.RequirementIDs) {
		return nil
	}
	var rules []policy.Requirement
	if json.Unmarshal([]byte(text), &rules) != nil || len(rules) > len(policy.RequirementIDs) {
		return nil
	}
	for _, r := range rules {
		if !slices.Contains(policy.RequirementIDs, r.ID) {
			return nil
		}
	}
	return rules
}

// maxWords bounds the words of an account, which are in a display name of 256 characters and some shorter fields; each has three
// characters at least. A display name may have commas, and a word that is in the list twice has them twice.
const (
	maxWords       = 128
	maxWordsCommas = 1024
)

func encodeWords(words []string) string { return encode(append([]string{}, words...)) }

// decodeWords reads what encodeWords wrote; nil for anything else. It is not read where it would be too many words.
func decodeWords(text string) (words []string) {
	if strings.Count(text, ",") > maxWordsCommas || json.Unmarshal([]byte(text), &words) != nil || len(words) > maxWords {
		return nil
	}
	return words
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
