package e2e_test

import (
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// TestDirectoryLockout: parallel guesses at three login servers do not reach the lockout of the directory itself, which is above the limit here
// by the number of login servers. Each wrong password is asked about once, and one that is refused because of the lock never.
func TestDirectoryLockout(t *testing.T) {
	t.Parallel()

	const limit = 5

	d, err := directories.StartActiveDirectory(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Cleanup(d.Stop)
	must(t, d.AddUser(directories.Person{Username: searcher, Password: searcherPassword()}))
	must(t, d.SetLockout(directories.Lockout{Threshold: limit + fleetSize, Duration: time.Hour, Window: time.Hour}))

	o, c := newOrganisation(t), newDirectory(t, d, v1alpha1.IdentityProviderActiveDirectory, searcher+"@"+directories.Domain)
	c.spec.LDAP.Servers = []string{d.Server()}
	p := c.employs(o, "ada", nil)
	c.serves(o)

	f := newFleet(t, 1, insecureCookies, "--address-failures-per-minute=0")
	for _, r := range f.replicas {
		at := *p
		at.at = r.url
		at.loginEventually(t, p.password, granted)
	}

	before := c.binds(p)

	var (
		guesses  sync.WaitGroup
		mu       sync.Mutex
		outcomes = map[string]int{}
	)

	for i := range 10 * fleetSize {
		at := *p
		at.at = f.replicas[i%fleetSize].url

		guesses.Go(func() {
			a, err := at.tryLogin(t.Context(), newPassword())
			if err != nil {
				t.Error(err)

				return
			}

			mu.Lock()
			defer mu.Unlock()

			outcomes[a.outcome().String()]++
		})
	}

	guesses.Wait()

	asked := c.binds(p) - before
	if asked < limit || asked >= limit+fleetSize {
		t.Errorf("the directory was asked about %d wrong passwords, want %d and fewer than its own limit of %d: %v", asked, limit, limit+fleetSize, outcomes)
	}

	counted, err := c.WrongPasswords(p.username)
	must(t, err)

	if counted != asked {
		t.Errorf("the directory has counted %d wrong passwords of %d binds", counted, asked)
	}

	// The person is locked out here, and not there.
	p.loginEventually(t, p.password, locked)

	if _, err := d.Ticket(t.Context(), p.username, p.password); err != nil {
		t.Errorf("the person is locked out of the directory: %v", err)
	}
}

// TestDirectoryGuessesOneByOne: the limit of the provider counts at one server, the stricter one of the policy comes first, and devices that the account
// knows have no guesses of their own.
func TestDirectoryGuessesOneByOne(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{
		Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(10)), DurationMinutes: new(int32(5))},
	})
	c := newCorp(t)
	c.spec.Lockout = &v1alpha1.ProviderLockout{MaxFailures: new(int32(3))}
	p := c.employs(o, "ada", nil)
	local := o.settled(t, "grace", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	known := *p
	known.cookie = p.login(t, p.password, granted).header.Get("Set-Cookie")
	before := c.binds(p)

	for range 3 {
		known.login(t, newPassword(), wrong)
	}

	for _, who := range []*person{p, &known} {
		a := who.login(t, p.password, locked)
		if wait := a.header.Get("Retry-After"); wait == "" {
			t.Error("the lock has no end")
		}
	}

	if n := c.binds(p) - before; n != 3 {
		t.Errorf("the directory was asked about %d passwords, want 3", n)
	}

	// Names of the same organisation do not differ in that: a local account and a name that nobody has are locked as early.
	stranger := &person{organisation: o.name, username: "nobody-" + uniqueName(t)[:4]}
	for _, who := range []*person{local, stranger} {
		for range 3 {
			who.login(t, newPassword(), wrong)
		}

		who.login(t, newPassword(), locked)
	}
}
