package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/directory"
	"github.com/keyturn/keyturn/internal/session"
	"github.com/keyturn/keyturn/internal/web/ui"
)

const (
	// maxFormBytes bounds what a form may send, as of a JSON document.
	maxFormBytes = 16 << 10
	// maxReturnTo bounds an address to return to, in bytes.
	maxReturnTo = 2048
)

// Pages are what people see in a browser. They take the same steps as the API, through the same functions.
type Pages struct {
	*Attempts
	Directory *directory.Directory
	UI        *ui.UI
	// ShowOrganization has people name their organisation: where there are more than the default one.
	ShowOrganization bool
}

// Mount adds the pages to a mux.
func (p *Pages) Mount(mux *http.ServeMux) {
	p.UI.Mount(mux)
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /login", p.loginForm)
	mux.HandleFunc("GET /o/{organization}/login", p.loginForm)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("GET /change-password", p.changeForm)
	mux.HandleFunc("GET /o/{organization}/change-password", p.changeForm)
	mux.HandleFunc("POST /change-password", p.change)
	mux.HandleFunc("GET /.well-known/change-password", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/change-password", http.StatusFound)
	})
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
func (p *Pages) fields(text *ui.Text, who remembered) whoFields {
	if who.Namespace == "" {
		who.Namespace = p.DefaultNamespace
	}
	return whoFields{
		Text: text, ShowOrganization: p.ShowOrganization || who.Namespace != p.DefaultNamespace,
		Organization: who.Namespace, Username: who.Username,
	}
}

// address returns the address of a page for an organisation.
func (p *Pages) address(organization, page string) string {
	if organization == "" || organization == p.DefaultNamespace {
		return page
	}
	return "/o/" + url.PathEscape(organization) + page
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
	found, err := p.Sessions.Verify(r.Context(), tokenOf(r), session.Web)
	if err == nil {
		p.Sessions.slide(w, r, found)
	}
	return found, err
}

// fail shows what stands in the way where there is no form to show it at.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, refusal *problem, back string) {
	text := p.UI.Text(r)
	said, contact := problemText(text, refusal, "")
	refusal.note(w, r)
	p.UI.Render(w, r, refusal.Status, "message", message{
		Title: text.Say("problem.title"), Message: said, Contact: contact, Back: back,
	})
}

// form reads a form that a page has sent.
func (p *Pages) form(w http.ResponseWriter, r *http.Request) *problem {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	err := r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return newProblem(http.StatusRequestEntityTooLarge, problemTooLarge, "The form is too large", "Send at most 16 KiB.")
	}
	if err != nil || r.PostForm == nil {
		return invalidRequest("Send the page's own form.")
	}
	return nil
}

// problemText says a problem to a person, and whether to add whom to turn to. door picks words of one page.
func problemText(text *ui.Text, p *problem, door string) (said string, contact bool) {
	key := "problem." + p.id
	switch p.id {
	case problemTooManyAttempts:
		// Up to the next whole one: a moment early would be refused again.
		if seconds := int((p.retryAfter + time.Second - 1) / time.Second); seconds > 0 {
			if seconds < 2*60 {
				return text.Say(key+".seconds", "n", seconds), false
			}
			return text.Say(key+".minutes", "n", (seconds+59)/60), false
		}
		return text.Say(key), true
	case problemAccountUnavailable:
		if reason := key + "." + p.Reason; text.Has(reason) {
			return text.Say(reason), true
		}
		return text.Say(key + ".other"), true
	}
	if text.Has(key + "." + door) {
		return text.Say(key + "." + door), false
	}
	if !text.Has(key) {
		return text.Say("problem.other"), false
	}
	return text.Say(key), false
}

// withContact adds whom to turn to.
func (p *Pages) withContact(text *ui.Text, said string, contact bool) string {
	if contact {
		return said + " " + p.UI.Contact(text)
	}
	return said
}

// returnTo returns where on this host a person was going; empty for nowhere, or where it is not on this host.
func returnTo(raw string) string {
	if len(raw) > maxReturnTo || !strings.HasPrefix(raw, "/") || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return ""
	}
	to, err := url.Parse(raw)
	if err != nil || to.Scheme != "" || to.Host != "" || to.User != nil || strings.HasPrefix(path.Clean(to.Path), "//") || strings.HasPrefix(raw, "//") {
		return ""
	}
	if strings.HasPrefix(to.Path, "//") {
		return ""
	}
	switch to.Path {
	case "/", "/login", "/logout", "/logout-everywhere":
		return "" // That is where one lands anyway, or would go in circles.
	}
	return raw
}

// withReturnTo adds where a person was going to the address of a page.
func withReturnTo(address, to string) string {
	if to == "" {
		return address
	}
	return address + "?" + url.Values{"return_to": {to}}.Encode()
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request, everywhere bool) {
	organization, err := endSession(w, r, p.Sessions, p.Logins, everywhere)
	if err != nil && !errors.Is(err, ErrInvalidSession) {
		slog.Error("Session not ended", "error", err)
		p.fail(w, r, unavailable(), "/")
		return
	}
	notice := "logged-out"
	if everywhere && err == nil {
		notice = "logged-out-everywhere"
	}
	http.Redirect(w, r, p.address(organization, "/login")+"?notice="+notice, http.StatusSeeOther) //nolint:gosec // a path of this server
}

// notice returns a notice that an address asks for, of those that there are.
func notice(text *ui.Text, r *http.Request) string {
	if key := "notice." + r.URL.Query().Get("notice"); text.Has(key) {
		return text.Say(key)
	}
	return ""
}
