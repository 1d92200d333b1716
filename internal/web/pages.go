package web

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/login"
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

// whoFields are the fields that say who somebody is.
type whoFields struct {
	Text                   *ui.Text
	ShowOrganization       bool
	Organization, Username string
}

// fields returns the fields for somebody, of the default organisation unless another is named.
func (p *Pages) fields(r *http.Request, who remembered) whoFields {
	who.Namespace = cmp.Or(who.Namespace, p.DefaultNamespace)
	return whoFields{
		Text:             p.UI.Text(r),
		ShowOrganization: p.ShowOrganization || who.Namespace != p.DefaultNamespace || organizationOf(r) != "",
		Organization:     who.Namespace, Username: who.Username,
	}
}

// guest returns who is asked to log in: the organisation of the address, or who is remembered on this device, unless the
// address names another organisation.
func guest(r *http.Request) remembered {
	who := rememberedWho(r)
	if organization := organizationOf(r); organization != "" && organization != who.Namespace {
		return remembered{Namespace: organization}
	}
	return who
}

// address returns the address of a page for an organisation.
func (p *Pages) address(organization, page string) string {
	if organization == "" || organization == p.DefaultNamespace {
		return page
	}
	return "/o/" + url.PathEscape(organization) + page
}

// sibling returns the address of a page beside this request's: below /o/{organization} where the request's is, of the default
// organisation, too. A proxy may answer /login itself, with a redirect to its organisation's page, and a form that is sent
// there is lost. What was typed, as an organisation that somebody names in a form, is never made part of an address: it ends
// up in logs and histories.
func sibling(r *http.Request, page, to string) string {
	if organization := organizationOf(r); organization != "" {
		page = "/o/" + url.PathEscape(organization) + page
	}
	return withReturnTo(page, to)
}

// passwordField is a field for a password; it never has a value.
type passwordField struct {
	Text                              *ui.Text
	ID, Label, Autocomplete, Describe string
	// Invalid has the focus go to it; Error and Errors, if any, stand below.
	Invalid bool
	Error   string
	Errors  []string
}

// instant is a time on a page.
type instant struct {
	Text *ui.Text
	At   time.Time
}

// at returns a time for a page; nil where there is none.
func at(text *ui.Text, t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{Text: text, At: t}
}

// message is a page that says one thing.
type message struct {
	Title, Message string
	Until          *instant
	Contact        bool
	Back           string
}

// current returns the session of a request, and renews its cookie when it is time. Errors: ErrInvalidSession,
// ErrSessionUnknown.
func (p *Pages) current(w http.ResponseWriter, r *http.Request) (Session, error) {
	found, err := p.Sessions.Check(r.Context(), DoorPage, tokenOf(r), token.Web)
	if err == nil {
		p.Sessions.slide(w, r, found)
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

// begin hands a session to the browser. The one that it takes the place of ends (OWASP ASVS 5.0, 7.2.4), or nobody could
// end it any more: that is a write, but only for somebody who logs in twice.
func (p *Pages) begin(w http.ResponseWriter, r *http.Request, granted *grant) {
	if signed := cookieOf(r, sessionCookie); signed != "" {
		held, err := p.Sessions.Verify(r.Context(), signed, token.Web)
		// A change has ended the account's other sessions already.
		over := held.Claims.CredentialUID == granted.claims.CredentialUID && held.Claims.Generation < granted.claims.Generation
		if err == nil && !over {
			err = endAlone(r, p.Sessions, p.Logins, held)
		}
		if err != nil && !errors.Is(err, ErrInvalidSession) {
			slog.Warn("Session that another took the place of goes on until it expires", "error", err)
		}
	}
	p.Sessions.rememberDevice(w, r, granted)
	setSessionCookie(w, r, granted.signed, granted.claims)
}

// refuse answers a request that no endpoint takes: with a page where a browser asks, else with a problem document.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, refusal *problem) {
	w.Header().Add("Vary", "Accept")
	if wantsPage(r) {
		p.fail(w, r, refusal, "", "/")
		return
	}
	refusal.write(w)
}

// fail shows what stands in the way where there is no form to show it at. door picks words of one page.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, refusal *problem, door, back string) {
	text := p.UI.Text(r)
	said, contact := problemText(text, refusal, door)
	if refusal.id == problemInternal {
		said = text.Say("problem."+refusal.id, "id", w.Header().Get("X-Request-Id"))
	}
	refusal.note(w)
	p.UI.Render(w, r, refusal.Status, "message", message{
		Title: text.Say("problem.title"), Message: said, Contact: contact, Back: back,
	})
}

// form reads a form that a page has sent.
func (p *Pages) form(w http.ResponseWriter, r *http.Request) *problem {
	if len(r.Header.Get("Content-Type")) > maxContentTypeBytes {
		return invalidRequest("Send the page's own form.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err == nil {
		if hasTooManyParameters(string(body)) {
			return tooManyParameters("form")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		err = r.ParseForm()
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return newProblem(http.StatusRequestEntityTooLarge, problemTooLarge, "The form is too large",
			"Send at most "+strconv.Itoa(maxBodyBytes)+" bytes.")
	}
	if err != nil || r.PostForm == nil {
		return invalidRequest("Send the page's own form.")
	}
	return nil
}

// problemText says a problem to a person, and whether to add whom to turn to. Of the doors, the first that has words of its
// own has the say.
func problemText(text *ui.Text, p *problem, doors ...string) (said string, contact bool) {
	key := "problem." + p.id
	switch p.id {
	case problemTooManyAttempts:
		if p.retryAfter <= 0 {
			return text.Say(key), true
		}
		unit, n := wait(p.retryAfter)
		return text.Say(key+"."+unit, "n", n), false
	case problemAccountUnavailable:
		if reason := key + "." + p.Reason; text.Has(reason) {
			return text.Say(reason), true
		}
		return text.Say(key + ".other"), true
	}
	for _, door := range doors {
		if text.Has(key + "." + door) {
			return text.Say(key + "." + door), false
		}
	}
	if !text.Has(key) {
		return text.Say("problem.other"), false
	}
	return text.Say(key), false
}

// wait says how long to wait, in the unit that people would take. It goes up to the next whole one: a moment early would be
// refused again.
func wait(d time.Duration) (unit string, n int) {
	unit, size := "seconds", time.Second
	for _, larger := range []struct {
		unit string
		size time.Duration
	}{{"minutes", time.Minute}, {"hours", time.Hour}, {"days", 24 * time.Hour}} {
		if d >= 2*larger.size {
			unit, size = larger.unit, larger.size
		}
	}
	return unit, int((d + size - 1) / size)
}

// withContact adds whom to turn to.
func (p *Pages) withContact(text *ui.Text, said string, contact bool) string {
	if contact {
		return said + " " + p.UI.Contact(text)
	}
	return said
}
