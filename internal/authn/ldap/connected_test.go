package ldap

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/directories"
)

// testOf returns the reason and the message of a test of the connection; empty where it passes.
func testOf(t *testing.T, d directory) (reason, message string) {
	t.Helper()
	client, err := d.clients(t).Of(t.Context(), d.provider)
	must(t, err)
	err = client.Test(t.Context())
	if err == nil {
		return "", ""
	}
	refusal, ok := errors.AsType[*provider.TestError](err)
	if !ok {
		t.Fatalf("the test ends with %v", err)
	}
	return refusal.Reason, refusal.Message
}

// vary is a change of a declaration that a test of the connection finds.
type vary struct {
	name    string
	change  func(d *directory)
	reason  string
	message string
}

func checkTests(t *testing.T, d directory, startTLSServer string, others ...vary) {
	t.Helper()
	users := func(change func(*v1alpha1.LDAPSettings)) func(*directory) {
		return func(d *directory) { change(&d.provider.Spec.LDAP) }
	}
	for _, tt := range append([]vary{
		{"as it is declared", func(*directory) {}, "", ""},
		{"StartTLS", func(d *directory) {
			d.provider.Spec.LDAP.TLS.Mode, d.provider.Spec.LDAP.Servers = v1alpha1.LDAPTLSStart, []string{startTLSServer}
			d.secret.Data["servers"] = append(d.secret.Data["servers"], " "+startTLSServer...)
		}, "", ""},
		{"another authority", func(d *directory) {
			d.ca = []byte(otherAuthority(t))
		}, "CertificateNotTrusted", "authority that is not known"},
		{"another name", func(d *directory) {
			d.provider.Spec.LDAP.TLS.ServerName = "other.example.org"
			d.secret.Data["servers"] = append(d.secret.Data["servers"], " other.example.org"...)
		}, "CertificateNotTrusted", "for another name"},
		{"LDAPS on the port of StartTLS", func(d *directory) {
			d.provider.Spec.LDAP.Servers = []string{startTLSServer}
			d.secret.Data["servers"] = append(d.secret.Data["servers"], " "+startTLSServer...)
		}, "DialFailed", startTLSServer},
		{"nobody listens", func(d *directory) {
			d.provider.Spec.LDAP.Servers = []string{"127.0.0.1:1"}
			d.secret.Data["servers"] = append(d.secret.Data["servers"], " 127.0.0.1:1"...)
		}, "DialFailed", "127.0.0.1:1 cannot be reached"},
		{"another password", func(d *directory) { d.secret.Data["password"] = []byte("wrong") }, "BindRefused", "account of the Secret"},
		{"no base", users(func(l *v1alpha1.LDAPSettings) { l.Users.BaseDN = "ou=nowhere," + base(l) }), "BaseNotFound", "ldap.users.baseDN"},
		{"no base of groups", users(func(l *v1alpha1.LDAPSettings) { l.Groups.BaseDN = "ou=nowhere," + base(l) }), "BaseNotFound", "ldap.groups.baseDN"},
		{"no name as a base", users(func(l *v1alpha1.LDAPSettings) { l.Users.BaseDN = "foo=bar" }), "BaseNotFound", "ldap.users.baseDN"},
		{"a filter that does not end", users(func(l *v1alpha1.LDAPSettings) { l.Users.Filter = "(a=b))(|(c=d)" }), "SearchFailed", "ldap.users.filter"},
		{"a filter of groups that does not end", users(func(l *v1alpha1.LDAPSettings) { l.Groups.Filter = "((a=b)" }), "SearchFailed", "ldap.groups.filter"},
		{"a filter that finds nobody", users(func(l *v1alpha1.LDAPSettings) { l.Users.Filter = "(cn=nobody-has-this-name)" }), "SearchFailed", "shows nobody"},
		{"no such ID", users(func(l *v1alpha1.LDAPSettings) { l.Users.IDAttribute = "noSuchAttribute" }), "SearchFailed", "noSuchAttribute"},
	}, others...) {
		varied := directory{provider: d.provider.DeepCopy(), secret: d.secret.DeepCopy(), ca: d.ca}
		varied.provider.Spec.LDAP.Groups = &v1alpha1.LDAPGroups{BaseDN: groupsBase(d)}
		tt.change(&varied)
		reason, message := testOf(t, varied)
		if reason != tt.reason || !strings.Contains(message, tt.message) {
			t.Errorf("%s: %q %q, want %q %q", tt.name, reason, message, tt.reason, tt.message)
		}
		for _, secret := range []string{servicePassword, "data 52e", "DSID", "80090308"} {
			if strings.Contains(message, secret) {
				t.Errorf("%s: the message tells too much: %s", tt.name, message)
			}
		}
	}
}

func base(l *v1alpha1.LDAPSettings) string {
	if l.Users.BaseDN == "" {
		return directories.DomainDN
	}
	return directories.SlapdDN
}

func groupsBase(d directory) string {
	if d.provider.Spec.Type == v1alpha1.IdentityProviderLDAP {
		return directories.SlapdGroupsDN
	}
	return ""
}

// otherAuthority returns a certificate that has signed none of the servers'.
func otherAuthority(t *testing.T) string {
	t.Helper()
	server, err := directories.StartSlapd(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	server.Stop()
	return string(server.CA())
}

func TestSlapdConnection(t *testing.T) {
	server, d := startSlapd(t)
	checkTests(t, d, server.StartTLSServer(), vary{"taken for Active Directory", func(d *directory) {
		d.provider.Spec.Type, d.provider.Spec.LDAP.Users.BaseDN, d.provider.Spec.LDAP.Groups = v1alpha1.IdentityProviderActiveDirectory, "", nil
	}, "BaseNotFound", "Active Directory"})
	if limit, err := newClientOf(t, d).Lockout(t.Context()); limit != (provider.DirectoryLockout{}) || err != nil {
		t.Errorf("the limit is %+v, %v", limit, err)
	}
}

func TestActiveDirectoryConnection(t *testing.T) {
	server, d := startActiveDirectory(t)
	checkTests(t, d, server.StartTLSServer(), vary{"groups of groups", func(d *directory) {
		d.provider.Spec.LDAP.Groups.Nesting = v1alpha1.LDAPGroupsInChain
	}, "", ""})
	// Logins are refused likewise, and do not bind the account again.
	d.secret.Data["password"] = []byte("wrong")
	c := d.clients(t)
	before, err := server.Binds("service")
	must(t, err)
	for range 10 {
		if _, err := c.Verify(t.Context(), d.request("service", rightPassword)); outcome(err) != "unavailable: BindRefused" {
			t.Error(outcome(err))
		}
	}
	after, err := server.Binds("service")
	must(t, err)
	if len(after)-len(before) != 1 {
		t.Errorf("the account that searches was bound %d times, want once", len(after)-len(before))
	}
}

func newClientOf(t *testing.T, d directory) *Client {
	t.Helper()
	client, err := d.clients(t).Of(t.Context(), d.provider)
	must(t, err)
	return client
}

// TestOneUnreadableEntry: an entry that the directory happens to show first, and that cannot be read, does not make a test fail; that none can be does.
func TestOneUnreadableEntry(t *testing.T) {
	for shown, want := range map[string]bool{adaDN: true, "ada": false} {
		f := newFakeServer(t)
		f.search = func(c *fakeConn, filter string) bool {
			switch filter {
			case "(objectClass=*)":
				c.entry(directories.SlapdDN)
			case "(&(objectClass=*)(entryUUID=*))":
				c.entry(bobDN)
				c.entry(shown, "entryUUID", adaID)
			}
			return c.finish()
		}
		if err := newAsker(t, f).Test(t.Context()); (err == nil) != want {
			t.Errorf("%s is shown, and the test ends with %v", shown, err)
		}
	}
}

// TestTimeOfATest: a server that says nothing does not keep a test for long.
func TestTimeOfATest(t *testing.T) {
	f := newFakeServer(t)
	f.raw = func(c net.Conn) bool { hang(c); return false }
	a := newAsker(t, f)
	a.bounds = shortBounds
	err := a.Test(t.Context())
	if refusal, ok := errors.AsType[*provider.TestError](err); !ok || refusal.Reason != v1alpha1.ConditionReasonDialFailed || !strings.Contains(refusal.Message, f.address()) {
		t.Errorf("the test ends with %v", err)
	}
}
