package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

func (p *Pages) loginForm(w http.ResponseWriter, r *http.Request) {
	to := returnTo(r.URL.Query())
	prompt := r.URL.Query().Get("prompt") == promptLogin
	found, isLoggedIn := p.sessionHere(w, r)
	if isLoggedIn && !prompt {
		returnto.Redirect(w, cmp.Or(to, "/"))
		return
	}
	name := p.rememberedAccount(r)
	page := p.newLoginPage(r, to, name)
	page.Remember = name.Username != ""
	page.Notice, page.NoticeLink = p.notice(w, r, page.Text)
	_, _, forKubectl := kubectlIn(to)
	if !isLoggedIn && !prompt && !forKubectl && page.Notice == "" && isOwnStart(r) && isNavigation(r) && p.triesTickets(r, p.offered(r.Context(), p.organization(r))) {
		returnto.Redirect(w, sibling(r, negotiatePath, to))
		return
	}
	if forKubectl && page.Notice == "" {
		page.Notice = page.Text.Say("login.kubectl")
	}
	page.Prompt, page.Providers = prompt, p.providerLinks(r, p.organization(r), to, prompt)
	page.ShowOrganization = page.ShowOrganization || prompt // It may lead to the console, where people of every organisation go.
	if isLoggedIn {
		page.Organization, page.Username = found.Account.Namespace, found.Account.Username()
		// Not remembered unless asked for anew: each session that another takes the place of has to be kept in mind until it would
		// have ended, and somebody who administers accounts logs in often.
		page.Remember = false
		if page.Notice == "" {
			page.Notice = page.Text.Say("login.again")
		}
		p.askProviderAgain(r, page, found, to)
	}
	p.UI.Render(w, r, http.StatusOK, "login", page)
}

// askProviderAgain has the page lead to the provider of a session that began there: its person has no password here. For kubectl the person may
// also choose another account.
func (p *Pages) askProviderAgain(r *http.Request, page *loginPage, found sessions.Session, to string) {
	if found.Claims.Method != token.OIDC {
		return // A directory's people type their password here, also those whom a ticket has logged in.
	}
	links := p.providerLinks(r, found.Account.Namespace, to, true)
	if _, _, forKubectl := kubectlIn(to); forKubectl {
		page.Providers = links
		return
	}
	page.Notice = page.Text.Say("login.again.provider", "provider", p.displayName(r.Context(), found.Claims.Provider))
	for _, link := range links {
		if link.Provider == found.Claims.Provider {
			page.Again = &link
		}
	}
}

func (p *Pages) login(w http.ResponseWriter, r *http.Request) {
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		p.UI.ShowProblem(w, r, refusal, "", sibling(r, "/login", ""))
		return
	}
	form := r.PostForm
	to := returnTo(form)
	page := p.newLoginPage(r, to, accountInForm(r))
	page.Remember, page.Prompt = form.Get("remember") != "", form.Get("prompt") == promptLogin
	page.ShowOrganization = page.ShowOrganization || page.Prompt
	page.Providers = p.providerLinks(r, p.organization(r), to, page.Prompt)
	password := form.Get("password")
	if page.Username == "" || password == "" {
		page.Error = page.Text.Say("problem.missing")
		p.UI.Render(w, r, http.StatusBadRequest, "login", page)
		return
	}
	name := accountName{Namespace: page.Organization, Username: page.Username}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryLogin, audience: string(p.audience(r)), remember: page.Remember, account: name,
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return p.Logins.Login(ctx, who, password)
		},
	})
	if refusal != nil {
		p.refuseLogin(w, r, page, refusal)
		return
	}
	httpkit.SetOutcome(w, metrics.Granted)
	if page.Remember || !page.Prompt {
		p.rememberUsername(w, name, page.Remember)
	}
	p.startSession(w, r, granted)
	p.rememberLoginFor(w, r, to, granted.claims)
	landing := "/"
	switch {
	case len(warnings(granted.Answer)) > 0:
		landing = homeAddress(to) // The home page shows the warnings, and has a link to go on.
	case to != "":
		landing = withReturnTo("/continue", to)
	}
	http.Redirect(w, r, landing, http.StatusSeeOther) //nolint:gosec // returnTo keeps to this host
}
