package web

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

// settingsTimeout is how long a login waits for the watch of what goes with providers.
const settingsTimeout = 2 * time.Second

const (
	// flowCookie has the flow of a login at a provider (token.Flow).
	flowCookie = "keyturn-oidc"
	// callbackPath begins the address that a provider sends the browser back to; the provider's name ends it. Each provider has its own, so
	// that the answer of one cannot be taken for that of another (RFC 9700, section 2.1).
	callbackPath = "/login/callback/"
)

// beginAtProvider sends the browser to a provider. The page of another site must not do that: a person would be logged in without knowing.
func (p *Pages) beginAtProvider(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	to := returnTo(query)
	back := sibling(r, "/login", to)
	if !isOwnStart(r) {
		p.UI.ShowProblem(w, r, httpkit.NewProblem(http.StatusForbidden, httpkit.CrossOrigin, httpkit.Message{Key: "problem." + httpkit.CrossOrigin + ".provider"}), "", back)
		return
	}
	organization := p.organization(r)
	chosen, client, refusal := p.provider(r.Context(), organization, r.PathValue("provider"))
	if refusal != nil {
		p.UI.ShowProblem(w, r, refusal, "", back)
		return
	}
	// For kubectl the person has to type something: a script of an application on this host could begin the login otherwise.
	_, _, forKubectl := kubectlIn(to)
	f := oidc.NewFlow(query.Get("prompt") == promptLogin || forKubectl, p.Sessions.Clock.Now())
	address, err := client.Begin(r.Context(), audit.RequestOf(r.Context()).Address, p.callbackAddress(r, chosen.Name), f)
	var signed token.Token
	if err == nil {
		signed, err = p.Sessions.Keys.Ring().SignFlow(token.Flow{
			Provider: chosen.Name, ProviderUID: string(chosen.UID), Namespace: organization, ReturnTo: to,
			State: f.State, Nonce: f.Nonce, Verifier: f.Verifier, Recent: f.Recent, BeganTime: f.Began,
		})
	}
	if err != nil {
		refusal = providerRefusal(err, chosen)
		p.Metrics.Providers.Attempt(chosen.Name, cmp.Or(refusal.Reason, refusal.ID))
		p.UI.ShowProblem(w, r, refusal, "", back)
		return
	}
	p.Set(w, flowCookie, signed.Text(), token.FlowLifetime)
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// callbackAddress returns the address that a provider sends the browser back to, on the host that the person uses. The provider knows the
// addresses that are registered, and takes no other.
func (p *Pages) callbackAddress(r *http.Request, name string) string {
	return p.origin(r) + callbackPath + name
}

// provider returns a provider that an organisation allows, and its client.
func (p *Pages) provider(ctx context.Context, organization, name string) (*v1alpha1.IdentityProvider, *oidc.Client, *httpkit.Problem) {
	if p.Providers == nil || len(validation.IsDNS1123Label(organization)) > 0 { // No namespace has such a name.
		return nil, nil, notOffered()
	}
	offered, err := p.Catalog.OfferedProviders(ctx, organization)
	if err != nil {
		slog.Warn("Provider not looked up", "error", err)
		return nil, nil, httpkit.NewUnavailable("")
	}
	for _, found := range offered {
		if found.Name != name || provider.IsDirectory(found) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, settingsTimeout)
		defer cancel()
		client, err := p.Providers.Of(ctx, found)
		if err != nil {
			slog.Warn("Provider cannot be asked", "provider", name, "error", err)
			p.Metrics.Providers.Attempt(name, string(oidc.ReasonCredentialsNotFound))
			return nil, nil, providerRefusal(&oidc.Error{Unavailable: true, Reason: oidc.ReasonCredentialsNotFound}, found)
		}
		return found, client, nil
	}
	return nil, nil, notOffered()
}

// withoutReferrer keeps the address of a page to itself: that of a callback has a code, and what the page loads would tell the address to
// the log of a proxy.
type withoutReferrer struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w withoutReferrer) WriteHeader(status int) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w withoutReferrer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// finishAtProvider logs in the person whom a provider has sent back.
func (p *Pages) finishAtProvider(w http.ResponseWriter, r *http.Request) {
	w = withoutReferrer{w}
	f, err := p.Sessions.Keys.Ring().VerifyFlow(p.Get(r, flowCookie), p.Sessions.Clock.Now())
	if err != nil || f.Provider != r.PathValue("provider") || !isAnswerTo(f, r.URL.Query()) {
		// The cookie stays: an answer to another flow must not end the one of this browser.
		p.Metrics.Attempt(metrics.EntryOIDC, httpkit.LoginExpired, 0)
		p.UI.ShowProblem(w, r, refusalOf(errWrongFlow), "", "/login")
		return
	}
	back := withReturnTo(inOrganization(p.unlessDefault(f.Namespace), "/login"), f.ReturnTo)
	chosen, client, refusal := p.provider(r.Context(), f.Namespace, f.Provider)
	if refusal == nil && string(chosen.UID) != f.ProviderUID {
		refusal = refusalOf(errWrongFlow)
	}
	if refusal != nil {
		p.UI.ShowProblem(w, r, refusal, "", back)
		return
	}
	at := &assertedAttempt{asserted: asserted{method: token.OIDC, provider: chosen}, pages: p, r: r, flow: f, client: client}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryOIDC, audience: string(p.audience(r)), account: accountName{Namespace: f.Namespace}, asserted: &at.asserted,
		login: at.login,
	})
	if refusal == nil || refusal.RetryAfter == 0 { // Otherwise the provider was not asked, and the page can be loaded again.
		p.Drop(w, flowCookie)
	}
	if refusal != nil {
		p.refuseAsserted(w, r, at, refusal, back)
		return
	}
	p.enter(w, r, granted, f.ReturnTo)
}

// isAnswerTo tells whether the parameters of a callback have the state of a flow: only the browser that began the flow has it.
func isAnswerTo(f token.Flow, answer url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(f.State)) == 1
}

// assertedAttempt is an attempt to log in by what a provider says.
type assertedAttempt struct {
	asserted

	pages  *Pages
	r      *http.Request
	flow   token.Flow
	client *oidc.Client
}

// login asks the provider who the person is, and the login service for a session.
func (a *assertedAttempt) login(ctx context.Context, _ login.Who) (*login.Result, error) {
	person, err := a.client.Finish(ctx, audit.RequestOf(ctx).Address, a.pages.callbackAddress(a.r, a.provider.Name), oidc.Flow{
		State: a.flow.State, Nonce: a.flow.Nonce, Verifier: a.flow.Verifier, Recent: a.flow.Recent, Began: a.flow.BeganTime,
	}, a.r.URL.Query())
	if refused, ok := errors.AsType[*oidc.Error](err); ok {
		return nil, &providerError{cause: refused, provider: a.provider}
	}
	if err != nil {
		return nil, err
	}
	a.subject = person.Subject
	result, err := a.pages.Logins.Accept(ctx, authn.Assertion{
		Method: token.OIDC, Namespace: a.flow.Namespace, Provider: a.provider.Name, ProviderUID: string(a.provider.UID),
		Subject: person.Subject, Groups: person.Groups, ProvenTime: person.ProvenTime,
	})
	if errors.Is(err, login.ErrInvalidCredentials) {
		return nil, &notDeclaredError{provider: a.provider}
	}
	if err != nil {
		return nil, err
	}
	result.ProvenTime = person.ProvenTime
	return result, nil
}

// refuseAsserted shows why a person is not logged in.
func (p *Pages) refuseAsserted(w http.ResponseWriter, r *http.Request, a *assertedAttempt, refusal *httpkit.Problem, back string) {
	if refusal.ID != httpkit.NotDeclared {
		p.UI.ShowProblem(w, r, refusal, "", back)
		return
	}
	p.showNotDeclared(w, r, refusal, a.asserted, a.flow.Namespace, back)
}
