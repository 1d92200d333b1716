package directories_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/directories"
)

func startActiveDirectory(t *testing.T) *directories.ActiveDirectory {
	t.Helper()

	d, err := directories.StartActiveDirectory(t.Context(), t.TempDir(), directories.Options{})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(d.Stop)

	return d
}

func TestActiveDirectory(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)

	must(t, d.AddUser(t.Context(), directories.Person{Username: "ada", Password: "Tulip+7/harbour", Name: "Lovelace, Ada"}))

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.CA())
	config := &tls.Config{RootCAs: roots, ServerName: directories.DomainController, MinVersion: tls.VersionTLS12}

	c, err := ldap.DialURL("ldaps://"+d.Server(), ldap.DialWithTLSConfig(config))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })

	must(t, c.Bind("ada@"+directories.Domain, "Tulip+7/harbour"))
	t.Log(c.Bind("ada@"+directories.Domain, "wrong"))
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}
