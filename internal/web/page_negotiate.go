package web

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// MayHaveTicket tells whether a request may have a ticket, which can be larger than all other headers may be.
func MayHaveTicket(r *http.Request) bool {
	path := r.URL.Path
	if rest, found := strings.CutPrefix(path, "/o/"); found {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	return path == negotiatePath
}

// negotiate asks the browser for a ticket, and logs in its person. The page of another site must not do that, nor the script or a frame of an
// application on the same host: a person would be logged in without knowing. For what needs a password that was typed a short time ago, and for kubectl, a ticket does not serve.
func (p *Pages) negotiate(w http.ResponseWriter, r *http.Request) {
	to, organization := returnTo(r.URL.Query()), p.organization(r)
	back := sibling(r, "/login", to)
	if !isOwnStart(r) || !isNavigation(r) {
		p.UI.ShowProblem(w, r, httpkit.NewProblem(http.StatusForbidden, httpkit.CrossOrigin, httpkit.Message{Key: "problem." + httpkit.CrossOrigin + ".provider"}), "", back)
		return
	}
	if _, _, forKubectl := kubectlIn(to); forKubectl {
		returnto.Redirect(w, back)
		return
	}
	if _, isLoggedIn := p.sessionHere(w, r); isLoggedIn {
		returnto.Redirect(w, cmp.Or(to, "/"))
		return
	}
	offered := slices.DeleteFunc(p.offered(r.Context(), organization), func(found *v1alpha1.IdentityProvider) bool { return !takesTickets(found) })
	if !p.offersTickets(offered) {
		p.UI.ShowProblem(w, r, notOffered(), "", back)
		return
	}
	page := p.newLoginPage(r, to, p.rememberedAccount(r))
	page.Providers = p.providerLinks(r, organization, to, false)
	ticket, sent := ticketOf(r)
	if !sent {
		p.noteNegotiated(w, r)
		// A browser without a ticket shows the form.
		w.Header().Set("WWW-Authenticate", negotiateScheme)
		p.UI.Render(w, r, http.StatusUnauthorized, "login", page)
		return
	}
	by := asserted{method: token.Kerberos}
	granted, refusal := p.run(r, attempt{
		entry: metrics.EntryKerberos, audience: string(p.audience(r)), account: accountName{Namespace: organization}, asserted: &by,
		login: func(ctx context.Context, who login.Who) (*login.Result, error) {
			return p.acceptTicket(ctx, who.Namespace, offered, ticket, &by)
		},
	})
	switch {
	case refusal == nil:
		p.Drop(w, negotiatedCookie)
		p.enter(w, r, granted, to)
	case refusal.ID == httpkit.NotDeclared:
		p.noteNegotiated(w, r)
		p.showNotDeclared(w, r, refusal, by, organization, back)
	default:
		p.noteNegotiated(w, r)
		p.refuseLogin(w, r, page, refusal)
	}
}

// ticketOf returns the ticket that a browser has sent; false where it has sent none. A ticket that cannot be read is an empty one, and is refused.
func ticketOf(r *http.Request) (ticket []byte, sent bool) {
	scheme, text, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, negotiateScheme) {
		return nil, false
	}
	ticket, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, true
	}
	return ticket, true
}

// askedAbout returns the provider that has decided about a ticket; nil where that is none of several.
func askedAbout(offered []*v1alpha1.IdentityProvider, assertion authn.Assertion, err error) *v1alpha1.IdentityProvider {
	if e, ok := errors.AsType[*authn.UnavailableError](err); ok {
		return e.Provider
	}
	if i := slices.IndexFunc(offered, func(found *v1alpha1.IdentityProvider) bool { return found.Name == assertion.Provider }); i >= 0 {
		return offered[i]
	}
	if len(offered) == 1 {
		return offered[0]
	}
	return nil
}

// acceptTicket asks whose a ticket is, and the login service for a session.
func (p *Pages) acceptTicket(
	ctx context.Context, namespace string, offered []*v1alpha1.IdentityProvider, ticket []byte, by *asserted,
) (*login.Result, error) {
	assertion, err := p.Tickets.Assert(ctx, audit.RequestOf(ctx).Address, offered, ticket)
	by.provider, by.subject = askedAbout(offered, assertion, err), assertion.Subject
	if refused, ok := errors.AsType[*authn.RefusedTicketError](err); ok {
		return nil, &ticketError{cause: refused}
	}
	if err != nil {
		return nil, err
	}
	assertion.Namespace = namespace
	result, err := p.Logins.Accept(ctx, assertion)
	if errors.Is(err, login.ErrInvalidCredentials) {
		return nil, &notDeclaredError{provider: by.provider}
	}
	return result, err
}
