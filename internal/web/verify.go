package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/session"
)

// The headers by which an application behind a proxy hears who is there.
const (
	headerUser      = "X-Auth-Request-User"
	headerNamespace = "X-Auth-Request-Namespace"
	headerGroups    = "X-Auth-Request-Groups"
	headerEmail     = "X-Auth-Request-Email"
)

// loginRedirect is the value of the parameter "login" that has people sent to the login page.
const loginRedirect = "redirect"

// verifyPath is the address of the first form.
const verifyPath = "/auth/verify"

// verifyBelow is what follows the organisation in an address of the second form.
const verifyBelow = "/auth/verify/"

// Verify answers proxies that ask whether a request may go on to an application. It takes two forms, by any method, because
// proxies ask in two ways. /auth/verify?namespace= is for those that ask at an address of their own (nginx auth_request,
// Traefik ForwardAuth). /o/{organization}/auth/verify/ with anything after it is for those that send the request itself ahead,
// with something in front of its path (Envoy ext_authz): there the query is the application's and is not looked at.
type Verify struct {
	Sessions *Sessions
	// DefaultNamespace is the organisation that is asked for where none is named.
	DefaultNamespace string
	// TellEmail has applications be told e-mail addresses.
	TellEmail bool
}

// Mount adds to a mux where proxies send people whom they refuse.
func (h *Verify) Mount(mux *http.ServeMux) { mux.HandleFunc("GET /auth/login", h.login) }

// ahead serves both forms and leaves all else to next. A mux would clean the application's path and redirect to that, and
// what other sites may send to an application is not for Keyturn to say: no page can read the answer. A yes has none of the
// headers that secure an answer but no-store: there is nothing to frame, run or sniff, and a proxy has to read them all.
func (h *Verify) ahead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() == verifyPath {
			r.Pattern = verifyPath
			h.get(w, r)
			return
		}
		rest, below := strings.CutPrefix(r.URL.EscapedPath(), "/o/")
		organization, path, found := strings.Cut(rest, verifyBelow)
		if !below || !found || organization == "" || strings.ContainsAny(organization, "/%") {
			next.ServeHTTP(w, r)
			return
		}
		r.Pattern = "/o/{organization}" + verifyBelow
		to := url.URL{RawQuery: r.URL.RawQuery}
		h.serve(w, r, question{
			namespaces: []string{organization}, redirect: true,
			method: r.Method, to: "/" + path + to.String(),
		})
	})
}

// question is what a proxy asks.
type question struct {
	// namespaces are the organisations whose accounts may go on, one at least.
	namespaces []string
	// redirect has people sent to the login page; method and to are those of their request.
	redirect   bool
	method, to string
}

// read reads the question of the first form.
func (h *Verify) read(r *http.Request) (question, *problem) {
	q := question{method: cmp.Or(r.Header.Get("X-Forwarded-Method"), r.Method), to: r.Header.Get("X-Forwarded-Uri")}
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	for name, values := range parameters {
		switch {
		case name == "namespace":
			q.namespaces = values
		case name == "login" && len(values) == 1 && values[0] == loginRedirect:
			q.redirect = true
		default:
			err = errors.Join(err, errors.ErrUnsupported)
		}
	}
	if err != nil {
		return q, invalidRequest("Ask with namespace=NAMESPACE, as often as there are organisations, and login=redirect at most.")
	}
	for i, namespace := range q.namespaces {
		q.namespaces[i] = cmp.Or(namespace, h.DefaultNamespace)
	}
	if len(q.namespaces) == 0 {
		q.namespaces = []string{h.DefaultNamespace}
	}
	return q, nil
}

func (h *Verify) get(w http.ResponseWriter, r *http.Request) {
	q, refusal := h.read(r)
	if refusal != nil {
		secure(w, r)
		refusal.write(w)
		return
	}
	h.serve(w, r, q)
}

// login sends a person to the login page, or tells a program that it has no session. It is for proxies that answer for
// themselves what was refused, and cannot write an address into another one (nginx).
func (h *Verify) login(w http.ResponseWriter, r *http.Request) {
	q, refusal := h.read(r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	q.redirect = true
	refusal = q.refusal(h.Sessions.Verify(r.Context(), tokenOf(r), session.Web)) // It was counted when the proxy asked.
	if refusal == nil {                                                          // It has begun meanwhile: the login page sends people back.
		refusal = sessionRefusal(ErrInvalidSession)
	}
	h.refuse(w, r, q, refusal)
}

func (h *Verify) serve(w http.ResponseWriter, r *http.Request, q question) {
	found, err := h.Sessions.Check(r.Context(), DoorVerify, tokenOf(r), session.Web)
	if refusal := q.refusal(found, err); refusal != nil {
		secure(w, r)
		h.refuse(w, r, q, refusal)
		return
	}
	traceOf(w).unlogged = true
	h.Sessions.slide(w, r, found)
	h.tell(w.Header(), found.Account)
	w.WriteHeader(http.StatusOK)
}

// refusal tells why who asks may not go on, by what was found of the session; nil where they may.
func (q question) refusal(found Session, err error) *problem {
	switch {
	case err != nil:
		return sessionRefusal(err)
	case !slices.Contains(q.namespaces, found.Account.Namespace):
		return newProblem(http.StatusForbidden, problemOtherOrganisation, "The account is of another organisation",
			"Log in with an account of an organisation that may use this application.")
	}
	return nil
}

// refuse answers with the problem, or sends a person who opens a page to the login page of the organisation. That page
// sends nobody back who is logged in to another one, so it makes no circle.
func (h *Verify) refuse(w http.ResponseWriter, r *http.Request, q question, refusal *problem) {
	if !q.redirect || !wantsPage(r) || refusal.Status == http.StatusServiceUnavailable {
		refusal.write(w)
		return
	}
	traceOf(w).outcome = refusal.id
	to := ""
	if q.method == http.MethodGet || q.method == http.MethodHead {
		to = returnTo(q.to) // What a form was sent to may not be there to be opened.
	}
	at := "/o/" + url.PathEscape(q.namespaces[0]) + "/login"
	http.Redirect(w, r, withReturnTo(at, to), http.StatusSeeOther)
}

// tell says who is there. All but the address are always set: some proxies overwrite only what they get.
func (h *Verify) tell(header http.Header, declared *v1alpha1.UserAccount) {
	header["Cache-Control"] = securityHeaders["Cache-Control"]
	// One piece of memory for three values, each without room for another.
	told := []string{declared.Username(), declared.Namespace, groupList(declared.Spec.Groups)}
	header[headerUser], header[headerNamespace], header[headerGroups] = told[0:1:1], told[1:2:2], told[2:3:3]
	if h.TellEmail && !strings.ContainsFunc(declared.Spec.Email, unicode.IsControl) {
		header[headerEmail] = []string{declared.Spec.Email}
	}
}

// groupList returns groups with commas between them.
func groupList(groups []string) string {
	if slices.ContainsFunc(groups, isUnsafeGroup) {
		groups = slices.DeleteFunc(slices.Clone(groups), isUnsafeGroup)
	}
	return strings.Join(groups, ",")
}

// isUnsafeGroup tells of a group that would be read as another, or as several: the schema refuses commas and control
// characters, but accounts may be older than it, and spaces at the ends get lost on the way.
func isUnsafeGroup(group string) bool {
	return group != strings.TrimSpace(group) || strings.ContainsFunc(group, func(r rune) bool { return r == ',' || unicode.IsControl(r) })
}
