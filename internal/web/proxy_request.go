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

// verifyPath is the path of the first form of a check, and the part after the organisation in the second.
const verifyPath = "/auth/verify"

// maxOptions is the number of options. Each may be given once.
const maxOptions = 3

// proxyRequest is a reverse proxy's request for a check.
type proxyRequest struct {
	// namespaces are the organisations whose accounts may use the application, at least one.
	namespaces []string
	// redirect sends people without a session to the login page.
	redirect bool
	// method and to are the method and the address of the person's own request.
	method, to string
	// preflight: the person's request is a CORS preflight, and the proxy lets these through without a session.
	preflight bool
	// ascii percent-encodes the headers for the application.
	ascii bool
}

// refusal returns why a session may not use the application; nil if it may. err is the error of finding the session.
func (p proxyRequest) refusal(found sessions.Session, err error) *httpkit.Problem {
	switch {
	case err != nil:
		return sessionRefusal(err)
	case !slices.Contains(p.namespaces, found.Account.Namespace):
		return problem(http.StatusForbidden, httpkit.OtherOrganisation)
	}
	return nil
}

// setOption sets one option, and returns false if it does not exist.
func (p *proxyRequest) setOption(name, value string) bool {
	switch name + "=" + value {
	case "login=redirect":
		p.redirect = true
	case "preflight=allow":
		p.preflight = true
	case "headers=ascii":
		p.ascii = true
	default:
		return false
	}
	return true
}

func unknownOption() *httpkit.Problem {
	return httpkit.Invalid("Ask with namespace=NAMESPACE, as often as there are organisations, and at most once each with " +
		"login=redirect, preflight=allow and headers=ascii.")
}

// readQuery reads a check of the first form: /auth/verify?namespace=acme&login=redirect.
func readQuery(r *http.Request, defaultNamespace string) (proxyRequest, *httpkit.Problem) {
	p := proxyRequest{method: cmp.Or(r.Header.Get("X-Forwarded-Method"), r.Method), to: r.Header.Get("X-Forwarded-Uri")}
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	for name, values := range parameters {
		switch {
		case name == "namespace":
			p.namespaces = values
		case len(values) != 1 || !p.setOption(name, values[0]):
			err = errors.Join(err, errors.ErrUnsupported)
		}
	}
	if err != nil {
		return p, unknownOption()
	}
	if len(p.namespaces) == 0 {
		p.namespaces = []string{""}
	}
	for i, namespace := range p.namespaces {
		p.namespaces[i] = cmp.Or(namespace, defaultNamespace)
	}
	p.preflight = p.preflight && isPreflight(r, p.method)
	return p, nil
}

// prefixedPath is the path of a check of the second form, taken apart. /o/acme/auth/verify;headers=ascii/app/page has the
// organisation acme, the options ;headers=ascii, and /app/page, the path of the person's own request.
type prefixedPath struct{ organization, options, path string }

// parsePrefixedPath takes a path apart, and returns false if it is none of the second form.
func parsePrefixedPath(escaped string) (a prefixedPath, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/o/")
	if !ok {
		return a, false
	}
	if i := strings.IndexByte(rest, '/'); i > 0 {
		a.organization, rest = rest[:i], rest[i:]
	}
	rest, ok = strings.CutPrefix(rest, verifyPath)
	i := strings.IndexByte(rest, '/')
	if !ok || i < 0 || a.organization == "" || strings.Contains(a.organization, "%") {
		return a, false
	}
	a.options, a.path = rest[:i], rest[i:]
	return a, a.options == "" || a.options[0] == ';'
}

// read reads a check of the second form. Its method and its query are those of the person's own request.
func (a prefixedPath) read(r *http.Request) (proxyRequest, *httpkit.Problem) {
	to := url.URL{RawQuery: r.URL.RawQuery}
	p := proxyRequest{namespaces: []string{a.organization}, method: r.Method, to: a.path + to.String(), redirect: true}
	if strings.Count(a.options, ";") > maxOptions {
		return p, unknownOption()
	}
	if a.options != "" {
		options := strings.Split(a.options[1:], ";")
		slices.Sort(options)
		for i, option := range options {
			name, value, _ := strings.Cut(option, "=")
			if !p.setOption(name, value) || i > 0 && option == options[i-1] {
				return p, unknownOption()
			}
		}
	}
	p.preflight = p.preflight && isPreflight(r, p.method)
	return p, nil
}

// isPreflight reports whether the person's request is a CORS preflight. method is its method, from X-Forwarded-Method or from the
// proxy's own request. The proxy's own method must be GET or OPTIONS, and X-Forwarded-Method must not be there twice.
func isPreflight(r *http.Request, method string) bool {
	own := r.Method == http.MethodGet || r.Method == http.MethodOptions
	return own && method == http.MethodOptions && len(r.Header["X-Forwarded-Method"]) <= 1 &&
		r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
