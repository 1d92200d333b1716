package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// The headers by which an application behind a proxy hears who is there.
const (
	headerUser      = "X-Auth-Request-User"
	headerNamespace = "X-Auth-Request-Namespace"
	headerGroups    = "X-Auth-Request-Groups"
	headerEmail     = "X-Auth-Request-Email"
)

// maxToldBytes bounds the values of these headers together. All that an account can declare fits, as UTF-8: 64 groups of 128
// characters of 4 bytes are 32 KiB. Percent-encoded it can be three times as much, which no proxy would take: the buffers of
// the documented nginx hold 48 KiB of headers, Envoy takes 60.
const maxToldBytes = 40 << 10

// outcomePreflight is the outcome, in the log, of a CORS preflight that was let through without a session.
const outcomePreflight = "preflight"

// Verify answers proxies that ask whether a request may go on to an application. It takes two forms, by any method, because
// proxies ask in two ways. /auth/verify?namespace= is for those that ask at an address of their own (nginx auth_request,
// Traefik ForwardAuth). /o/{organization}/auth/verify/ with anything after it is for those that send the request itself ahead,
// with something in front of its path (Envoy ext_authz): there the query is the application's and is not looked at.
type Verify struct {
	*visits

	// DefaultNamespace is the organisation that is asked for where none is named.
	DefaultNamespace string
	// TellEmail has applications be told e-mail addresses.
	TellEmail bool

	// refusalPage tells a person of a refusal for which it is no help to log in.
	refusalPage httpkit.Refuse
}

// Mount adds to a mux where proxies send people whom they refuse.
func (h *Verify) Mount(mux *http.ServeMux) { mux.HandleFunc("GET /auth/login", h.login) }

// ahead serves both forms and leaves all else to next. A mux would clean the application's path and redirect to that, and
// what other sites may send to an application is not for Keyturn to say: no page can read the answer. A yes has none of the
// headers that secure an answer but no-store: there is nothing to frame, run or sniff, and a proxy has to read them all.
func (h *Verify) ahead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		ahead, isAhead := cutAhead(path)
		var q question
		var refusal *httpkit.Problem
		switch {
		case path == verifyPath:
			r.Pattern = verifyPath
			if refusal = httpkit.BoundQuery(r); refusal == nil {
				q, refusal = h.read(r)
			}
		case isAhead:
			r.Pattern = "/o/{organization}" + verifyPath + "/"
			q, refusal = ahead.read(r)
		default:
			next.ServeHTTP(w, r)
			return
		}
		if refusal != nil {
			httpkit.Secure(w, r)
			refusal.Write(w)
			return
		}
		h.serve(w, r, q)
	})
}

// login sends a person to the login page, or tells a program that it has no session. It is for proxies that answer for
// themselves what was refused, and cannot write an address into another one (nginx).
func (h *Verify) login(w http.ResponseWriter, r *http.Request) {
	q, refusal := h.read(r)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	q.redirect = true
	found, _, err := h.session(r) // It was counted when the proxy asked.
	refusal = q.refusal(found, err)
	if refusal == nil {
		q.ascii = true // The encoded form is the larger one, and the proxy may ask /auth/verify for it without asking here.
		_, refusal = h.told(found.Account, q)
	}
	if refusal == nil { // The session has begun meanwhile: the login page sends people back.
		refusal = sessionRefusal(sessions.ErrInvalid)
	}
	h.refuse(w, r, q, refusal)
}

func (h *Verify) serve(w http.ResponseWriter, r *http.Request, q question) {
	found, by, err := h.session(r)
	h.Metrics.SessionCheck(metrics.EntryVerify, by.text, err)
	refusal := q.refusal(found, err)
	var told values
	if refusal == nil {
		told, refusal = h.told(found.Account, q)
	}
	switch {
	case refusal == nil:
	case q.preflight && refusal.Status != http.StatusServiceUnavailable:
		httpkit.SetOutcome(w, outcomePreflight)
		(&values{tellEmail: h.TellEmail}).write(w) // Empty values overwrite what a client has sent of these.
		return
	default:
		httpkit.Secure(w, r)
		h.refuse(w, r, q, refusal)
		return
	}
	httpkit.OmitFromLog(w)
	if by.isCookie {
		h.renewCookie(w, r, found)
	}
	told.write(w)
}

// presentedToken is the token that a request was judged by.
type presentedToken struct {
	text     string
	isCookie bool
}

// session returns the session of a request to an application: that of the cookie if it holds, else that of the Authorization
// header. Keyturn's own API looks at the header first. Here the header may be the application's, with nothing of Keyturn's in it.
// Either way the request itself proves whose session it is. Of several such headers none counts.
func (h *Verify) session(r *http.Request) (found sessions.Session, by presentedToken, err error) {
	err = sessions.ErrInvalid
	if cookie := h.Get(r, httpkit.SessionCookie); cookie != "" {
		by = presentedToken{text: cookie, isCookie: true}
		found, err = h.Sessions.Check(r.Context(), cookie, token.Web)
	}
	if signed := httpkit.Bearer(r); signed != "" && errors.Is(err, sessions.ErrInvalid) {
		by = presentedToken{text: signed}
		found, err = h.Sessions.Check(r.Context(), signed, token.Web)
	}
	return found, by, err
}

// refuse answers with the problem, or sends a person who opens a page to the login page of the organisation. That page
// sends nobody back who is logged in to another one, so it makes no circle. Who has too many groups would come straight back, and
// gets a page that says so.
func (h *Verify) refuse(w http.ResponseWriter, r *http.Request, q question, refusal *httpkit.Problem) {
	if !q.redirect || !opensPage(r) || refusal.Status == http.StatusServiceUnavailable {
		refusal.Write(w)
		return
	}
	if refusal.ID == httpkit.GroupsTooLarge {
		h.refusalPage(w, r, refusal)
		return
	}
	httpkit.SetOutcome(w, refusal.ID)
	to := ""
	if q.method == http.MethodGet || q.method == http.MethodHead {
		to = returnTo(q.to) // What a form was sent to may not be there to be opened.
	}
	at := "/o/" + url.PathEscape(q.namespaces[0]) + "/login"
	http.Redirect(w, r, withReturnTo(at, to), http.StatusSeeOther)
}

// opensPage tells whether a person opens a page. A script that fetches HTML accepts it, too, and would put the login page into
// the application's own (https://www.w3.org/TR/fetch-metadata/).
func opensPage(r *http.Request) bool {
	return httpkit.WantsPage(r) && r.Header.Get("Sec-Fetch-Dest") != "empty"
}

// values are what an application hears of an account.
type values struct {
	user, namespace, groups, email string
	tellEmail                      bool
}

// told returns what an application hears of an account, or why it cannot be told. To leave groups out would be wrong without a
// word, and a proxy answers too large a header with an error that tells nobody why.
func (h *Verify) told(a *v1alpha1.UserAccount, q question) (values, *httpkit.Problem) {
	groups := safeGroups(a.Spec.Groups)
	told := values{user: a.Username(), namespace: a.Namespace}
	if h.TellEmail && !strings.ContainsFunc(a.Spec.Email, unicode.IsControl) {
		told.email, told.tellEmail = a.Spec.Email, true
	}
	if q.ascii {
		encoded := make([]string, len(groups))
		for i, group := range groups {
			encoded[i] = url.PathEscape(group)
		}
		groups, told.user, told.email = encoded, url.PathEscape(told.user), url.PathEscape(told.email)
	}
	told.groups = strings.Join(groups, ",")
	if len(told.user)+len(told.namespace)+len(told.groups)+len(told.email) > maxToldBytes {
		return values{}, problem(http.StatusForbidden, httpkit.GroupsTooLarge)
	}
	return told, nil
}

// write answers a proxy with a yes. All but the address are always set: some proxies overwrite only what they get.
func (v *values) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set(headerUser, v.user)
	header.Set(headerNamespace, v.namespace)
	header.Set(headerGroups, v.groups)
	if v.tellEmail {
		header.Set(headerEmail, v.email)
	}
	w.WriteHeader(http.StatusOK)
}

// safeGroups returns the groups that cannot be read as others.
func safeGroups(groups []string) []string {
	if slices.ContainsFunc(groups, isUnsafeGroup) {
		return slices.DeleteFunc(slices.Clone(groups), isUnsafeGroup)
	}
	return groups
}

// isUnsafeGroup tells of a group that would be read as another, or as several: the schema refuses commas and control
// characters, but accounts may be older than it, and spaces at the ends get lost on the way.
func isUnsafeGroup(group string) bool {
	return group != strings.TrimSpace(group) || strings.ContainsFunc(group, func(r rune) bool { return r == ',' || unicode.IsControl(r) })
}
