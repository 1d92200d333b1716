package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

// maxProfileReads bounds the profiles that are read from the API server at once: each page opened with a session reads one.
const maxProfileReads = 16

// Pages are the HTML pages: forms over the same functions as the API. Each page is a file page_*.go; this file has what they share.
type Pages struct {
	*Attempts
	UI *ui.UI
	// Providers are the clients of identity providers.
	Providers *oidc.Clients
	// Tickets says whose tickets are; nil where nobody logs in by one.
	Tickets Tickets
	// ShowOrganization shows the field for the organisation: set it where there are more organisations than the default one.
	ShowOrganization bool
	// MayListAccounts tells whether somebody may list the accounts of a namespace in the console.
	MayListAccounts func(ctx context.Context, session sessions.Session, namespace string) (bool, error)

	// profileReads has one element for each profile that is being read.
	profileReads chan struct{}
}

// session returns the session of a request, and renews its cookie in the second half of its time. Errors: sessions.ErrInvalid,
// sessions.ErrUnavailable.
func (p *Pages) session(w http.ResponseWriter, r *http.Request) (sessions.Session, error) {
	found, err := p.webSession(r, metrics.EntryPage)
	if err == nil && httpkit.Bearer(r) == "" {
		p.renewCookie(w, r, found)
	}
	return found, err
}

// profile reads the profile of a logged-in account from the API server. The error is login.ErrOverloaded if maxProfileReads are
// being read already, so that many reloads do not burden the API server.
func (p *Pages) profile(r *http.Request, account *v1alpha1.UserAccount) (login.Profile, error) {
	select {
	case p.profileReads <- struct{}{}:
		defer func() { <-p.profileReads }()
		return p.Logins.Profile(r.Context(), account)
	default:
		return login.Profile{}, login.ErrOverloaded
	}
}

// startSession puts a new session into the browser's cookie. It ends the session that the cookie held before (OWASP ASVS 5.0,
// 7.2.4), as the person could not end it any more.
func (p *Pages) startSession(w http.ResponseWriter, r *http.Request, granted *grant) {
	if presented := p.Get(r, httpkit.SessionCookie); presented != "" {
		before, err := p.check(r, presented)
		// A change of the password has ended the account's other sessions already.
		hasEnded := before.Claims.CredentialUID == granted.claims.CredentialUID && before.Claims.Generation < granted.claims.Generation
		if err == nil && !hasEnded {
			err = p.replace(r.Context(), before, granted)
		}
		if err != nil && !errors.Is(err, sessions.ErrInvalid) {
			slog.Warn("Session that another took the place of goes on until it expires", "error", err)
		}
	}
	p.rememberDevice(w, granted.claims, granted.devices)
	p.setSession(w, granted.signed, granted.claims)
}

// replace ends the session before a login. If that has ended all sessions of the account, the login's goes on with another token.
func (p *Pages) replace(ctx context.Context, before sessions.Session, granted *grant) error {
	signed, claims, isNew, err := p.Sessions.Replace(ctx, before, granted.claims)
	if isNew {
		granted.signed, granted.claims = signed, claims
	}
	return err
}

// accountFields returns the fields for an account, of the default organisation if the name has none.
func (p *Pages) accountFields(r *http.Request, name accountName) accountFields {
	name.Namespace = cmp.Or(name.Namespace, p.DefaultNamespace)
	return accountFields{
		Text:             p.UI.Text(r),
		ShowOrganization: p.ShowOrganization || name.Namespace != p.DefaultNamespace || organizationOf(r) != "",
		Organization:     name.Namespace, Username: name.Username,
	}
}

// rememberedAccount returns the account to fill into a form: the one remembered in this browser, unless the address names another
// organisation.
func (p *Pages) rememberedAccount(r *http.Request) accountName {
	name := p.rememberedUsername(r)
	if organization := organizationOf(r); organization != "" && organization != name.Namespace {
		return accountName{Namespace: organization}
	}
	return name
}

// notice returns the text of the notice that the page before this one has left, such as "You are logged out."; empty if there is none.
// After the logout of a person whom a provider had logged in, it says that the provider's own session goes on, with a link to end it.
func (p *Pages) notice(w http.ResponseWriter, r *http.Request, text *ui.Text) (string, *ui.Link) {
	notice, provider := p.takeNotice(w, r)
	switch {
	case notice == "":
		return "", nil
	case provider == "":
		return text.Say("notice." + notice), nil
	}
	found, err := p.Catalog.IdentityProvider(r.Context(), provider)
	if err != nil { // Or the cookie has been set by somebody else.
		return text.Say("notice." + notice), nil
	}
	name := found.Spec.DisplayName
	return text.Say("notice."+notice) + " " + text.Say("notice.provider", "provider", name), p.logoutLink(r.Context(), text, provider)
}

// refuse answers a request that no endpoint serves: with a page for a browser, else with a problem document.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem) {
	w.Header().Add("Vary", "Accept")
	if httpkit.WantsPage(r) {
		p.UI.ShowProblem(w, r, refusal, "", "/")
		return
	}
	refusal.Write(w)
}
