package directories

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Ticket is what somebody has after logging in at a computer of a realm: a ticket-granting ticket, and so tickets of services.
type Ticket struct {
	// Config is the path of a krb5.conf of the realm, and Cache that of the file with the tickets.
	Config, Cache string
}

// Environment has a program use the ticket: a browser for example.
func (t Ticket) Environment() []string {
	return []string{"KRB5_CONFIG=" + t.Config, "KRB5CCNAME=FILE:" + t.Cache}
}

// logOn gets a ticket for a principal, into a new file in dir.
func logOn(ctx context.Context, dir, config, principal, password string) (Ticket, error) {
	folder, err := os.MkdirTemp(dir, "tickets-")
	if err != nil {
		return Ticket{}, fmt.Errorf("making a folder for tickets: %w", err)
	}

	t := Ticket{Config: config, Cache: filepath.Join(folder, "cache")}

	if _, err := run(ctx, t.Environment(), password+"\n", "kinit", principal); err != nil {
		return Ticket{}, fmt.Errorf("getting a ticket for %s: %w", principal, err)
	}

	return t, nil
}

// readKeytab calls export with the path of a file that does not exist yet, and returns what export has written there.
func readKeytab(dir string, export func(path string) error) ([]byte, error) {
	folder, err := os.MkdirTemp(dir, "keytab-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for a keytab: %w", err)
	}

	path := filepath.Join(folder, "keytab")
	if err := export(path); err != nil {
		return nil, fmt.Errorf("exporting a keytab: %w", err)
	}

	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a keytab: %w", err)
	}

	return content, nil
}

// kerberosConfig is a krb5.conf for one realm. Names of hosts are taken as they are, since no DNS knows them; localhost is in the realm.
func kerberosConfig(realm, kdc string) string {
	return fmt.Sprintf(`[libdefaults]
 default_realm = %[1]s
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 %[1]s = {
  kdc = %[2]s
 }
[domain_realm]
 localhost = %[1]s
`, realm, kdc)
}
