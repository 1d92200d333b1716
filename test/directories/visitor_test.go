package directories_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// password is that of everybody in these tests.
const password = "Tulip+7/harbour"

// connect connects to a server with LDAPS, and ends the connection with the test.
func connect(t *testing.T, server, serverName string, ca []byte) *ldap.Conn {
	t.Helper()

	c, err := ldap.DialURL("ldaps://"+server, ldap.DialWithTLSConfig(trust(serverName, ca)))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	c.SetTimeout(10 * time.Second)

	return c
}

// connectStartTLS connects to a server with StartTLS.
func connectStartTLS(t *testing.T, server, serverName string, ca []byte) *ldap.Conn {
	t.Helper()

	c, err := ldap.DialURL("ldap://" + server)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	c.SetTimeout(10 * time.Second)
	must(t, c.StartTLS(trust(serverName, ca)))

	return c
}

func trust(serverName string, ca []byte) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)

	return &tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

// data is the code in a diagnostic message of Active Directory.
var data = regexp.MustCompile(`data ([0-9a-f]+),`)

// subcode binds and returns the code with which Active Directory refuses it; empty for a bind that succeeds.
func subcode(t *testing.T, c *ldap.Conn, name, password string) string {
	t.Helper()

	err := c.Bind(name, password)
	if err == nil {
		return ""
	}

	var refused *ldap.Error
	if !errors.As(err, &refused) || refused.ResultCode != ldap.LDAPResultInvalidCredentials {
		t.Fatalf("binding as %s: %v", name, err)
	}

	match := data.FindStringSubmatch(err.Error())
	if match == nil {
		t.Fatalf("binding as %s: no code in %v", name, err)
	}

	return match[1]
}

// search searches below a base and returns the entries.
func search(t *testing.T, c *ldap.Conn, base, filter string, attributes ...string) []*ldap.Entry {
	t.Helper()

	result, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	must(t, err)

	return result.Entries
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()

	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)

	defer tick.Stop()

	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}
