package console

import (
	"net/http"
	"strings"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/ui"
)

const (
	// listPage is the address of the list of accounts, and pagePrefix begins the addresses of all other pages.
	listPage, pagePrefix = "/admin", "/admin/"
	// apiAccounts is the address of the list in the API, and begins all other addresses there.
	apiAccounts = "/api/v1/accounts"
)

// Dependencies of Handler.
type Dependencies struct {
	Service  *administration.Service
	Sessions *sessions.Service
	// Checks counts checks of sessions, and Metrics actions.
	Checks  *metrics.Metrics
	Metrics *metrics.Administration
	UI      *ui.UI
	Cookies httpkit.Cookies
	// Proxies are the networks whose X-Forwarded-For is trusted.
	Proxies forwarded.Proxies
	// Audit writes a line for each action and each refusal; nil for no audit log.
	Audit *audit.Recorder
}

// Handles tells whether an address is the console's.
func Handles(r *http.Request) bool {
	path := r.URL.Path
	return path == listPage || strings.HasPrefix(path, pagePrefix) || path == apiAccounts || strings.HasPrefix(path, apiAccounts+"/")
}

// console has what all endpoints use.
type console struct {
	Dependencies

	refusals *refusals
}

// Handler returns the handler of all endpoints, with the middleware that all of them need. It is for requests that Handles accepts, at
// the hosts of the console.
func Handler(d Dependencies) http.Handler {
	c := &console{Dependencies: d, refusals: newRefusals()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiAccounts, c.apiList)
	mux.HandleFunc("GET "+apiAccounts+"/{namespace}/{name}", c.apiGet)
	mux.HandleFunc("POST "+apiAccounts+"/{namespace}/{name}/reset-password", c.apiReset)
	mux.HandleFunc("POST "+apiAccounts+"/{namespace}/{name}/unlock", c.apiAct(administration.ActionUnlock))
	mux.HandleFunc("POST "+apiAccounts+"/{namespace}/{name}/sign-out", c.apiAct(administration.ActionSignOut))
	mux.HandleFunc("POST "+apiAccounts+"/{namespace}/{name}/require-change", c.apiAct(administration.ActionRequireChange))
	mux.HandleFunc("DELETE "+apiAccounts+"/{namespace}/{name}/require-change", c.apiAct(administration.ActionWithdrawChange))
	c.mountPages(mux)
	served := httpkit.Bounded(httpkit.Secured(httpkit.SameOrigin(httpkit.Routed(mux, c.refuse), c.refuse)), c.refuse)
	return httpkit.Logged(served, d.Proxies, c.refuse)
}

func (c *console) mountPages(mux *http.ServeMux) {
	mux.HandleFunc("GET "+listPage, c.list)
	mux.Handle("GET "+pagePrefix+"{$}", http.RedirectHandler(listPage, http.StatusSeeOther))
	mux.HandleFunc("GET "+pagePrefix+"accounts/{namespace}/{name}", c.account)
	mux.HandleFunc("GET "+pagePrefix+"accounts/{namespace}/{name}/edit", c.edit)
	for _, action := range administration.Actions {
		address := pagePrefix + "accounts/{namespace}/{name}/" + string(action)
		mux.HandleFunc("GET "+address, func(w http.ResponseWriter, r *http.Request) { c.dialog(w, r, action) })
		if action == administration.ActionResetPassword {
			mux.HandleFunc("POST "+address, c.reset)
			continue
		}
		mux.HandleFunc("POST "+address, func(w http.ResponseWriter, r *http.Request) { c.confirmed(w, r, action) })
	}
}

// refuse answers a request that no endpoint serves: with a page for a browser, else with a problem document.
func (c *console) refuse(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem) {
	w.Header().Add("Vary", "Accept")
	if httpkit.WantsPage(r) && !strings.HasPrefix(r.URL.Path, apiAccounts) {
		c.UI.ShowProblem(w, r, refusal, "admin", listPage)
		return
	}
	refusal.Write(w)
}
