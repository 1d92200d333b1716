package directories_test

import (
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/directories"
)

func startActiveDirectory(t *testing.T) *directories.ActiveDirectory {
	t.Helper()

	began := time.Now()

	d, err := directories.StartActiveDirectory(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Logf("the domain controller has started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(d.Stop)

	return d
}

func connectDomain(t *testing.T, d *directories.ActiveDirectory) *ldap.Conn {
	t.Helper()

	return connect(t, d.Server(), directories.DomainController, d.CA())
}

func person(username string) directories.Person {
	return directories.Person{Username: username, Password: password}
}

func upn(username string) string { return username + "@" + directories.Domain }

// TestActiveDirectoryStates: each state has the code that Windows documents, and the server logs exactly the binds that it was asked for.
func TestActiveDirectoryStates(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	c := connectDomain(t, d)

	tests := []struct {
		username string
		set      func(string) error
		right    string
		wrong    string
	}{
		{"active", nil, "", "52e"},
		{"changed", func(u string) error { return d.SetPassword(u, password) }, "", "52e"},
		{"disabled", d.Disable, "533", "52e"},
		{"enabled", func(u string) error { return errors.Join(d.Disable(u), d.Enable(u)) }, "", "52e"},
		{"accountexpired", d.ExpireAccount, "701", "52e"},
		{"passwordexpired", d.ExpirePassword, "532", "52e"},
		{"mustchange", d.MustChangePassword, "773", "52e"},
		{"locked", d.Lock, "775", "775"},
		{"unlocked", func(u string) error { return errors.Join(d.Lock(u), d.Unlock(u)) }, "", "52e"},
		{"hours", d.RestrictHours, "530", "52e"},
		{"workstations", d.RestrictWorkstations, "531", "52e"},
		{"deleted", d.DeleteUser, "52e", "52e"},
	}
	for _, tt := range tests {
		must(t, d.AddUser(person(tt.username)))

		if tt.set != nil {
			must(t, tt.set(tt.username))
		}

		if got := subcode(t, c, upn(tt.username), password); got != tt.right {
			t.Errorf("the right password of %s: %q, want %q", tt.username, got, tt.right)
		}

		if got := subcode(t, c, upn(tt.username), "wrong"); got != tt.wrong {
			t.Errorf("a wrong password of %s: %q, want %q", tt.username, got, tt.wrong)
		}
	}

	binds, err := d.Binds()
	must(t, err)

	if len(binds) != 2*len(tests) {
		t.Errorf("the server has logged %d binds, want %d: %v", len(binds), 2*len(tests), binds)
	}

	binds, err = d.Binds("active", "disabled")
	must(t, err)

	want := []directories.Bind{
		{Name: upn("active"), Username: "active"},
		{Name: upn("active"), Username: "active", Result: "NT_STATUS_WRONG_PASSWORD"},
		{Name: upn("disabled"), Username: "disabled", Result: "NT_STATUS_ACCOUNT_DISABLED"},
		{Name: upn("disabled"), Username: "disabled", Result: "NT_STATUS_WRONG_PASSWORD"},
	}
	if !slices.Equal(binds, want) {
		t.Errorf("the server has logged %v, want %v", binds, want)
	}
}

// TestActiveDirectoryTLS: the server shows a certificate of its authority with LDAPS and StartTLS, and takes no password without TLS.
func TestActiveDirectoryTLS(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	must(t, d.AddUser(person("ada")))

	must(t, connectDomain(t, d).Bind(upn("ada"), password))
	must(t, connect(t, d.Server(), d.Address(), d.CA()).Bind(upn("ada"), password))
	must(t, connectStartTLS(t, d.StartTLSServer(), directories.DomainController, d.CA()).Bind(upn("ada"), password))

	var untrusted x509.UnknownAuthorityError
	if _, err := ldap.DialURL("ldaps://"+d.Server(), ldap.DialWithTLSConfig(trust(directories.DomainController, nil))); !errors.As(err, &untrusted) {
		t.Errorf("without the authority connecting has the error %v", err)
	}

	plain, err := ldap.DialURL("ldap://" + d.StartTLSServer())
	must(t, err)
	t.Cleanup(func() { _ = plain.Close() })

	if err := plain.Bind(upn("ada"), password); !ldap.IsErrorWithCode(err, ldap.LDAPResultStrongAuthRequired) {
		t.Errorf("a bind without TLS has the error %v, want that it needs TLS", err)
	}
}

// TestActiveDirectoryLockout: the server counts wrong passwords, and locks an account at the threshold.
func TestActiveDirectoryLockout(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	c := connectDomain(t, d)

	const threshold = 3

	must(t, d.SetLockout(directories.Lockout{Threshold: threshold, Duration: time.Hour, Window: time.Hour}))
	must(t, d.AddUser(person("ada")))

	for i := range threshold {
		if got := subcode(t, c, upn("ada"), "wrong"+strconv.Itoa(i)); got != "52e" {
			t.Fatalf("wrong password %d is answered %s", i, got)
		}

		count, err := d.WrongPasswords("ada")
		must(t, err)

		if count != i+1 {
			t.Errorf("the server has counted %d, want %d", count, i+1)
		}
	}

	if got := subcode(t, c, upn("ada"), password); got != "775" {
		t.Errorf("the right password of a locked account is answered %q", got)
	}

	must(t, d.Unlock("ada"))
	must(t, c.Bind(upn("ada"), password))

	// A lock ends by itself.
	must(t, d.SetLockout(directories.Lockout{Threshold: 1, Duration: time.Second, Window: time.Second}))

	if got := subcode(t, c, upn("ada"), "wrong"); got != "52e" {
		t.Fatalf("a wrong password is answered %s", got)
	}

	eventually(t, "the lock ends", func() bool { return subcode(t, c, upn("ada"), password) == "" })
}

// TestActiveDirectoryIdentities: an ID stays over a rename, and somebody who is added with the username of another has other IDs.
func TestActiveDirectoryIdentities(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	c := connectDomain(t, d)

	must(t, d.AddUser(directories.Person{Username: "ada", Password: password, Name: "Lovelace, Ada", Email: "ada@corp.example"}))

	dn, err := d.DN("ada")
	must(t, err)

	if want := `CN=Lovelace\, Ada,` + directories.DomainUsersDN; dn != want {
		t.Errorf("the DN is %s, want %s", dn, want)
	}

	must(t, c.Bind(dn, password))

	id, err := d.ID("ada")
	must(t, err)

	sid, err := d.SID("ada")
	must(t, err)

	// The server itself takes both in their text forms.
	for _, base := range []string{"<GUID=" + id + ">", "<SID=" + sid + ">"} {
		if found := search(t, c, base, "(mail=ada@corp.example)", "cn"); len(found) != 1 || found[0].DN != dn {
			t.Errorf("%s finds %v", base, found)
		}
	}

	must(t, d.RenameUser("ada", "augusta"))
	must(t, c.Bind(upn("augusta"), password))

	renamed, err := d.ID("augusta")
	must(t, err)

	if renamed != id {
		t.Errorf("renamed the ID is %s, was %s", renamed, id)
	}

	must(t, d.DeleteUser("augusta"))

	if _, err := d.DN("augusta"); !errors.Is(err, directories.ErrNoEntry) {
		t.Errorf("looking for somebody deleted has the error %v", err)
	}

	must(t, d.AddUser(person("augusta")))
	must(t, c.Bind(upn("augusta"), password))

	another, err := d.ID("augusta")
	must(t, err)

	anotherSID, err := d.SID("augusta")
	must(t, err)

	if another == id || anotherSID == sid {
		t.Errorf("another person has ID %s and SID %s, the first one had %s and %s", another, anotherSID, id, sid)
	}
}

// TestActiveDirectoryGroups: a search for groups in chain finds those that a person is in by another group.
func TestActiveDirectoryGroups(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	c := connectDomain(t, d)

	must(t, d.AddUser(person("ada")))
	must(t, d.AddGroup("engineers", "ada"))
	must(t, d.AddGroup("everyone", "engineers"))
	must(t, d.AddGroup("others"))
	must(t, c.Bind(upn("ada"), password))

	dn, err := d.DN("ada")
	must(t, err)

	groups := func(rule string) []string {
		var names []string
		for _, entry := range search(t, c, directories.DomainDN, "(member"+rule+"="+ldap.EscapeFilter(dn)+")", "cn") {
			names = append(names, entry.GetAttributeValue("cn"))
		}

		slices.Sort(names)

		return names
	}

	if got := groups(""); !slices.Equal(got, []string{"engineers"}) {
		t.Errorf("the groups are %v", got)
	}

	const inChain = ":1.2.840.113556.1.4.1941:"
	if got := groups(inChain); !slices.Equal(got, []string{"engineers", "everyone"}) {
		t.Errorf("the groups in chain are %v", got)
	}

	must(t, d.RemoveMembers("engineers", "ada"))

	if got := groups(inChain); len(got) != 0 {
		t.Errorf("removed from the group, the groups are %v", got)
	}

	searches, err := d.Searches()
	must(t, err)

	want := directories.Search{Base: directories.DomainDN, Filter: "(member=" + dn + ")"}
	if len(searches) != 3 || searches[0] != want {
		t.Errorf("the server has logged the searches %v, want three, first %v", searches, want)
	}
}

// TestActiveDirectoryRestart: a server that was down has the same address, the same people and the same log.
func TestActiveDirectoryRestart(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	must(t, d.AddUser(person("ada")))
	must(t, connectDomain(t, d).Bind(upn("ada"), password))

	d.Stop()
	<-d.Done()

	if _, err := ldap.DialURL("ldaps://" + d.Server()); err == nil {
		t.Error("a server that was stopped answers")
	}

	began := time.Now()

	must(t, d.Start(t.Context()))
	t.Logf("the domain controller has started again in %s", time.Since(began).Round(time.Millisecond))
	must(t, connectDomain(t, d).Bind(upn("ada"), password))

	binds, err := d.Binds("ada")
	must(t, err)

	if len(binds) != 2 {
		t.Errorf("the server has logged %v, want two binds", binds)
	}
}
