package web

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/ui"
)

// profileReads is how many live reads of a profile go on at once: each page that is opened with a session costs one.
const profileReads = 16

// Pages are what people see in a browser. They take the same steps as the API, through the same functions.
type Pages struct {
	*Attempts
	Catalog *catalog.Catalog
	UI      *ui.UI
	// ShowOrganization has people name their organisation: where there are more than the default one.
	ShowOrganization bool

	// reads has room for the reads of profiles that go on.
	reads chan struct{}
}

// Mount adds the pages to a mux.
func (p *Pages) Mount(mux *http.ServeMux) {
	p.UI.Mount(mux)
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET "+accountPage, p.home)
	for _, under := range []string{"", "/o/{organization}"} {
		mux.HandleFunc("GET "+under+"/login", p.loginForm)
		mux.HandleFunc("POST "+under+"/login", p.login)
		mux.HandleFunc("GET "+under+"/change-password", p.changeForm)
		mux.HandleFunc("POST "+under+"/change-password", p.change)
	}
	mux.HandleFunc("GET /continue", p.goOn)
	mux.HandleFunc("GET /.well-known/change-password", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/change-password", http.StatusFound)
	})
	mux.HandleFunc("GET /logout", p.logoutForm)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { p.logout(w, r, false) })
	mux.HandleFunc("POST /logout-everywhere", func(w http.ResponseWriter, r *http.Request) { p.logout(w, r, true) })
}

// current returns the session of a request, and renews its cookie when it is time. Errors: sessions.ErrInvalid,
// sessions.ErrUnavailable.
func (p *Pages) current(w http.ResponseWriter, r *http.Request) (sessions.Session, error) {
	found, err := p.check(r, metrics.EntryPage)
	if err == nil && httpkit.Bearer(r) == "" {
		p.renewCookie(w, r, found)
	}
	return found, err
}

// profile reads the profile of somebody who is logged in, live. A crowd that reloads its pages is refused before the API
// server has to.
func (p *Pages) profile(r *http.Request, declared *v1alpha1.UserAccount) (login.Profile, error) {
	select {
	case p.reads <- struct{}{}:
		defer func() { <-p.reads }()
		return p.Logins.Profile(r.Context(), declared)
	default:
		return login.Profile{}, login.ErrOverloaded
	}
}

// begin hands a session to the browser. The session that it takes the place of ends (OWASP ASVS 5.0, 7.2.4): nobody could end it any
// more. That is a write, but only for somebody who logs in twice.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request, granted *grant) {
	if presented := p.Get(r, httpkit.SessionCookie); presented != "" {
		held, err := p.Sessions.Check(r.Context(), presented, token.Web)
		// A change has ended the other sessions of the account already.
		hasEnded := held.Claims.CredentialUID == granted.claims.CredentialUID && held.Claims.Generation < granted.claims.Generation
		if err == nil && !hasEnded {
			err = p.Sessions.End(r.Context(), held)
		}
		if err != nil && !errors.Is(err, sessions.ErrInvalid) {
			slog.Warn("Session that another took the place of goes on until it expires", "error", err)
		}
	}
	p.rememberDevice(w, granted)
	p.setSession(w, granted.signed, granted.claims)
}

// refuse answers a request that no endpoint takes: with a page where a browser asks, else with a problem document.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem) {
	w.Header().Add("Vary", "Accept")
	if httpkit.WantsPage(r) {
		p.fail(w, r, refusal, "", "/")
		return
	}
	refusal.Write(w)
}

// fail shows a refusal where there is no form to show it at. place picks the text of one page, such as "home".
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem, place, back string) {
	t := p.UI.Text(r)
	refusal.SetHeaders(w)
	p.UI.Render(w, r, refusal.Status, "message", message{Title: t.Say("problem.title"), Message: p.say(t, refusal, place), Back: back})
}

// say returns what a problem says to a person. The first of the places that has a text of its own about such a problem says it.
func (p *Pages) say(t *ui.Text, refusal *httpkit.Problem, places ...string) string {
	for _, place := range places {
		if key := "problem." + refusal.ID + "." + place; t.Has(key) {
			return t.Say(key)
		}
	}
	return refusal.Say(t, p.UI.Contact(t))
}
