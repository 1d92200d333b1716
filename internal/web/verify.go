package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web/returnto"
)

// The headers that tell an application behind a proxy who sent the request.
const (
	headerUser      = "X-Auth-Request-User"
	headerNamespace = "X-Auth-Request-Namespace"
	headerGroups    = "X-Auth-Request-Groups"
	headerEmail     = "X-Auth-Request-Email"
)

// maxIdentityBytes bounds the values of these headers together. All that an account can declare fits, as UTF-8: 64 groups of 128
// characters of 4 bytes are 32 KiB. Percent-encoded it can be three times as much, which no proxy would take: the buffers of
// the documented nginx hold 48 KiB of headers, Envoy takes 60.
const maxIdentityBytes = 40 << 10

// outcomePreflight is the outcome, in the log, of a CORS preflight that was let through without a session.
const outcomePreflight = "preflight"

// Verify checks sessions for reverse proxies: may this request go on to the application? There are two forms, both by any method:
//
//   - /auth/verify?namespace=acme, for proxies that send a request of their own (nginx auth_request, Traefik ForwardAuth);
//   - /o/acme/auth/verify/..., for proxies that send the person's request with a prefix (Envoy ext_authz). The query is the
//     application's and is not looked at.
type Verify struct {
	*requestSessions

	// DefaultNamespace is the organisation of a check that names none.
	DefaultNamespace string
	// SendEmail adds the e-mail address to the headers for the application.
	SendEmail bool

	// problemPage shows a problem to a person whom the login page cannot help.
	problemPage httpkit.Refuse
}

// Mount adds /auth/login to a mux, where proxies send people without a session. The checks themselves are served by beforeMux.
func (h *Verify) Mount(mux *http.ServeMux) { mux.HandleFunc("GET /auth/login", h.login) }

// beforeMux serves both forms of a check, and passes all other requests to next.
//
// A mux would clean the application's path, and redirect to the clean one. Posts from other origins are not refused: that is for
// the application to decide, and no page can read the answer. An answer that lets a request through has none of the security
// headers but no-store: it has no content, and the proxy has to read every header.
func (h *Verify) beforeMux(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		prefixed, isPrefixed := parsePrefixedPath(path)
		var p proxyRequest
		var refusal *httpkit.Problem
		switch {
		case path == verifyPath:
			r.Pattern = verifyPath
			if refusal = httpkit.BoundQuery(r); refusal == nil {
				p, refusal = readQuery(r, h.DefaultNamespace)
			}
		case isPrefixed:
			r.Pattern = "/o/{organization}" + verifyPath + "/"
			p, refusal = prefixed.read(r)
		default:
			next.ServeHTTP(w, r)
			return
		}
		if refusal != nil {
			httpkit.Secure(w, r)
			refusal.Write(w)
			return
		}
		h.check(w, r, p)
	})
}

// login redirects a person to the login page, and answers a program with the refusal. It is for proxies that answer a refused check
// themselves, and cannot write one address into another (nginx).
func (h *Verify) login(w http.ResponseWriter, r *http.Request) {
	p, refusal := readQuery(r, h.DefaultNamespace)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	p.redirect = true
	found, _, err := h.session(r, h.Get(r, httpkit.SessionCookie)) // Not counted: the check before this request was.
	refusal = p.refusal(found, err)
	if refusal == nil {
		p.ascii = true // The longer encoding: the check may have asked for it.
		_, refusal = h.identify(found, p)
	}
	if refusal == nil { // The session is valid by now. The login page redirects back.
		refusal = sessionRefusal(sessions.ErrInvalid)
	}
	h.refuse(w, r, p, refusal)
}

func (h *Verify) check(w http.ResponseWriter, r *http.Request, p proxyRequest) {
	cookie := h.Get(r, httpkit.SessionCookie)
	found, presented, err := h.session(r, cookie)
	h.Metrics.SessionCheck(metrics.EntryVerify, presented, err)
	refusal := p.refusal(found, err)
	var person identity
	if refusal == nil {
		person, refusal = h.identify(found, p)
	}
	switch {
	case refusal == nil:
	case p.preflight && refusal.Status != http.StatusServiceUnavailable:
		httpkit.SetOutcome(w, outcomePreflight)
		(&identity{sendEmail: h.SendEmail}).write(w) // Empty values overwrite headers that the client has sent.
		return
	default:
		httpkit.Secure(w, r)
		h.refuse(w, r, p, refusal)
		return
	}
	httpkit.OmitFromLog(w)
	if presented == cookie {
		h.renewCookie(w, r, found)
	}
	person.write(w)
}

// session returns the session of a request to an application, and its token: that of the cookie if it is valid, else that of the Authorization
// header. The API looks at the header first. Here the header may be the application's own, with another token in it.
func (h *Verify) session(r *http.Request, cookie string) (found sessions.Session, presented string, err error) {
	err = sessions.ErrInvalid
	if cookie != "" {
		presented = cookie
		found, err = h.Sessions.Check(r.Context(), cookie, token.Web)
	}
	if signed := httpkit.Bearer(r); signed != "" && errors.Is(err, sessions.ErrInvalid) {
		presented = signed
		found, err = h.Sessions.Check(r.Context(), signed, token.Web)
	}
	return found, presented, err
}

// refuse answers with the problem, or redirects a person who opens a page to the login page of the organisation. That makes no
// circle: the login page does not redirect back anybody logged in to another organisation. A person with too many groups would be
// redirected back, and so would somebody who is logged in to the console, at a host of which no application may be: both get the problem
// on a page.
func (h *Verify) refuse(w http.ResponseWriter, r *http.Request, p proxyRequest, refusal *httpkit.Problem) {
	if !p.redirect || !opensPage(r) || refusal.Status == http.StatusServiceUnavailable {
		refusal.Write(w)
		return
	}
	if refusal.ID == httpkit.InvalidSession && h.hasConsoleSession(r) {
		refusal = problem(http.StatusForbidden, httpkit.ConsoleSession)
	}
	if refusal.ID == httpkit.GroupsTooLarge || refusal.ID == httpkit.ConsoleSession {
		h.problemPage(w, r, refusal)
		return
	}
	httpkit.SetOutcome(w, refusal.ID)
	to := ""
	if p.method == http.MethodGet || p.method == http.MethodHead { // The address of a POST may not exist for a GET.
		to = returnto.Check(p.to)
	}
	http.Redirect(w, r, withReturnTo(inOrganization(p.namespaces[0], "/login"), to), http.StatusSeeOther)
}

// hasConsoleSession reports whether this is a host of the console, and the cookie has a session of it. At another host, the login page
// helps: the session counts for nothing there.
func (h *Verify) hasConsoleSession(r *http.Request) bool {
	if !h.ConsoleHosts.Has(r) {
		return false
	}
	_, err := h.Sessions.Check(r.Context(), h.Get(r, httpkit.SessionCookie), token.Console)
	return err == nil
}

// opensPage reports whether a person opens a page. A script that fetches HTML accepts it as well, and would put the login page into
// the application's own page (https://www.w3.org/TR/fetch-metadata/).
func opensPage(r *http.Request) bool {
	return httpkit.WantsPage(r) && r.Header.Get("Sec-Fetch-Dest") != "empty"
}

// identity is what an application gets to know of an account, in headers.
type identity struct {
	user, namespace, groups, email string
	sendEmail                      bool
}

// identify returns the headers about the account of a session. Too many groups are refused as a whole: an application must not get some of them
// without knowing, and a proxy would answer too large a header with an error that explains nothing.
func (h *Verify) identify(found sessions.Session, p proxyRequest) (identity, *httpkit.Problem) {
	a, groups := found.Account, found.Groups
	if p.ascii || slices.ContainsFunc(groups, isUnsafeGroup) {
		groups = slices.DeleteFunc(slices.Clone(groups), isUnsafeGroup)
	}
	person := identity{user: a.Username(), namespace: a.Namespace, sendEmail: h.SendEmail}
	if h.SendEmail && !strings.ContainsFunc(a.Spec.Email, unicode.IsControl) {
		person.email = a.Spec.Email
	}
	if p.ascii {
		for i, group := range groups {
			groups[i] = url.PathEscape(group)
		}
		person.user, person.email = url.PathEscape(person.user), url.PathEscape(person.email)
	}
	person.groups = strings.Join(groups, ",")
	if len(person.user)+len(person.namespace)+len(person.groups)+len(person.email) > maxIdentityBytes {
		return identity{}, problem(http.StatusForbidden, httpkit.GroupsTooLarge)
	}
	return person, nil
}

// write lets the request through. Headers are set even if they are empty, so that no client can forge one: some proxies overwrite only
// those that they get. The e-mail address is none of them unless --tell-email asks for it.
func (i *identity) write(w http.ResponseWriter) {
	header := w.Header()
	values := []string{"no-store", i.user, i.namespace, i.groups, i.email} // One allocation instead of five. Names are canonical.
	header["Cache-Control"], header[headerUser], header[headerNamespace] = values[0:1:1], values[1:2:2], values[2:3:3]
	header[headerGroups] = values[3:4:4]
	if i.sendEmail {
		header[headerEmail] = values[4:5:5]
	}
	w.WriteHeader(http.StatusOK)
}

// isUnsafeGroup reports whether an application could read a group as another one, or as several. The schema refuses commas and
// control characters, but accounts may be older than it; spaces at the ends get lost in headers.
func isUnsafeGroup(group string) bool {
	return group != strings.TrimSpace(group) || strings.ContainsFunc(group, func(r rune) bool { return r == ',' || unicode.IsControl(r) })
}
