package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// answer sends the browser to kubectl, which listens on the person's computer. The answer names this server, so that kubectl does not hand
// the code of one server to another (RFC 9207).
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, k kubectlRequest, name, value string) {
	query := url.Values{name: {value}, "state": {k.State}, "iss": {p.origin(r)}}
	w.Header().Set("Location", k.listener()+"/?"+query.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// kubectlPage asks whether kubectl may act as the person, or shows the login code.
type kubectlPage struct {
	kubectlRequest

	Name, Username, Organization string
	// Host is the server's, so that people see where they are.
	Host string
	// Action is where the form is posted to, and Other leads to the login with another account.
	Action, Other string
	// Account that the page names; the answer to the page counts for no other.
	Account string
	// Code is the login code; empty where the page asks.
	Code string
}

func (p *Pages) newKubectlPage(r *http.Request, k kubectlRequest, found sessions.Session) *kubectlPage {
	a := found.Account
	page := &kubectlPage{
		kubectlRequest: k, Name: a.Spec.DisplayName, Username: a.Username(), Organization: a.Namespace, Host: r.Host,
		Action: inOrganization(organizationOf(r), kubectlPath), Other: loginAgain(r, k), Account: a.Namespace + "/" + a.Username(),
	}
	if page.Name == "" {
		page.Name = page.Username
	}
	return page
}

// loginAgain returns the address of a login that also asks somebody who is logged in, and leads back.
func loginAgain(r *http.Request, k kubectlRequest) string {
	return sibling(r, "/login", k.address(r)) + "&prompt=login"
}

// askForKubectl asks the person whether kubectl may act as this account. Without a session it leads to the login page, and back.
func (p *Pages) askForKubectl(w http.ResponseWriter, r *http.Request) {
	k, ok := parseKubectlRequest(r.URL.Query())
	if !ok || !isNavigation(r) {
		p.refuseKubectl(w, r)
		return
	}
	found, ok := p.sessionForKubectl(w, r, k)
	if !ok {
		return
	}
	p.UI.RenderLeadingTo(w, r, k.listener(), "kubectl", p.newKubectlPage(r, k, found))
}

// answerKubectl takes the person's answer, and hands the login code to kubectl or shows it.
func (p *Pages) answerKubectl(w http.ResponseWriter, r *http.Request) {
	if refusal := httpkit.ReadForm(w, r); refusal != nil {
		p.UI.ShowProblem(w, r, refusal, "", "/")
		return
	}
	k, ok := parseKubectlRequest(r.PostForm)
	answer := r.PostForm.Get("answer")
	switch {
	case !ok || !isNavigation(r):
		p.refuseKubectl(w, r)
		return
	case answer != "allow" && k.Port == "":
		p.DropAt(w, r.URL.EscapedPath(), kubectlCookie)
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	case answer != "allow":
		p.DropAt(w, r.URL.EscapedPath(), kubectlCookie)
		p.answer(w, r, k, "error", "access_denied")
		return
	}
	found, ok := p.sessionForKubectl(w, r, k)
	if !ok {
		return
	}
	page := p.newKubectlPage(r, k, found)
	if r.PostForm.Get("account") != page.Account { // Another account has logged in since the page was shown.
		returnto.Redirect(w, k.address(r))
		return
	}
	code, err := p.Sessions.NewCode(r.Context(), found, k.Challenge)
	if err != nil {
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "", k.address(r))
		return
	}
	p.DropAt(w, r.URL.EscapedPath(), kubectlCookie)
	httpkit.SetOutcome(w, metrics.Granted)
	if k.Port != "" {
		p.answer(w, r, k, "code", code.Text())
		return
	}
	page.Code = code.Text()
	p.UI.Render(w, r, http.StatusOK, "kubectl", page)
}

// sessionForKubectl returns the session of a request if its person has logged in for this kubectl. Otherwise it answers the request itself: it
// leads to the login page, also somebody who is logged in, where the login was for something else, of another organisation than that of the
// address, or too long ago.
func (p *Pages) sessionForKubectl(w http.ResponseWriter, r *http.Request, k kubectlRequest) (sessions.Session, bool) {
	found, err := p.check(r, p.Get(r, httpkit.SessionCookie)) // A bearer token comes from no page.
	organization := organizationOf(r)
	if err == nil && organization != "" && organization != found.Account.Namespace {
		err = sessions.ErrInvalid
	}
	if err == nil && !p.hasLoggedInFor(r, k.Challenge, found.Claims) {
		err = sessions.ErrInvalid
	}
	if err == nil {
		err = p.Sessions.AllowsCode(r.Context(), found)
	}
	switch {
	case errors.Is(err, sessions.ErrInvalid):
		returnto.Redirect(w, loginAgain(r, k))
	case err != nil:
		p.UI.ShowProblem(w, r, httpkit.NewUnavailable(""), "", k.address(r))
	}
	return found, err == nil
}

// refuseKubectl refuses an address or a form that kubectl account login has not made.
func (p *Pages) refuseKubectl(w http.ResponseWriter, r *http.Request) {
	refusal := httpkit.NewProblem(http.StatusBadRequest, httpkit.InvalidRequest, httpkit.Message{Key: "problem." + httpkit.InvalidRequest + ".kubectl"})
	p.UI.ShowProblem(w, r, refusal, "", "/")
}
