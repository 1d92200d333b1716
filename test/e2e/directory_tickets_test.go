package e2e_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/test/directories"
)

// tokenFor returns the header Authorization that a program on Linux sends with a ticket, by the GSS library of MIT, to a service on this
// computer. Keyturn has not seen it.
func tokenFor(t *testing.T, ticket directories.Ticket, serviceName string) string {
	t.Helper()

	var header string

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if header = r.Header.Get("Authorization"); header == "" {
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()

	command := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--noproxy", "*", "--negotiate", "--user", ":",
		"--service-name", serviceName, strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
	command.Env = append(os.Environ(), ticket.Environment()...)

	if out, err := command.CombinedOutput(); err != nil || header == "" {
		t.Fatalf("curl has sent no ticket: %v: %s", err, out)
	}

	_, token, _ := strings.Cut(header, " ")
	noteSecret(token)

	return header
}

// negotiated is what the login server answers to a ticket.
type negotiated struct {
	code     int
	header   http.Header
	document string
}

// session is that of an answer that lets somebody in.
func (n negotiated) session() string {
	for _, cookie := range (&http.Response{Header: n.header}).Cookies() {
		if cookie.Name == "keyturn-session" && cookie.Value != "" {
			return noteSecret(cookie.Value)
		}
	}

	return ""
}

// negotiate sends a ticket to the login page of an organisation.
func negotiate(t *testing.T, o *organisation, authorization, site string) negotiated {
	t.Helper()

	// No redirect is followed.
	client := &http.Client{Timeout: people.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, loginURL+"/o/"+o.name+"/login/negotiate", http.NoBody)
	must(t, err)
	request.Header.Set("Sec-Fetch-Site", site)
	request.Header.Set("Accept-Language", "en")

	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}

	response, err := client.Do(request)
	must(t, err)

	defer response.Body.Close()

	document, err := io.ReadAll(response.Body)
	must(t, err)
	noteDocument(document)

	return negotiated{response.StatusCode, response.Header, string(document)}
}

// TestDirectoryTickets: tickets that were used before, that are for another service, of another realm, of somebody who is not declared, and what
// is no ticket, let nobody in. Each is answered by a page that says what to do.
func TestDirectoryTickets(t *testing.T) {
	t.Parallel()

	d, err := sampleDomain()
	must(t, err)

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosLink)
	p, undeclared := c.employs(o, "ada", nil), c.hires(o, "eve")
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	ticketOf := func(p *person) directories.Ticket {
		ticket, err := d.Ticket(t.Context(), p.username, p.password)
		must(t, err)

		return ticket
	}
	ticket := ticketOf(p)
	header := tokenFor(t, ticket, "HTTP")

	if asked := negotiate(t, o, "", "none"); asked.code != http.StatusUnauthorized || asked.header.Get("WWW-Authenticate") != "Negotiate" ||
		!strings.Contains(asked.document, `type="password"`) {
		t.Errorf("without a ticket the answer is %d, WWW-Authenticate %q, want 401 with the form", asked.code, asked.header.Get("WWW-Authenticate"))
	}

	// A page of another site cannot have somebody logged in, and does not use up the ticket.
	for _, site := range []string{"cross-site", "same-site", ""} {
		if a := negotiate(t, o, header, site); a.code != http.StatusForbidden || a.session() != "" {
			t.Errorf("from the site %q the answer is %d", site, a.code)
		}
	}

	a := negotiate(t, o, header, "none")
	if a.code != http.StatusSeeOther || a.session() == "" {
		t.Fatalf("the ticket is answered %d: %s", a.code, a.document)
	}

	if known := session(t, a.session(), http.StatusOK); known.Account.Username != p.username {
		t.Errorf("the session is of %s", known.Account.Username)
	}

	for name, row := range refusedTickets(t, p, ticket, header) {
		a := negotiate(t, o, row.authorization, "same-origin")
		if a.code < http.StatusBadRequest || a.session() != "" || !strings.Contains(a.document, row.says) {
			t.Errorf("%s: the answer is %d, want %q: %s", name, a.code, row.says, a.document)
		}
	}

	// Who is declared nowhere is told so, with the subject to hand on.
	subject, err := c.ID(undeclared.username)
	must(t, err)

	a = negotiate(t, o, tokenFor(t, ticketOf(undeclared), "HTTP"), "none")
	if a.session() != "" || !strings.Contains(a.document, "no account is declared for you") || !strings.Contains(a.document, subject) {
		t.Errorf("who is not declared is answered %d, without the subject %s: %s", a.code, subject, a.document)
	}
}

// refusedTicket is one that lets nobody in. The page says something about it that is said of no other reason.
type refusedTicket struct{ authorization, says string }

// refusedTickets are made with a ticket of somebody, and a header that was accepted.
func refusedTickets(t *testing.T, p *person, ticket directories.Ticket, used string) map[string]refusedTicket {
	t.Helper()

	d, err := sampleDomain()
	must(t, err)
	must(t, d.AddService("other-"+p.username[4:], newPassword(), "other/localhost"))

	k, err := sampleKDC()
	must(t, err)
	must(t, k.AddPrincipal(t.Context(), p.username, p.password))

	foreign, err := k.Ticket(t.Context(), p.username, p.password)
	must(t, err)

	because := func(reason kerberos.Reason) string { return ": " + string(reason) }

	return map[string]refusedTicket{
		"used before":     {used, because(kerberos.Replay)},
		"another service": {tokenFor(t, ticket, "other"), because(kerberos.WrongService)},
		"another realm":   {tokenFor(t, foreign, "HTTP"), because(kerberos.WrongRealm)},
		"NTLM":            {"Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw==", "Your computer has no ticket for this address."},
		"no ticket":       {"Negotiate AAAA", because(kerberos.NotNegotiate)},
		"not encoded":     {"Negotiate ***", because(kerberos.Malformed)},
		"changed":         {changed(tokenFor(t, ticket, "HTTP")), because(kerberos.Malformed)},
	}
}

// changed has other characters near the end of a ticket, where what is encrypted is.
func changed(header string) string {
	at := len(header) - 40

	return header[:at] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}

		return 'A'
	}, header[at:at+8]) + header[at+8:]
}
