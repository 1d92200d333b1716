package kerberos

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/directories"
)

// localhost is the service that a browser at http://localhost asks for a ticket of.
const localhost = "HTTP/localhost"

// browser returns the token that curl sends, by the GSS library of MIT, as Chromium and Firefox do on Linux.
func browser(t *testing.T, ticket directories.Ticket) []byte {
	t.Helper()
	var token []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Negotiate ")
		if !ok {
			w.Header().Set("WWW-Authenticate", "Negotiate")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token, _ = base64.StdEncoding.DecodeString(text)
	}))
	defer server.Close()
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	command := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--noproxy", "*", "--negotiate", "--user", ":", address)
	command.Env = append(os.Environ(), ticket.Environment()...)
	if out, err := command.CombinedOutput(); err != nil || token == nil {
		t.Fatalf("curl has sent no token: %v: %s", err, out)
	}
	return token
}

func realKeytab(t *testing.T, content []byte, err error) *Keytab {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse(provider.NewSecret(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestActiveDirectory: tickets of Samba as a domain controller. The SID in them is that of the person's entry.
func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	d, err := directories.StartActiveDirectory(t.Context(), t.TempDir(), directories.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	for _, err := range []error{
		d.AddUser(directories.Person{Username: "Ada", Password: "Tulip+7/ada"}),
		d.AddService("web", "Tulip+7/service", localhost),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	content, err := d.Keytab(t.Context(), localhost)
	keys := realKeytab(t, content, err)
	if err := keys.Check(localhost, directories.Realm); err != nil {
		t.Error(err)
	}
	ticket := must[directories.Ticket](t)(d.Ticket(t.Context(), "Ada", "Tulip+7/ada"))
	sid := must[string](t)(d.SID("Ada"))

	v := &Verifier{Clock: clock.RealClock{}}
	token := browser(t, ticket)
	r := Request{Keytab: keys, ServicePrincipal: localhost, Realm: directories.Realm, Token: token, RequirePAC: true}
	if got, err := v.Verify(t.Context(), r); err != nil || got != (Ticket{"Ada", directories.Realm, sid}) {
		t.Errorf("got %+v, %v, want the SID %s", got, err, sid)
	}
	if _, err := v.Verify(t.Context(), r); reasonOf(err) != Replay {
		t.Errorf("a second time: %v", err)
	}
	r.Token = browser(t, ticket)
	if got, err := v.Verify(t.Context(), r); err != nil || got.SID != sid {
		t.Errorf("another token of the same ticket: %+v, %v", got, err)
	}
	// A name in another case is another principal of the same person.
	r.Token = browser(t, must[directories.Ticket](t)(d.Ticket(t.Context(), "ADA", "Tulip+7/ada")))
	if got, err := v.Verify(t.Context(), r); err != nil || got != (Ticket{"ADA", directories.Realm, sid}) {
		t.Errorf("of the name in another case: %+v, %v", got, err)
	}
	// Somebody who is disabled keeps the ticket: the directory must be asked.
	if err := d.Disable("Ada"); err != nil {
		t.Fatal(err)
	}
	r.Token = browser(t, ticket)
	if _, err := v.Verify(t.Context(), r); err != nil {
		t.Errorf("after the person was disabled: %v", err)
	}
	// A new password of the service makes the keytab useless for new tickets.
	if err := d.SetPassword("web", "Tulip+7/another"); err != nil {
		t.Fatal(err)
	}
	if err := d.Enable("Ada"); err != nil {
		t.Fatal(err)
	}
	r.Token = browser(t, must[directories.Ticket](t)(d.Ticket(t.Context(), "Ada", "Tulip+7/ada")))
	if _, err := v.Verify(t.Context(), r); reasonOf(err) != WrongKey {
		t.Errorf("after a new password of the service: %v", err)
	}
	content, err = d.Keytab(t.Context(), localhost)
	r.Keytab = realKeytab(t, content, err)
	if got, err := v.Verify(t.Context(), r); err != nil || got.SID != sid {
		t.Errorf("with a new keytab: %+v, %v", got, err)
	}
}

// TestKDC: tickets of MIT Kerberos, with each encryption of AES.
func TestKDC(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k, err := directories.StartKDC(ctx, t.TempDir(), directories.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Stop)
	for _, name := range []string{"ada", "ada/admin"} {
		if err := k.AddPrincipal(ctx, name, "secret"); err != nil {
			t.Fatal(err)
		}
	}
	v := &Verifier{Clock: clock.RealClock{}}
	for _, encryption := range []string{"aes256-cts", "aes128-cts", "aes256-sha2", "aes128-sha2"} {
		if err := k.AddService(ctx, localhost, encryption); err != nil {
			t.Fatal(err)
		}
		content, err := k.Keytab(ctx, localhost)
		keys := realKeytab(t, content, err)
		if err := keys.Check(localhost, directories.KDCRealm); err != nil {
			t.Errorf("%s: %v", encryption, err)
		}
		token := browser(t, must[directories.Ticket](t)(k.Ticket(ctx, "ada", "secret")))
		r := Request{Keytab: keys, ServicePrincipal: localhost, Realm: directories.KDCRealm, Token: token}
		if got, err := v.Verify(ctx, r); err != nil || got != (Ticket{Principal: "ada", Realm: directories.KDCRealm}) {
			t.Errorf("%s: got %+v, %v", encryption, got, err)
		}
		late := &Verifier{Clock: later{time.Hour}}
		if _, err := late.Verify(ctx, r); reasonOf(err) != ClockSkew {
			t.Errorf("%s: an hour later: %v", encryption, err)
		}
		// MIT has a PAC since version 1.20, which is signed but has no SID.
		if part, pac := opened(t, r); len(pac) == 0 || part.client[0] != "ada" {
			t.Errorf("%s: the ticket of %q has a PAC of %d bytes", encryption, part.client, len(pac))
		}
		r.RequirePAC, r.Token = true, browser(t, must[directories.Ticket](t)(k.Ticket(ctx, "ada", "secret")))
		if _, err := v.Verify(ctx, r); reasonOf(err) != NoPAC {
			t.Errorf("%s: where a PAC is required: %v", encryption, err)
		}
		r.RequirePAC, r.Token = false, browser(t, must[directories.Ticket](t)(k.Ticket(ctx, "ada/admin", "secret")))
		if _, err := v.Verify(ctx, r); reasonOf(err) != WrongClient {
			t.Errorf("%s: with two components: %v", encryption, err)
		}
		if err := k.DeletePrincipal(ctx, localhost); err != nil {
			t.Fatal(err)
		}
	}
}

// opened returns what is in the ticket of a token.
func opened(t *testing.T, r Request) (ticketPart, []byte) {
	t.Helper()
	b, refusal := apRequestOf(r.Token)
	if refusal != nil {
		t.Fatal(refusal)
	}
	request, refusal := parseAPRequest(b)
	if refusal != nil {
		t.Fatal(refusal)
	}
	part, _, refusal := openTicket(r, request)
	if refusal != nil {
		t.Fatal(refusal)
	}
	pac, refusal := pacOf(part.conditions)
	if refusal != nil {
		t.Fatal(refusal)
	}
	return part, pac
}

// later is the time after so long.
type later struct{ by time.Duration }

func (l later) Now() time.Time                   { return time.Now().Add(l.by) }
func (l later) Since(ts time.Time) time.Duration { return l.Now().Sub(ts) }
