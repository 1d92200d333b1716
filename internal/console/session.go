package console

import (
	"net/http"
	"net/url"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/kubeuser"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// session returns the session of a request, for the audience console, and counts the check in the metrics. Errors:
// sessions.ErrInvalid, sessions.ErrUnavailable.
func (c *console) session(r *http.Request, entry metrics.Entry) (sessions.Session, error) {
	presented := c.Cookies.Token(r)
	found, err := c.Sessions.Check(r.Context(), presented, token.Console)
	c.Checks.SessionCheck(entry, presented, err)
	return found, err
}

// pageSession is session for pages. It renews the cookie in the second half of its time. Where there is no session, it redirects to the
// login page, which leads back to an address of this server. It returns false where it has answered.
func (c *console) pageSession(w http.ResponseWriter, r *http.Request, back string) (sessions.Session, bool) {
	found, err := c.session(r, metrics.EntryPage)
	if err != nil {
		c.refusePage(w, r, refusalOf(err), back)
		return sessions.Session{}, false
	}
	if httpkit.Bearer(r) == "" {
		if signed, claims, ok := c.Sessions.RenewHalfway(r.Context(), found); ok {
			c.Cookies.SetSession(w, signed.Text(), claims.RememberMe, claims.ExpiresTime.Sub(claims.IssuedTime))
		}
	}
	return found, true
}

// refusePage shows a refusal, or leads to the login page where a login helps.
func (c *console) refusePage(w http.ResponseWriter, r *http.Request, refusal *httpkit.Problem, back string) {
	if refusal.Status == http.StatusUnauthorized {
		httpkit.SetOutcome(w, refusal.ID)
		// With prompt, since somebody may be logged in with a session that is not for this server's console, or too old.
		seeOther(w, "/login?"+url.Values{"prompt": {"login"}, "return_to": {back}}.Encode())
		return
	}
	c.UI.ShowProblem(w, r, refusal, "admin", listPage)
}

// seeOther redirects to an address of this server.
func seeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// actorName is the name of a session's person in Kubernetes, for the audit log; empty where the person has none there.
func actorName(session sessions.Session) string {
	if session.Account == nil {
		return ""
	}
	identity, err := kubeuser.Of(session.Account.Namespace, session.Account.Username(), nil)
	if err != nil {
		return ""
	}
	return identity.Username
}

// targetOf returns the account that the address of a request names.
func targetOf(r *http.Request) administration.Target {
	return administration.Target{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
}

// addressOf returns the address of a page about an account; what is empty for the account's own page.
func addressOf(t administration.Target, what string) string {
	address := pagePrefix + "accounts/" + url.PathEscape(t.Namespace) + "/" + url.PathEscape(t.Name)
	if what != "" {
		address += "/" + what
	}
	return address
}
