package negotiate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

// someKeytab can be read. It has one key, of no bytes, of x@R.
const someKeytab = "\x05\x02\x00\x00\x00\x15\x00\x01\x00\x01R\x00\x01x\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x12\x00\x00"

// directory is one with some people, by what they are looked up by: "name ada" or "sid S-1-5-21-1". An error of lookups is returned by all.
type directory struct {
	settings *provider.Settings
	people   map[string]ldap.Entry
	err      error
	asked    []string
}

func (d *directory) Settings() *provider.Settings { return d.settings }

func (d *directory) Find(_ context.Context, _ netip.Addr, by ldap.By, value string) (ldap.Entry, error) {
	key := map[ldap.By]string{ldap.ByName: "name ", ldap.BySID: "sid "}[by] + value
	d.asked = append(d.asked, key)
	found, ok := d.people[strings.ToLower(key)] // As directories do, which compare names without regard to case.
	switch {
	case d.err != nil:
		return ldap.Entry{}, d.err
	case !ok:
		return ldap.Entry{}, ldap.ErrNotFound
	}
	return found, nil
}

// verifier takes tickets that are written "REALM principal", in that realm alone, and refuses those that are a reason, wherever they are sent.
type verifier struct{ realms []string }

func (v *verifier) Verify(_ context.Context, r kerberos.Request) (kerberos.Ticket, error) {
	v.realms = append(v.realms, r.Realm)
	realm, principal, found := strings.Cut(string(r.Token), " ")
	switch {
	case !found:
		return kerberos.Ticket{}, &kerberos.Error{Reason: kerberos.Reason(realm)}
	case realm != r.Realm:
		return kerberos.Ticket{}, &kerberos.Error{Reason: kerberos.WrongRealm}
	}
	t := kerberos.Ticket{Principal: principal, Realm: realm}
	if r.RequirePAC {
		t.SID = "S-" + principal
	}
	return t, nil
}

// world has two providers: lin of LDAP with the realm LIN, and win of Active Directory with the realm WIN.
type world struct {
	*Tickets

	lin, win    *v1alpha1.IdentityProvider
	directories map[string]*directory
	verifier    *verifier
	// missing are the providers whose settings cannot be had.
	missing map[string]bool
}

func newWorld() *world {
	w := &world{directories: map[string]*directory{}, verifier: &verifier{}, missing: map[string]bool{}}
	w.lin, w.win = w.provider("lin", v1alpha1.IdentityProviderLDAP), w.provider("win", v1alpha1.IdentityProviderActiveDirectory)
	w.directories["lin"].people = map[string]ldap.Entry{"name ada": {Subject: "e-1", Names: []string{"ada"}, Groups: []string{"staff"}}}
	w.directories["win"].people = map[string]ldap.Entry{
		"sid s-eve": {Subject: "g-1", Names: []string{"eve", "eve@win.example"}, State: v1alpha1.ReasonExternalDisabled}, "name eve": {Subject: "g-1"},
	}
	w.Tickets = &Tickets{Verifier: w.verifier, Directory: func(_ context.Context, p *v1alpha1.IdentityProvider) (Directory, error) {
		if w.missing[p.Name] {
			return nil, errors.New("there is no Secret")
		}
		return w.directories[p.Name], nil
	}}
	return w
}

func (w *world) provider(name string, kind v1alpha1.IdentityProviderType) *v1alpha1.IdentityProvider {
	p := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)}}
	p.Spec.Type = kind
	p.Spec.LDAP = v1alpha1.LDAPSettings{Kerberos: &v1alpha1.KerberosSettings{Realm: strings.ToUpper(name), ServicePrincipal: "HTTP/login.example.org"}}
	w.directories[name] = &directory{settings: &provider.Settings{Provider: p, Version: "1", Keytab: provider.NewSecret(someKeytab)}}
	return p
}

// outcome returns what became of a ticket in few words, such as "lin e-1" or "unavailable win: KeytabNotUsable".
func outcome(a authn.Assertion, err error) string {
	if e, ok := errors.AsType[*authn.UnavailableError](err); ok {
		return "unavailable " + e.Provider.Name + ": " + e.Reason
	}
	if e, ok := errors.AsType[*authn.RefusedTicketError](err); ok {
		return strings.TrimSpace("refused " + a.Provider + ": " + e.Reason)
	}
	if err != nil {
		return err.Error()
	}
	return a.Provider + " " + a.Subject
}

// TestAssert: a ticket is of the first provider that takes it, whatever is the matter with the others.
func TestAssert(t *testing.T) {
	broken := func(name string) func(*world) {
		return func(w *world) { w.directories[name].settings.Keytab = provider.NewSecret("no keytab") }
	}
	missing := func(name string) func(*world) { return func(w *world) { w.missing[name] = true } }
	down := func(name string) func(*world) {
		return func(w *world) {
			w.directories[name].err = &authn.UnavailableError{Provider: w.directories[name].settings.Provider, Reason: "Unreachable"}
		}
	}
	for name, row := range map[string]struct {
		ticket, want string
		changes      []func(*world)
	}{
		"of the first":                         {"LIN ada", "lin e-1", nil},
		"of the second":                        {"WIN eve", "win g-1", nil},
		"of neither":                           {"ELSEWHERE ada", "refused : WrongRealm", nil},
		"the first has no Secret":              {"WIN eve", "win g-1", []func(*world){missing("lin")}},
		"the first has no keytab":              {"WIN eve", "win g-1", []func(*world){broken("lin")}},
		"the directory of the other is down":   {"WIN eve", "win g-1", []func(*world){down("lin")}},
		"its own directory is down":            {"LIN ada", "unavailable lin: Unreachable", []func(*world){down("lin")}},
		"its own Secret is missing":            {"LIN ada", "unavailable lin: CredentialsNotFound", []func(*world){missing("lin")}},
		"its own keytab cannot be used":        {"WIN eve", "unavailable win: KeytabNotUsable", []func(*world){broken("win")}},
		"no keytab can be used":                {"LIN ada", "unavailable lin: KeytabNotUsable", []func(*world){broken("win"), broken("lin")}},
		"refused by the second, first missing": {"NTLM", "refused : NTLM", []func(*world){missing("lin")}},
		"a replay":                             {"Replay", "refused : Replay", nil},
		"a wrong key, for all":                 {"WrongKey", "refused : WrongKey", nil},
		"too many":                             {"TooManyTickets", "unavailable lin: TooManyTickets", nil},
		"a fault":                              {"Internal", "unavailable lin: Internal", nil},
		"nobody there":                         {"WIN mallory", "refused win: NotFound", nil},
		"another case":                         {"LIN ADA", "refused lin: NotFound", nil},
	} {
		w := newWorld()
		for _, change := range row.changes {
			change(w)
		}
		a, err := w.Assert(t.Context(), netip.Addr{}, []*v1alpha1.IdentityProvider{w.lin, w.win}, []byte(row.ticket))
		if got := outcome(a, err); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
		if e, ok := errors.AsType[*authn.UnavailableError](err); ok && e.Reason != "Unreachable" && e.RetryAfter != retryLater {
			t.Errorf("%s: to be tried again after %v", name, e.RetryAfter)
		}
		if asked := len(w.directories["lin"].asked) + len(w.directories["win"].asked); asked > 1 || asked == 1 && !strings.Contains(row.ticket, " ") {
			t.Errorf("%s: directories are asked %d times", name, asked)
		}
	}
}

// TestAssertion: what a directory says of the person of a ticket is all in the assertion.
func TestAssertion(t *testing.T) {
	w := newWorld()
	a, err := w.Assert(t.Context(), netip.Addr{}, []*v1alpha1.IdentityProvider{w.win, w.lin}, []byte("WIN eve"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Method != token.Kerberos || !a.Directory || a.ProviderUID != "uid-of-win" || a.State != v1alpha1.ReasonExternalDisabled || len(a.Names) != 2 {
		t.Errorf("the assertion is %+v", a)
	}
	if got := w.verifier.realms; !slices.Equal(got, []string{"WIN"}) {
		t.Errorf("the ticket is verified in the realms %v", got)
	}
	if a, err = w.Assert(t.Context(), netip.Addr{}, []*v1alpha1.IdentityProvider{w.lin}, []byte("LIN ada")); err != nil || !slices.Equal(a.Groups, []string{"staff"}) {
		t.Errorf("the assertion is %+v, %v", a, err)
	}
}

// TestKeytabIsReadOnce: and again when the settings have changed.
func TestKeytabIsReadOnce(t *testing.T) {
	w := newWorld()
	settings := w.directories["lin"].settings
	first, err := w.keytabOf(settings)
	if err != nil {
		t.Fatal(err)
	}
	settings.Keytab = provider.NewSecret("no keytab")
	if again, err := w.keytabOf(settings); err != nil || again != first {
		t.Errorf("it is read again: %v", err)
	}
	settings.Version = "2"
	if _, err := w.keytabOf(settings); err == nil {
		t.Error("the former keytab is used though the settings have changed")
	}
	settings.Keytab = provider.NewSecret(someKeytab)
	if _, err := w.keytabOf(settings); err == nil {
		t.Error("a keytab that cannot be used is read again")
	}
	settings.Version = "3"
	if _, err := w.keytabOf(settings); err != nil {
		t.Errorf("a keytab that was mended: %v", err)
	}
}
