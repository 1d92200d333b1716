package directories_test

import (
	"testing"

	"github.com/keyturn/keyturn/test/directories"
)

// TestKept: servers that are started in a folder of earlier ones, by another process for example, have what was in them.
func TestKept(t *testing.T) {
	t.Parallel()

	ctx, dir := t.Context(), t.TempDir()

	domain := func() *directories.ActiveDirectory {
		t.Helper()

		d, err := directories.StartActiveDirectory(ctx, dir, directories.Options{})
		must(t, err)
		t.Cleanup(d.Stop)

		return d
	}
	slapd := func() *directories.Slapd {
		t.Helper()

		d, err := directories.StartSlapd(ctx, dir, directories.Options{})
		must(t, err)
		t.Cleanup(d.Stop)

		return d
	}
	kdc := func() *directories.KDC {
		t.Helper()

		k, err := directories.StartKDC(ctx, dir, directories.Options{})
		must(t, err)
		t.Cleanup(k.Stop)

		return k
	}

	first, second, third := domain(), slapd(), kdc()
	must(t, first.AddUser(person("ada")))
	must(t, second.AddUser(person("ada")))
	must(t, third.AddPrincipal(ctx, "ada", password))

	id, err := first.ID("ada")
	must(t, err)

	uuid, err := second.ID("ada")
	must(t, err)

	first.Stop()
	second.Stop()
	third.Stop()

	if kept, err := domain().ID("ada"); kept != id || err != nil {
		t.Errorf("the domain has %s %v, want %s", kept, err, id)
	}

	if kept, err := slapd().ID("ada"); kept != uuid || err != nil {
		t.Errorf("slapd has %s %v, want %s", kept, err, uuid)
	}

	if _, err := kdc().Ticket(ctx, "ada", password); err != nil {
		t.Error(err)
	}
}
