package ldap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/directories"
)

// withGroups declares groups, and mappings of some.
func (d directory) withGroups(base string, nesting v1alpha1.LDAPGroupNesting, mapped ...string) directory {
	d.provider = d.provider.DeepCopy()
	d.provider.Generation++
	d.provider.Spec.LDAP.Groups = &v1alpha1.LDAPGroups{BaseDN: base, Nesting: nesting}
	for i, from := range mapped {
		d.provider.Spec.GroupMappings = append(d.provider.Spec.GroupMappings, v1alpha1.GroupMapping{From: from, To: fmt.Sprintf("group-%d", i)})
	}
	return d
}

// checkGroups checks the groups of a person at a login, when looked up, and in a sweep.
func checkGroups(t *testing.T, d directory, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	c := d.clients(t)
	proof, err := c.Verify(t.Context(), d.request(name, rightPassword))
	if err != nil || !slices.Equal(proof.External.Groups, want) {
		t.Errorf("at the login, %s is in %q (%v), want %q", name, proof.External.Groups, err, want)
	}
	client, err := c.Of(t.Context(), d.provider)
	must(t, err)
	found, err := client.Find(t.Context(), netip.Addr{}, ByName, name)
	if err != nil || !slices.Equal(found.Groups, want) || found.Subject != proof.External.Subject {
		t.Errorf("looked up, %s is %+v (%v), want %q", name, found, err, want)
	}
	people, err := client.Entries(t.Context(), []string{"00000000-0000-0000-0000-000000000000", proof.External.Subject, "not an ID at all \x00"})
	if err != nil || len(people.Entries) != 1 {
		t.Fatalf("the sweep finds %+v (%v), want one entry", people, err)
	}
	swept := people.Entries[proof.External.Subject]
	if !slices.Equal(swept.Groups, want) || swept.DN != found.DN || !swept.PasswordSetTime.Equal(found.PasswordSetTime) || found.PasswordSetTime.IsZero() {
		t.Errorf("in a sweep, %s is %+v, want what is looked up, %+v", name, swept, found)
	}
}

// TestSlapdGroups: the groups that list a person count, as far as they are mapped, however the mappings write them.
func TestSlapdGroups(t *testing.T) {
	server, d := startSlapd(t)
	for _, username := range []string{"ada", "bob"} {
		must(t, server.AddUser(directories.Person{Username: username, Password: rightPassword}))
	}
	must(t, server.AddGroup("engineers", "ada", "bob"))
	must(t, server.AddGroup("paid, on call", "ada"))
	must(t, server.AddGroup("unmapped", "ada", "bob"))
	must(t, server.AddGroup("nobody"))
	const engineers, onCall = "CN = Engineers, OU=groups,dc=example,DC=org", `cn=paid\, on call,` + directories.SlapdGroupsDN
	d = d.withGroups(directories.SlapdGroupsDN, v1alpha1.LDAPGroupsDirect, engineers, onCall, "cn=nobody,"+directories.SlapdGroupsDN,
		"cn=missing,"+directories.SlapdGroupsDN, "uid=ada,"+directories.SlapdPeopleDN, "not a name", "foo=bar,"+directories.SlapdGroupsDN)
	checkGroups(t, d, "ada", engineers, onCall)
	checkGroups(t, d, "bob", engineers)
}

// TestActiveDirectoryGroups: groups of groups count where that is declared, and only then.
func TestActiveDirectoryGroups(t *testing.T) {
	server, d := startActiveDirectory(t)
	for _, username := range []string{"ada", "bob"} {
		must(t, server.AddUser(directories.Person{Username: username, Password: rightPassword}))
	}
	must(t, server.AddGroup("engineers", "ada"))
	must(t, server.AddGroup("staff", "engineers", "bob"))
	must(t, server.AddGroup("everybody", "staff"))
	const engineers, staff, everybody, primary = "cn=engineers,cn=users,dc=corp,dc=test", "CN=staff," + directories.DomainUsersDN,
		"CN=everybody," + directories.DomainUsersDN, "CN=Domain Users," + directories.DomainUsersDN
	direct := d.withGroups("", v1alpha1.LDAPGroupsDirect, engineers, staff, everybody, primary, "CN=elsewhere,DC=other,DC=test", "CN=below,DC=child,DC=corp,DC=test")
	checkGroups(t, direct, "ada", engineers)
	checkGroups(t, direct, "bob@"+directories.Domain, staff)
	inChain := d.withGroups("", v1alpha1.LDAPGroupsInChain, engineers, staff, everybody, primary)
	checkGroups(t, inChain, "ada", engineers, staff, everybody)
	checkGroups(t, inChain, "bob", staff, everybody)
	below := d.withGroups("CN=Builtin,DC=corp,DC=test", v1alpha1.LDAPGroupsInChain, engineers, staff)
	checkGroups(t, below, "ada")
}

// renamer is a directory whose people can be renamed and deleted.
type renamer interface {
	AddUser(p directories.Person) error
	DeleteUser(username string) error
	RenameUser(username, to string) error
	Binds(usernames ...string) ([]directories.Bind, error)
	ID(username string) (string, error)
}

// checkIdentities checks that an account follows its entry, and that nobody inherits it with a name.
func checkIdentities(t *testing.T, server renamer, d directory) {
	t.Helper()
	c := d.clients(t)
	must(t, server.AddUser(directories.Person{Username: "ada", Password: rightPassword}))
	proof, err := c.Verify(t.Context(), d.request("ada", rightPassword))
	must(t, err)
	if id, err := server.ID("ada"); err != nil || id != proof.External.Subject {
		t.Errorf("the subject is %q, want %q (%v)", proof.External.Subject, id, err)
	}
	bound := d.request("ada", rightPassword)
	bound.Credential.External = proof.External
	check := func(what string, r authn.Request, want string, wantBinds int, usernames ...string) {
		t.Helper()
		before, err := server.Binds(usernames...)
		must(t, err)
		if _, err := c.Verify(t.Context(), r); outcome(err) != want {
			t.Errorf("%s: %s, want %s", what, outcome(err), want)
		}
		after, err := server.Binds(usernames...)
		must(t, err)
		if len(after)-len(before) != wantBinds {
			t.Errorf("%s: %d binds, want %d", what, len(after)-len(before), wantBinds)
		}
	}
	check("the bound account", bound, "right", 1, "ada")
	wrong := bound
	wrong.Secret = "wrong"
	check("a wrong password", wrong, "wrong", 1, "ada")
	for _, secret := range []string{"", string(make([]byte, 1025)), rightPassword + "\x00"} {
		empty := bound
		empty.Secret = secret
		check("no password", empty, "wrong", 0)
	}

	must(t, server.RenameUser("ada", "countess"))
	check("the former name", bound, "wrong", 0)
	renamed := d.request("Countess", rightPassword)
	renamed.Credential.External = bound.Credential.External
	renamed.Credential.External.Name = "countess"
	check("the new name", renamed, "right", 1, "countess")

	must(t, server.AddUser(directories.Person{Username: "ada", Password: rightPassword}))
	check("another person with the name", bound, "mismatch", 0, "ada")
	anew := d.request("countess", rightPassword)
	anew.Credential.External = account.External{ProviderUID: string(d.provider.UID), Subject: "of another entry", Name: "grace"}
	check("an account that is declared anew by another name", anew, "right", 1, "countess")
	anew.Credential.External.Name = "COUNTESS"
	check("the same name in other letters", anew, "mismatch", 0, "countess")
	declared := d.request("ada", rightPassword)
	declared.Account.Spec.Authentication.Subject = proof.External.Subject
	check("another person than the declared one", declared, "mismatch", 0, "ada")

	must(t, server.DeleteUser("countess"))
	client, err := c.Of(t.Context(), d.provider)
	must(t, err)
	if _, err := client.Find(t.Context(), netip.Addr{}, ByName, "countess"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted entry: %v", err)
	}
	if people, err := client.Entries(t.Context(), []string{proof.External.Subject}); err != nil || len(people.Entries)+len(people.Unreadable) != 0 {
		t.Errorf("the sweep finds %+v (%v) of a deleted entry", people, err)
	}

	c.OwnerOfIdentity = func(identity string) (string, bool) {
		id, err := server.ID("ada")
		must(t, err)
		return "credential-2", identity == provider.Identity(string(d.provider.UID), id)
	}
	check("an entry of another account", d.request("ada", rightPassword), "wrong", 0, "ada")
	own := d.request("ada", rightPassword)
	own.CredentialUID = "credential-2"
	check("an entry of the account itself", own, "right", 1, "ada")
}

func TestSlapdIdentities(t *testing.T) {
	server, d := startSlapd(t)
	checkIdentities(t, server, d)
	// Two with one name: nobody logs in.
	must(t, server.AddUnit("guests"))
	must(t, server.AddUser(directories.Person{Username: "grace", Password: rightPassword}))
	must(t, server.AddUser(directories.Person{Username: "grace", Password: rightPassword, Unit: "guests"}))
	d.provider.Spec.LDAP.Users.BaseDN = directories.SlapdDN
	c := d.clients(t)
	for _, name := range []string{"grace", "*", "gr*", "ada)(uid=*"} {
		if _, err := c.Verify(t.Context(), d.request(name, rightPassword)); outcome(err) != "wrong" {
			t.Errorf("%s: %s", name, outcome(err))
		}
	}
	if binds, err := server.Binds("grace"); err != nil || len(binds) != 0 {
		t.Errorf("the binds are %v (%v), want none", binds, err)
	}
}

func TestActiveDirectoryIdentities(t *testing.T) {
	server, d := startActiveDirectory(t)
	checkIdentities(t, server, d)
	client, err := d.clients(t).Of(t.Context(), d.provider)
	must(t, err)
	sid, err := server.SID("ada")
	must(t, err)
	found, err := client.Find(t.Context(), netip.Addr{}, BySID, sid)
	if err != nil || found.Names[0] != "ada" {
		t.Errorf("the SID %s is of %+v (%v)", sid, found, err)
	}
	if _, err := client.Find(t.Context(), netip.Addr{}, BySID, sid+"9"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the SID of nobody: %v", err)
	}
	must(t, server.SetLockout(directories.Lockout{Threshold: 7, Window: 10 * time.Minute}))
	if limit, err := client.Lockout(t.Context()); err != nil || limit != (provider.DirectoryLockout{Known: true, MaxFailures: 7, Window: 10 * time.Minute}) {
		t.Errorf("the limit is %+v (%v)", limit, err)
	}
}
