package web

import (
	"net/http"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// Dependencies of the people's port.
type Dependencies struct {
	Logins   *login.Service
	Catalog  *catalog.Catalog
	Sessions *sessions.Service
	Metrics  *metrics.Metrics
	UI       *ui.UI
	Cookies  httpkit.Cookies
	// DefaultNamespace is the organisation of a request that names none.
	DefaultNamespace string
	// ShowOrganization has people name their organisation on the pages.
	ShowOrganization bool
	// Proxies are those that are believed about a client's address.
	Proxies forwarded.Proxies
	// Throttle of addresses, if there is one.
	Throttle *throttle.Throttle
	// Audit, if there is one, writes down every attempt.
	Audit *audit.Recorder
	// TellEmail has applications behind a proxy be told e-mail addresses.
	TellEmail bool
}

// Handler returns the people's port: every endpoint, behind what all of them need.
func Handler(d Dependencies) http.Handler {
	v := &visits{Sessions: d.Sessions, Metrics: d.Metrics, cookies: cookies{d.Cookies}}
	attempts := &Attempts{
		visits: v, Logins: d.Logins, DefaultNamespace: d.DefaultNamespace, Throttle: d.Throttle, Audit: d.Audit,
	}
	pages := &Pages{
		Attempts: attempts, Catalog: d.Catalog, UI: d.UI, ShowOrganization: d.ShowOrganization,
		reads: make(chan struct{}, profileReads),
	}
	verify := &Verify{visits: v, DefaultNamespace: d.DefaultNamespace, TellEmail: d.TellEmail}
	verify.refusalPage = func(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem) {
		pages.fail(w, r, refusal, "", accountPage) // "/" may be the application, which would refuse again.
	}
	mux := http.NewServeMux()
	for _, endpoint := range []interface{ Mount(*http.ServeMux) }{
		&Login{attempts},
		&Password{attempts},
		&Requirements{Catalog: d.Catalog, DefaultNamespace: d.DefaultNamespace},
		&CurrentSession{v},
		verify,
		pages,
	} {
		endpoint.Mount(mux)
	}
	served := httpkit.Bounded(httpkit.Secured(httpkit.SameOrigin(httpkit.Routed(mux, pages.refuse), pages.refuse)), pages.refuse)
	return httpkit.Logged(verify.ahead(served), d.Proxies, pages.refuse)
}
