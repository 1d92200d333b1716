package web

import (
	"context"
	"net/http"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/ui"
)

// Dependencies of Handler.
type Dependencies struct {
	Logins   *login.Service
	Catalog  *catalog.Catalog
	Sessions *sessions.Service
	Metrics  *metrics.Metrics
	UI       *ui.UI
	Cookies  httpkit.Cookies
	// DefaultNamespace is the organisation of a request that names none.
	DefaultNamespace string
	// ConsoleHosts are the hosts of the console.
	ConsoleHosts httpkit.Hosts
	// MayListAccounts tells whether somebody may list the accounts of a namespace in the console.
	MayListAccounts func(ctx context.Context, session sessions.Session, namespace string) (bool, error)
	// ShowOrganization shows the field for the organisation on the pages.
	ShowOrganization bool
	// Proxies are the networks whose X-Forwarded-For is trusted.
	Proxies forwarded.Proxies
	// Throttle limits the failed attempts of each client address; nil for no limit.
	Throttle *throttle.Throttle
	// Audit writes a line for each attempt; nil for no audit log.
	Audit *audit.Recorder
	// Providers are the clients of identity providers.
	Providers *oidc.Clients
	// Tickets says whose tickets are; nil where nobody logs in by one.
	Tickets Tickets
	// SendEmail sends the account's e-mail address to applications behind a proxy.
	SendEmail bool
}

// Handler returns the handler of all endpoints, with the middleware that all of them need.
func Handler(d Dependencies) http.Handler {
	requests := &requestSessions{Sessions: d.Sessions, Catalog: d.Catalog, Metrics: d.Metrics, ConsoleHosts: d.ConsoleHosts, cookies: cookies{d.Cookies}}
	attempts := &Attempts{
		requestSessions: requests, Logins: d.Logins, DefaultNamespace: d.DefaultNamespace, Throttle: d.Throttle, Audit: d.Audit,
	}
	pages := &Pages{
		Attempts: attempts, UI: d.UI, Providers: d.Providers, Tickets: d.Tickets, ShowOrganization: d.ShowOrganization, MayListAccounts: d.MayListAccounts,
		profileReads: make(chan struct{}, maxProfileReads),
	}
	verify := &Verify{requestSessions: requests, DefaultNamespace: d.DefaultNamespace, SendEmail: d.SendEmail}
	verify.problemPage = func(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem) {
		pages.UI.ShowProblem(w, r, refusal, "", accountPage) // "/" may be the application, which would refuse again.
	}
	mux := http.NewServeMux()
	for _, endpoint := range []interface{ Mount(*http.ServeMux) }{
		&Login{attempts},
		&Password{attempts},
		&Codes{attempts},
		&Requirements{Catalog: d.Catalog, DefaultNamespace: d.DefaultNamespace},
		&CurrentSession{requests},
		verify,
		d.UI,
	} {
		endpoint.Mount(mux)
	}
	mountPages(mux, pages)
	served := httpkit.Bounded(httpkit.Secured(httpkit.SameOrigin(httpkit.Routed(mux, pages.refuse), pages.refuse)), pages.refuse)
	return httpkit.Logged(verify.beforeMux(served), d.Proxies, pages.refuse)
}

func mountPages(mux *http.ServeMux, p *Pages) {
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET "+accountPage, p.home)
	for _, prefix := range []string{"", "/o/{organization}"} {
		mux.HandleFunc("GET "+prefix+"/login", p.loginForm)
		mux.HandleFunc("POST "+prefix+"/login", p.login)
		mux.HandleFunc("GET "+prefix+"/login/oidc/{provider}", p.beginAtProvider)
		mux.HandleFunc("GET "+prefix+negotiatePath, p.negotiate)
		mux.HandleFunc("GET "+prefix+kubectlPath, p.askForKubectl)
		mux.HandleFunc("POST "+prefix+kubectlPath, p.answerKubectl)
		mux.HandleFunc("GET "+prefix+"/change-password", p.changeForm)
		mux.HandleFunc("POST "+prefix+"/change-password", p.change)
	}
	mux.HandleFunc("GET "+callbackPath+"{provider}", p.finishAtProvider)
	mux.HandleFunc("GET /continue", p.continueTo)
	mux.Handle("GET /.well-known/change-password", http.RedirectHandler("/change-password", http.StatusFound))
	mux.HandleFunc("GET /logout", p.logoutForm)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { p.logout(w, r, false) })
	mux.HandleFunc("POST /logout-everywhere", func(w http.ResponseWriter, r *http.Request) { p.logout(w, r, true) })
}
