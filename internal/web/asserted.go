package web

import (
	"net/http"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// isOwnStart tells whether a login without a password was begun by a page of this host, or by the person alone.
func isOwnStart(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "same-origin" || site == "none"
}

// enter starts the session of a login without a password, and leads to where the person wanted to go.
func (p *Pages) enter(w http.ResponseWriter, r *http.Request, granted *grant, to string) {
	httpkit.SetOutcome(w, metrics.Granted)
	p.startSession(w, r, granted)
	p.rememberLoginFor(w, r, to, granted.claims)
	landing := "/"
	switch {
	case len(warnings(granted.Answer)) > 0:
		landing = homeAddress(to)
	case to != "":
		landing = withReturnTo("/continue", to)
	}
	returnto.Redirect(w, landing)
}

// notOffered refuses a provider that the organisation does not allow, or that does not exist, or is turned off.
func notOffered() *httpkit.Problem {
	return httpkit.NewProblem(http.StatusNotFound, httpkit.NotFound, httpkit.Message{Key: "problem." + httpkit.NotFound + ".provider"})
}

// notDeclaredPage tells a person who is not declared what to hand on.
type notDeclaredPage struct {
	Provider, ProviderName, Organization, Subject, Back string
}

// showNotDeclared tells a person who has proven who they are, and whom nobody has declared, what to hand on.
func (p *Pages) showNotDeclared(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem, by asserted, organization, back string) {
	refusal.SetHeaders(w)
	p.UI.Render(w, r, refusal.Status, "not-declared", notDeclaredPage{
		Provider: by.provider.Spec.DisplayName, ProviderName: by.provider.Name, Organization: organization, Subject: by.subject, Back: back,
	})
}

// asserted is who says who a person is, how, and, once that is known, the subject.
type asserted struct {
	method   token.Method
	provider *v1alpha1.IdentityProvider
	subject  string
}

// isNavigation tells whether a browser opens a page with a request, by its header Sec-Fetch-Dest. A script of an application on the same host
// cannot say that of a request that it makes by itself.
func isNavigation(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return destination == "" || destination == "document"
}
