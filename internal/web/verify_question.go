package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/sessions"
)

// verifyPath is the address of the first form, and what follows the organisation in one of the second.
const verifyPath = "/auth/verify"

// maxOptions is how many options there are, each of which may be asked for once.
const maxOptions = 3

// question is what a proxy asks.
type question struct {
	// namespaces are the organisations whose accounts may go on, one at least.
	namespaces []string
	// redirect has people sent to the login page; method and to are those of their request.
	redirect   bool
	method, to string
	// preflight has the request pass without a session: it is a CORS preflight, and the proxy lets these through.
	preflight bool
	// ascii has what the application is told percent-encoded.
	ascii bool
}

// refusal tells why who asks may not go on, by what was found of the session; nil where they may.
func (q question) refusal(found sessions.Session, err error) *httpkit.Problem {
	switch {
	case err != nil:
		return sessionRefusal(err)
	case !slices.Contains(q.namespaces, found.Account.Namespace):
		return problem(http.StatusForbidden, httpkit.OtherOrganisation)
	}
	return nil
}

// set sets what one option of the address asks for; false where there is no such option.
func (q *question) set(name, value string) bool {
	switch name + "=" + value {
	case "login=redirect":
		q.redirect = true
	case "preflight=allow":
		q.preflight = true
	case "headers=ascii":
		q.ascii = true
	default:
		return false
	}
	return true
}

func unknownOption() *httpkit.Problem {
	return httpkit.Invalid("Ask with namespace=NAMESPACE, as often as there are organisations, and at most once each with " +
		"login=redirect, preflight=allow and headers=ascii.")
}

// read reads the question of the first form, whose options are in the query.
func (h *Verify) read(r *http.Request) (question, *httpkit.Problem) {
	q := question{method: cmp.Or(r.Header.Get("X-Forwarded-Method"), r.Method), to: r.Header.Get("X-Forwarded-Uri")}
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	for name, values := range parameters {
		switch {
		case name == "namespace":
			q.namespaces = values
		case len(values) != 1 || !q.set(name, values[0]):
			err = errors.Join(err, errors.ErrUnsupported)
		}
	}
	if err != nil {
		return q, unknownOption()
	}
	for i, namespace := range q.namespaces {
		q.namespaces[i] = cmp.Or(namespace, h.DefaultNamespace)
	}
	if len(q.namespaces) == 0 {
		q.namespaces = []string{h.DefaultNamespace}
	}
	q.preflight = q.preflight && isPreflight(r, q.method)
	return q, nil
}

// aheadPath is the path of the second form: /o/{organization}/auth/verify, the options, each behind a semicolon, and the
// application's own path.
type aheadPath struct{ organization, options, path string }

// cutAhead takes apart a path of the second form; false for any other.
func cutAhead(escaped string) (a aheadPath, found bool) {
	rest, found := strings.CutPrefix(escaped, "/o/")
	if !found {
		return a, false
	}
	if i := strings.IndexByte(rest, '/'); i > 0 {
		a.organization, rest = rest[:i], rest[i:]
	}
	rest, found = strings.CutPrefix(rest, verifyPath)
	i := strings.IndexByte(rest, '/')
	if !found || i < 0 || a.organization == "" || strings.Contains(a.organization, "%") {
		return a, false
	}
	a.options, a.path = rest[:i], rest[i:]
	return a, a.options == "" || a.options[0] == ';'
}

// read reads the question of the second form. Its method is the request's own.
func (a aheadPath) read(r *http.Request) (question, *httpkit.Problem) {
	to := url.URL{RawQuery: r.URL.RawQuery}
	q := question{namespaces: []string{a.organization}, method: r.Method, to: a.path + to.String()}
	if strings.Count(a.options, ";") > maxOptions {
		return q, unknownOption()
	}
	if a.options != "" {
		options := strings.Split(a.options[1:], ";")
		slices.Sort(options)
		for i, option := range options {
			name, value, _ := strings.Cut(option, "=")
			if !q.set(name, value) || i > 0 && option == options[i-1] {
				return q, unknownOption()
			}
		}
	}
	q.redirect = true
	q.preflight = q.preflight && isPreflight(r, q.method)
	return q, nil
}

// isPreflight tells whether a browser asks whether a script of another site may send a request, by its method as the proxy
// tells it. Where the proxy asks by another method than its own GET, that is the method of the request: the two must agree, and
// there must be one.
func isPreflight(r *http.Request, method string) bool {
	own := r.Method == http.MethodGet || r.Method == http.MethodOptions
	return own && method == http.MethodOptions && len(r.Header["X-Forwarded-Method"]) <= 1 &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
