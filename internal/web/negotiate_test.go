package web_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/web"
)

const (
	negotiatedCookie = "__Host-keyturn-negotiated"
	sessionCookie    = "__Host-keyturn-session"
	// ticketOfEve has the marker, which TestMain looks for in the log.
	ticketOfEve = "ticket-of-eve-" + marker
)

// tickets knows some tickets, and says of each whose it is.
type tickets map[string]func(*v1alpha1.IdentityProvider) (authn.Assertion, error)

// Assert implements web.Tickets.
func (t tickets) Assert(_ context.Context, _ netip.Addr, providers []*v1alpha1.IdentityProvider, ticket []byte) (authn.Assertion, error) {
	if known := t[string(ticket)]; known != nil {
		return known(providers[0])
	}
	return authn.Assertion{}, &authn.RefusedTicketError{Reason: "Malformed"}
}

// ticketOf returns what is said of a subject.
func ticketOf(subject string) func(*v1alpha1.IdentityProvider) (authn.Assertion, error) {
	return func(p *v1alpha1.IdentityProvider) (authn.Assertion, error) {
		return authn.Assertion{Method: token.Kerberos, Directory: true, Provider: p.Name, ProviderUID: string(p.UID), Subject: subject, Names: []string{subject}}, nil
	}
}

func refusedTicket(reason string) func(*v1alpha1.IdentityProvider) (authn.Assertion, error) {
	return func(*v1alpha1.IdentityProvider) (authn.Assertion, error) {
		return authn.Assertion{}, &authn.RefusedTicketError{Reason: reason}
	}
}

// kerberosWorld is the login server with a directory whose people log in by tickets, and an organisation that alone may use it.
type kerberosWorld struct {
	t         *testing.T
	handler   http.Handler
	namespace string
	provider  *v1alpha1.IdentityProvider
}

func withTickets(t *testing.T, offer v1alpha1.KerberosOffer) *kerberosWorld {
	t.Helper()
	w := &kerberosWorld{t: t, namespace: organisation(t, nil), provider: directoryProvider(t)}
	w.provider.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": w.namespace}},
	}
	w.provider.Spec.LDAP.Kerberos = &v1alpha1.KerberosSettings{
		KeytabSecretRef: v1alpha1.ProviderSecretReference{Name: "corp-keytab"}, Realm: "EXAMPLE.ORG", ServicePrincipal: "HTTP/login.example.org", Offer: offer,
	}
	update(t, w.provider)
	d, o := shared.depends, shared.logins
	o.FindAccount = func(ctx context.Context, a authn.Assertion) (*v1alpha1.UserAccount, error) {
		if a.Subject != "eve" {
			return nil, authn.ErrNoAccount
		}
		return d.Catalog.Account(ctx, a.Namespace, a.Subject)
	}
	d.Logins = login.NewService(o)
	d.Tickets = tickets{
		ticketOfEve: ticketOf("eve"), "mallory": ticketOf("subject-of-mallory"),
		"ntlm": refusedTicket("NTLM"), "early": refusedTicket("ClockSkew"), "again": refusedTicket("Replay"),
		"unreachable": func(p *v1alpha1.IdentityProvider) (authn.Assertion, error) {
			return authn.Assertion{}, &authn.UnavailableError{Provider: p, Reason: "Unreachable", RetryAfter: 7 * time.Second}
		},
	}
	w.handler = web.Handler(d)
	return w
}

// open opens a page of the organisation, with a ticket unless that is empty.
func (w *kerberosWorld) open(path, language, ticket string, cookies ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.openFrom(map[string]string{"Sec-Fetch-Site": "same-origin", "Accept-Language": language}, path, ticket, cookies...)
}

// openFrom opens a page with the headers by which a browser tells where the request comes from.
func (w *kerberosWorld) openFrom(headers map[string]string, path, ticket string, cookies ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/o/"+w.namespace+path, http.NoBody)
	r.Header.Set("Accept", "text/html")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	if ticket != "" {
		r.Header.Set("Authorization", "Negotiate "+base64.StdEncoding.EncodeToString([]byte(ticket)))
	}
	for _, cookie := range cookies {
		r.Header.Add("Cookie", cookie)
	}
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	if leaks := leaksIn(answer.Body.String() + answer.Header().Get("Location")); len(leaks) > 0 {
		w.t.Errorf("%s shows %v", path, leaks)
	}
	return answer
}

// cookieIn returns a cookie that an answer sets; nil for none.
func cookieIn(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// isForm checks that an answer is the login form of the organisation, with where the person was on the way to.
func (w *kerberosWorld) isForm(answer *httptest.ResponseRecorder, name string) {
	w.t.Helper()
	for _, part := range []string{`action="/o/` + w.namespace + `/login"`, `type="password"`, `name="return_to" value="/reports?a=b"`} {
		if !strings.Contains(answer.Body.String(), part) {
			w.t.Errorf("%s: the page lacks %s:\n%s", name, part, answer.Body)
		}
	}
	if cookieIn(answer, sessionCookie) != nil || answer.Header().Get("Location") != "" {
		w.t.Errorf("%s: there is a session, or the page leads to %q", name, answer.Header().Get("Location"))
	}
}

const negotiateForReports = "/login/negotiate?return_to=%2Freports%3Fa%3Db"

// TestNegotiateWithoutTicket: a browser is asked for a ticket, and shows the form if it has none.
func TestNegotiateWithoutTicket(t *testing.T) {
	w := withTickets(t, v1alpha1.KerberosLink)
	for language, want := range map[string]string{"en": "Sign in with Windows", "de": "Mit Windows anmelden"} {
		answer := w.open(negotiateForReports, language, "")
		if got := answer.Header().Values("WWW-Authenticate"); answer.Code != http.StatusUnauthorized || len(got) != 1 || got[0] != "Negotiate" {
			t.Errorf("%s: answered %d, %q", language, answer.Code, got)
		}
		w.isForm(answer, language)
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("%s: the page lacks %s", language, want)
		}
		if c := cookieIn(answer, negotiatedCookie); c == nil || c.MaxAge != 0 {
			t.Errorf("%s: the cookie that the browser was asked is %v", language, c)
		}
	}
}

// TestNegotiateStartRefused: a login by a ticket begins at a page of this origin, or when somebody types its address, and not otherwise.
func TestNegotiateStartRefused(t *testing.T) {
	w := withTickets(t, v1alpha1.KerberosAutomatic)
	for site, want := range map[string]int{
		"same-origin": http.StatusUnauthorized, "none": http.StatusUnauthorized,
		"cross-site": http.StatusForbidden, "same-site": http.StatusForbidden, "": http.StatusForbidden, "missing": http.StatusForbidden,
	} {
		answer := browse(t, w.handler, "/o/"+w.namespace+"/login/negotiate", site)
		if answer.Code != want || (answer.Header().Get("WWW-Authenticate") != "") != (want == http.StatusUnauthorized) {
			t.Errorf("with Sec-Fetch-Site %q it answers %d, %q; want %d", site, answer.Code, answer.Header().Get("WWW-Authenticate"), want)
		}
	}
	// The scripts and frames of an application on the same host are of the same origin as well.
	for destination, isTaken := range map[string]bool{"document": true, "empty": false, "iframe": false, "image": false} {
		answer := w.openFrom(map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": destination}, "/login/negotiate", "nonsense")
		if got := strings.Contains(answer.Body.String(), "Malformed"); answer.Code != http.StatusForbidden || got != isTaken {
			t.Errorf("with Sec-Fetch-Dest %q a ticket is answered %d, looked at: %t", destination, answer.Code, got)
		}
	}
	for name, path := range map[string]string{
		"an organisation that may not use the provider": "/o/" + organisation(t, nil) + "/login/negotiate", "one that does not exist": "/o/nothing-there/login/negotiate",
	} {
		if answer := browse(t, w.handler, path, "none"); answer.Code != http.StatusNotFound || answer.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: answered %d", name, answer.Code)
		}
	}
}

// TestAutomaticTickets: the login page asks once in each browser by itself, and not after a logout, nor where a password has to be typed.
func TestAutomaticTickets(t *testing.T) {
	automatic, link := withTickets(t, v1alpha1.KerberosAutomatic), withTickets(t, v1alpha1.KerberosLink)
	forKubectl := url.Values{"return_to": {"/login/kubectl?" + asked("41234").Encode()}}.Encode()
	for name, row := range map[string]struct {
		world   *kerberosWorld
		path    string
		cookies []string
		asks    bool
	}{
		"at first":                  {automatic, "/login?return_to=%2Freports%3Fa%3Db", nil, true},
		"again":                     {automatic, "/login?return_to=%2Freports%3Fa%3Db", []string{negotiatedCookie + "=1"}, false},
		"after a logout":            {automatic, "/login", []string{"__Host-keyturn-notice=logged-out"}, false},
		"for a recent proof":        {automatic, "/login?prompt=login", nil, false},
		"for kubectl":               {automatic, "/login?" + forKubectl, nil, false},
		"where there is but a link": {link, "/login", nil, false},
	} {
		answer := row.world.open(row.path, "en", "", row.cookies...)
		to := answer.Header().Get("Location")
		if isAsked := strings.HasPrefix(to, "/o/"+row.world.namespace+"/login/negotiate"); isAsked != row.asks || !row.asks && answer.Code != http.StatusOK {
			t.Errorf("%s: answered %d to %q", name, answer.Code, to)
		}
		if row.asks && !strings.HasSuffix(to, negotiateForReports) {
			t.Errorf("%s: it leads to %s", name, to)
		}
	}
	for name, headers := range map[string]map[string]string{
		"another site": {"Sec-Fetch-Site": "cross-site"}, "a sibling host": {"Sec-Fetch-Site": "same-site"}, "nobody knows": {},
		"a frame": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"}, "a script": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"},
	} {
		answer := automatic.openFrom(headers, "/login?return_to=%2Freports%3Fa%3Db", "")
		if answer.Code != http.StatusOK || cookieIn(answer, negotiatedCookie) != nil {
			t.Errorf("from %s: answered %d, with the cookies %v", name, answer.Code, answer.Result().Cookies())
		}
		automatic.isForm(answer, name)
	}
	// Whoever opens the address for kubectl is led to the form.
	if answer := automatic.open("/login/negotiate?"+forKubectl, "en", ticketOfEve); answer.Code/100 != 3 || cookieIn(answer, sessionCookie) != nil {
		t.Errorf("for kubectl a ticket is answered %d", answer.Code)
	}
}

// TestTicketRefused: whose ticket is not taken is told so on the form, and is not asked for it again.
func TestTicketRefused(t *testing.T) {
	w := withTickets(t, v1alpha1.KerberosAutomatic)
	for name, row := range map[string]struct {
		ticket, language, want string
		status                 int
	}{
		"NTLM":                  {"ntlm", "en", "Your computer has no ticket for this address.", http.StatusForbidden},
		"NTLM, in German":       {"ntlm", "de", "Ihr Rechner hat kein Ticket für diese Adresse.", http.StatusForbidden},
		"a clock":               {"early", "en", "The clock of your computer, or that of a server, is wrong", http.StatusForbidden},
		"any other":             {"again", "en", "tell an administrator: Replay", http.StatusForbidden},
		"nothing that is known": {"nonsense", "de", "nennen Sie der Administration: Malformed", http.StatusForbidden},
		"no directory":          {"unreachable", "en", "Logging in through Corp is not possible at present", http.StatusServiceUnavailable},
		"no directory, German":  {"unreachable", "de", "Die Anmeldung über Corp ist gerade nicht möglich.", http.StatusServiceUnavailable},
	} {
		answer := w.open(negotiateForReports, row.language, row.ticket)
		if answer.Code != row.status || answer.Header().Get("WWW-Authenticate") != "" || (answer.Header().Get("Retry-After") == "7") != (row.ticket == "unreachable") {
			t.Errorf("%s: answered %d, %v", name, answer.Code, answer.Header())
		}
		w.isForm(answer, name)
		if !strings.Contains(answer.Body.String(), row.want) {
			t.Errorf("%s: the page lacks %q:\n%s", name, row.want, answer.Body)
		}
		if cookieIn(answer, negotiatedCookie) == nil {
			t.Errorf("%s: the browser would be asked again", name)
		}
		if c := cookieIn(w.open(negotiateForReports, "en", row.ticket, negotiatedCookie+"=1"), negotiatedCookie); c != nil {
			t.Errorf("%s: what is noted about a logout is replaced by %v", name, c)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/o/"+w.namespace+"/login/negotiate", http.NoBody)
	r.Header.Set("Sec-Fetch-Site", "none")
	r.Header.Set("Authorization", "Negotiate !!! no base64")
	answer := httptest.NewRecorder()
	if w.handler.ServeHTTP(answer, r); answer.Code != http.StatusForbidden {
		t.Errorf("a ticket that cannot be read is answered %d", answer.Code)
	}
}

// TestLogoutOfEndedSession: after a logout no ticket is asked for by itself, also where the session was over before. A link of another site is no logout.
func TestLogoutOfEndedSession(t *testing.T) {
	w := withTickets(t, v1alpha1.KerberosAutomatic)
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer over") }
	from := func(site, destination string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Sec-Fetch-Dest", destination)
		}
	}
	for name, tt := range map[string]struct {
		method, path string
		with         func(*http.Request)
		code         int
		noted        bool
	}{
		"form":                {http.MethodPost, "/logout", from("same-origin", "document"), http.StatusSeeOther, true},
		"everywhere":          {http.MethodPost, "/logout-everywhere", from("same-origin", "document"), http.StatusSeeOther, true},
		"link":                {http.MethodGet, "/logout?return_to=%2F", from("same-origin", "document"), http.StatusSeeOther, true},
		"bookmark":            {http.MethodGet, "/logout", from("none", "document"), http.StatusSeeOther, true},
		"script":              {http.MethodDelete, "/api/v1/session", from("same-origin", "empty"), http.StatusUnauthorized, true},
		"program":             {http.MethodDelete, "/api/v1/session", bearer, http.StatusUnauthorized, false},
		"link of another":     {http.MethodGet, "/logout", from("cross-site", "document"), http.StatusSeeOther, false},
		"picture":             {http.MethodGet, "/logout", from("same-origin", "image"), http.StatusSeeOther, false},
		"form of another":     {http.MethodPost, "/logout", from("cross-site", "document"), http.StatusForbidden, false},
		"script of a sibling": {http.MethodDelete, "/api/v1/session", from("same-site", "empty"), http.StatusForbidden, false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, http.NoBody)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "over"})
		tt.with(r)
		answer := httptest.NewRecorder()
		w.handler.ServeHTTP(answer, r)
		if c := cookieIn(answer, negotiatedCookie); answer.Code != tt.code || (c != nil && c.MaxAge > 0) != tt.noted {
			t.Errorf("%s: answered %d, with the cookie %v", name, answer.Code, c)
		}
	}
}

// TestTicketGranted: a ticket of somebody who is declared begins a session that says so, and of nobody else. It is no recent proof.
func TestTicketGranted(t *testing.T) {
	w := withTickets(t, v1alpha1.KerberosLink)
	eve := person(t, w.namespace, "eve", v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: w.provider.Name}, Subject: "eve",
	}})
	granted := w.open(negotiateForReports, "en", ticketOfEve, negotiatedCookie+"=1")
	session, note := cookieIn(granted, sessionCookie), cookieIn(granted, negotiatedCookie)
	if want := "/continue?return_to=%2Freports%3Fa%3Db"; session == nil || granted.Header().Get("Location") != want || note == nil || note.MaxAge >= 0 {
		t.Fatalf("answered %d to %q, with the cookies %v", granted.Code, granted.Header().Get("Location"), granted.Result().Cookies())
	}
	var claims token.Claims
	var username string
	eventually(t, func(g gomega.Gomega) {
		found, err := shared.sessions.Check(t.Context(), session.Value, token.Web)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		claims, username = found.Claims, found.Account.Username()
	})
	if claims.Method != token.Kerberos || claims.Provider != w.provider.Name || !claims.ProvenTime.IsZero() || username != eve.Username() {
		t.Errorf("the session says %+v", claims)
	}
	again := w.open(negotiateForReports, "en", "", sessionCookie+"="+session.Value)
	if again.Header().Get("Location") != "/reports?a=b" || again.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("who is logged in is answered %d to %q", again.Code, again.Header().Get("Location"))
	}

	for language, want := range map[string]string{"en": "en", "de": "de"} {
		unknown := w.open(negotiateForReports, language, "mallory")
		if unknown.Code != http.StatusForbidden || cookieIn(unknown, sessionCookie) != nil || unknown.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("nobody's ticket is answered %d", unknown.Code)
		}
		for _, part := range []string{`lang="` + want, `id="subject">subject-of-mallory<`, `id="provider">` + w.provider.Name + `<`} {
			if !strings.Contains(unknown.Body.String(), part) {
				t.Errorf("nobody's page lacks %s:\n%s", part, unknown.Body)
			}
		}
	}
}
