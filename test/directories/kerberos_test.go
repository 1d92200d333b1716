package directories_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/directories"
)

// service is what a browser asks for a ticket of when it is at http://localhost.
const service = "HTTP/localhost"

// checkTicket gets a ticket of the service, and has the key of the keytab decrypt it.
func checkTicket(t *testing.T, ticket directories.Ticket, keytab []byte) {
	t.Helper()

	path := filepath.Join(t.TempDir(), "keytab")
	must(t, os.WriteFile(path, keytab, 0o600))

	if out, err := withTicket(t, ticket, "kvno", "-k", path, service); err != nil || !strings.Contains(out, "keytab entry valid") {
		t.Errorf("a ticket of the service: %v %s", err, out)
	}

	tickets, err := withTicket(t, ticket, "klist", "-e")
	must(t, err)

	keys, err := withTicket(t, ticket, "klist", "-e", "-k", path)
	must(t, err)

	_, own, _ := strings.Cut(tickets, service)
	if !strings.Contains(own, "Etype (skey, tkt): aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96") {
		t.Errorf("the ticket of the service is not one of AES: %s", tickets)
	}

	if strings.Count(keys, service) != 2 || !strings.Contains(keys, "(aes128-cts-hmac-sha1-96)") || !strings.Contains(keys, "(aes256-cts-hmac-sha1-96)") {
		t.Errorf("the keytab has other keys than the two of AES: %s", keys)
	}
}

func withTicket(t *testing.T, ticket directories.Ticket, program string, args ...string) (string, error) {
	t.Helper()

	command := exec.CommandContext(t.Context(), program, args...)
	command.Env = append(os.Environ(), ticket.Environment()...)
	out, err := command.CombinedOutput()

	return string(out), err
}

// TestActiveDirectoryTickets: the domain gives tickets of a service for the right password, and the keytab has the service's keys.
func TestActiveDirectoryTickets(t *testing.T) {
	t.Parallel()

	d := startActiveDirectory(t)
	ctx := t.Context()

	must(t, d.AddUser(person("ada")))
	must(t, d.AddService("web", "Tulip+7/service", service))

	began := time.Now()

	keytab, err := d.Keytab(ctx, service)
	must(t, err)
	t.Logf("exporting the keytab took %s", time.Since(began).Round(time.Millisecond))

	ticket, err := d.Ticket(ctx, "ada", password)
	must(t, err)
	checkTicket(t, ticket, keytab)

	if _, err := d.Ticket(ctx, "ada", "wrong"); err == nil {
		t.Error("a wrong password gets a ticket")
	}

	must(t, d.Disable("ada"))

	if _, err := d.Ticket(ctx, "ada", password); err == nil {
		t.Error("somebody disabled gets a ticket")
	}
}

// TestKDC: the realm gives tickets of a service for the right password, and the keytab has the service's keys; after a restart as well.
func TestKDC(t *testing.T) {
	t.Parallel()

	ctx := t.Context()
	began := time.Now()

	k, err := directories.StartKDC(ctx, t.TempDir(), directories.Options{})
	must(t, err)
	t.Logf("krb5kdc has started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(k.Stop)

	must(t, k.AddPrincipal(ctx, "ada", password))
	must(t, k.AddService(ctx, service))

	keytab, err := k.Keytab(ctx, service)
	must(t, err)

	ticket, err := k.Ticket(ctx, "ada", password)
	must(t, err)
	checkTicket(t, ticket, keytab)

	if _, err := k.Ticket(ctx, "ada", "wrong"); err == nil {
		t.Error("a wrong password gets a ticket")
	}

	must(t, k.SetPassword(ctx, "ada", "Tulip+7/another"))

	if _, err := k.Ticket(ctx, "ada", password); err == nil {
		t.Error("the password before gets a ticket")
	}

	k.Stop()
	<-k.Done()
	must(t, k.Start(ctx))

	if ticket, err = k.Ticket(ctx, "ada", "Tulip+7/another"); err != nil {
		t.Fatal(err)
	}

	checkTicket(t, ticket, keytab)
	must(t, k.Disable(ctx, "ada"))

	if _, err := k.Ticket(ctx, "ada", "Tulip+7/another"); err == nil {
		t.Error("somebody disabled gets a ticket")
	}

	must(t, k.DeletePrincipal(ctx, "ada"))

	if err := k.SetPassword(ctx, "ada", password); err == nil {
		t.Error("somebody deleted has a password")
	}
}
