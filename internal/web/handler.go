package web

import (
	"net/http"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/web/forwarded"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// Dependencies of the people's port.
type Dependencies struct {
	Logins   *login.Service
	Catalog  *catalog.Catalog
	Sessions *Sessions
	Metrics  *Metrics
	UI       *ui.UI
	// DefaultNamespace is the organisation of those who name none.
	DefaultNamespace string
	// ShowOrganization has people name theirs on the pages.
	ShowOrganization bool
	// Proxies are those whose word about a client's address is taken.
	Proxies forwarded.Proxies
	// Throttle of addresses, if there is one.
	Throttle *throttle.Throttle
	// Audit, if there is one, is told of every attempt.
	Audit *audit.Recorder
	// TellEmail has applications behind a proxy be told e-mail addresses.
	TellEmail bool
}

// Handler returns the people's port: every endpoint, behind what all of them need.
func Handler(d Dependencies) http.Handler {
	attempts := &Attempts{
		Logins: d.Logins, Sessions: d.Sessions, Metrics: d.Metrics, DefaultNamespace: d.DefaultNamespace,
		Throttle: d.Throttle, Audit: d.Audit,
	}
	pages := &Pages{
		Attempts: attempts, Catalog: d.Catalog, UI: d.UI, ShowOrganization: d.ShowOrganization,
		reads: make(chan struct{}, profileReads),
	}
	verify := &Verify{Sessions: d.Sessions, DefaultNamespace: d.DefaultNamespace, TellEmail: d.TellEmail}
	verify.refusalPage = func(w http.ResponseWriter, r *http.Request, refusal *problem) {
		pages.fail(w, r, refusal, "", accountPage) // "/" may be the application, which would refuse again.
	}
	mux := http.NewServeMux()
	for _, endpoint := range []interface{ Mount(*http.ServeMux) }{
		&Login{attempts},
		&Password{attempts},
		&Requirements{Catalog: d.Catalog, DefaultNamespace: d.DefaultNamespace},
		&CurrentSession{Sessions: d.Sessions, Logins: d.Logins},
		verify,
		pages,
	} {
		endpoint.Mount(mux)
	}
	served := verify.ahead(secured(sameOrigin(routed(mux, pages.refuse), pages.refuse)))
	return logged(bounded(served, pages.refuse), d.Proxies, pages.refuse)
}
