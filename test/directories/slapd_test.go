package directories_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/directories"
)

func startSlapd(t *testing.T) *directories.Slapd {
	t.Helper()

	began := time.Now()

	d, err := directories.StartSlapd(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Logf("slapd has started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(d.Stop)

	return d
}

func connectSlapd(t *testing.T, d *directories.Slapd) *ldap.Conn {
	t.Helper()

	return connect(t, d.Server(), directories.SlapdHost, d.CA())
}

func personDN(username string) string { return "uid=" + username + "," + directories.SlapdPeopleDN }

// answer is what slapd says about a bind: the result, and what the control of password policies says beside it.
type answer struct {
	code    uint16
	control string
}

func (a answer) String() string { return strconv.Itoa(int(a.code)) + " " + a.control }

// bindWithPolicy binds with the control of password policies.
func bindWithPolicy(t *testing.T, c *ldap.Conn, name, password string) answer {
	t.Helper()

	result, err := c.SimpleBind(ldap.NewSimpleBindRequest(name, password, []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}))

	var (
		a       answer
		refused *ldap.Error
	)
	if errors.As(err, &refused) {
		a.code = refused.ResultCode
	} else {
		must(t, err)
	}

	if result != nil {
		if control, ok := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy); ok &&
			control.Error >= 0 {
			a.control = control.ErrorString
		}
	}

	return a
}

// TestSlapdStates: each state is answered as the draft of password policies says, and the server logs exactly the binds that it was asked for.
func TestSlapdStates(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	c := connectSlapd(t, d)

	fine := answer{}
	wrong := answer{code: ldap.LDAPResultInvalidCredentials}
	locked := answer{ldap.LDAPResultInvalidCredentials, "Account locked"}

	tests := []struct {
		username     string
		set          func(string) error
		right, wrong answer
	}{
		{"active", nil, fine, wrong},
		{"changed", func(u string) error { return d.SetPassword(u, password) }, fine, wrong},
		{"disabled", d.Disable, locked, locked},
		{"enabled", func(u string) error { return errors.Join(d.Disable(u), d.Enable(u)) }, fine, wrong},
		{"accountexpired", d.ExpireAccount, locked, locked},
		{"passwordexpired", d.ExpirePassword, answer{ldap.LDAPResultInvalidCredentials, "Password expired"}, wrong},
		{"mustchange", d.MustChangePassword, answer{0, "Password must be changed"}, wrong},
		{"locked", d.Lock, locked, locked},
		{"unlocked", func(u string) error { return errors.Join(d.Lock(u), d.Unlock(u)) }, fine, wrong},
		{"deleted", d.DeleteUser, wrong, wrong},
	}
	for _, tt := range tests {
		must(t, d.AddUser(person(tt.username)))

		if tt.set != nil {
			must(t, tt.set(tt.username))
		}

		if got := bindWithPolicy(t, c, personDN(tt.username), password); got != tt.right {
			t.Errorf("the right password of %s: %s, want %s", tt.username, got, tt.right)
		}

		if got := bindWithPolicy(t, c, personDN(tt.username), "wrong"); got != tt.wrong {
			t.Errorf("a wrong password of %s: %s, want %s", tt.username, got, tt.wrong)
		}
	}

	binds, err := d.Binds()
	must(t, err)

	if len(binds) != 2*len(tests) {
		t.Errorf("the server has logged %d binds, want %d: %v", len(binds), 2*len(tests), binds)
	}

	binds, err = d.Binds("active")
	must(t, err)

	want := []directories.Bind{
		{Name: personDN("active"), Username: "active"},
		{Name: personDN("active"), Username: "active", Result: "err=49"},
	}
	if !slices.Equal(binds, want) {
		t.Errorf("the server has logged %v, want %v", binds, want)
	}
}

// TestSlapdTLS: the server shows a certificate of its authority with LDAPS and StartTLS, and takes no password without TLS.
func TestSlapdTLS(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	must(t, d.AddUser(person("ada")))

	must(t, connectSlapd(t, d).Bind(personDN("ada"), password))
	must(t, connect(t, d.Server(), "127.0.0.1", d.CA()).Bind(personDN("ada"), password))
	must(t, connectStartTLS(t, d.StartTLSServer(), directories.SlapdHost, d.CA()).Bind(personDN("ada"), password))

	plain, err := ldap.DialURL("ldap://" + d.StartTLSServer())
	must(t, err)
	t.Cleanup(func() { _ = plain.Close() })

	if err := plain.Bind(personDN("ada"), password); !ldap.IsErrorWithCode(err, ldap.LDAPResultConfidentialityRequired) {
		t.Errorf("a bind without TLS has the error %v, want that it needs TLS", err)
	}
}

// TestSlapdLockout: the server counts wrong passwords, and locks an entry at the threshold for a while.
func TestSlapdLockout(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	c := connectSlapd(t, d)

	const threshold = 3

	must(t, d.SetLockout(directories.Lockout{Threshold: threshold, Duration: time.Hour, Window: time.Hour}))
	must(t, d.AddUser(person("ada")))

	for i := range threshold {
		if got := bindWithPolicy(t, c, personDN("ada"), "wrong"); got.code != ldap.LDAPResultInvalidCredentials {
			t.Fatalf("a wrong password is answered %s", got)
		}

		count, err := d.WrongPasswords("ada")
		must(t, err)

		if count != i+1 {
			t.Errorf("the server has counted %d, want %d", count, i+1)
		}
	}

	if got := bindWithPolicy(t, c, personDN("ada"), password); got.control != "Account locked" {
		t.Errorf("the right password of a locked entry is answered %s", got)
	}

	must(t, d.SetLockout(directories.Lockout{Threshold: threshold, Duration: time.Second, Window: time.Hour}))
	eventually(t, "the lock ends", func() bool { return bindWithPolicy(t, c, personDN("ada"), password) == answer{} })
}

// TestSlapdIdentities: an ID and a membership stay over a rename, and somebody who is added with the username of another has another ID.
func TestSlapdIdentities(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	c := connectSlapd(t, d)

	must(t, d.AddUser(directories.Person{Username: "ada", Password: password, Name: "Ada Lovelace", Email: "ada@example.org"}))
	must(t, d.AddGroup("engineers", "ada"))

	id, err := d.ID("ada")
	must(t, err)
	must(t, d.RenameUser("ada", "augusta"))
	must(t, c.Bind(personDN("augusta"), password))

	found := search(t, c, directories.SlapdDN, "(entryUUID="+id+")", "memberOf")
	if len(found) != 1 || found[0].DN != personDN("augusta") ||
		!slices.Equal(found[0].GetAttributeValues("memberOf"), []string{"cn=engineers," + directories.SlapdGroupsDN}) {
		t.Errorf("by the ID are found: %v", found)
	}

	if groups := search(t, c, directories.SlapdGroupsDN, "(member="+personDN("augusta")+")", "cn"); len(groups) != 1 {
		t.Errorf("the groups of the renamed person are %v", groups)
	}

	must(t, d.DeleteUser("augusta"))
	must(t, d.AddUser(person("augusta")))

	another, err := d.ID("augusta")
	must(t, err)

	if another == id {
		t.Errorf("another person has the ID %s, too", id)
	}

	must(t, d.AddUnit("contractors"))

	namesake := person("augusta")
	namesake.Unit = "contractors"
	must(t, d.AddUser(namesake))
	must(t, c.Bind(personDN("augusta"), password))

	if found := search(t, c, directories.SlapdDN, "(uid=augusta)", "uid"); len(found) != 2 {
		t.Errorf("namesakes are found: %v", found)
	}

	searches, err := d.Searches()
	must(t, err)

	want := directories.Search{Base: directories.SlapdDN, Filter: "(uid=augusta)"}
	if len(searches) != 3 || searches[2] != want {
		t.Errorf("the server has logged the searches %v, want three, last %v", searches, want)
	}
}

// TestSlapdRestart: a server that was down has the same ports, the same people and the same log.
func TestSlapdRestart(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	must(t, d.AddUser(person("ada")))
	must(t, connectSlapd(t, d).Bind(personDN("ada"), password))

	d.Stop()
	<-d.Done()

	if _, err := ldap.DialURL("ldaps://" + d.Server()); err == nil {
		t.Error("a server that was stopped answers")
	}

	must(t, d.Start(t.Context()))
	must(t, connectSlapd(t, d).Bind(personDN("ada"), password))

	binds, err := d.Binds("ada")
	must(t, err)

	if len(binds) != 2 {
		t.Errorf("the server has logged %v, want two binds", binds)
	}
}
