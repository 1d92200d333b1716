package e2e_test

import (
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/directories/misbehaving"
)

// badDirectory is a directory, or nothing, behind a server that does not behave and has a certificate of its own.
type badDirectory struct {
	directory
	ca []byte
}

func (d badDirectory) CA() []byte { return d.ca }

// TestDirectoryMisbehaves: while a directory hangs, is slow, sends what is no answer or one without an end, breaks off, or refers to another
// server, those who log in there get 503 with Retry-After in time, local accounts of the same login server log in meanwhile, and the login server does not
// grow.
func TestDirectoryMisbehaves(t *testing.T) {
	t.Parallel()

	const (
		// attempt is how long one at a directory may take, with what else a busy machine does.
		attempt = 12 * time.Second
		// growth is how much more memory the login server may have after all of it. An answer of Endless has 2 GiB.
		growth = 128 << 20
	)

	port, err := controlplane.FreePort(0)
	must(t, err)

	server := login.replica(t, "login-misbehaving", "--health-bind-address", "--bind-address="+controlplane.Address(port), insecureCookies)
	server.start(t)

	url := "http://" + controlplane.Address(port)
	memory := func() int { return residentBytes(t, server.process.Pid()) }

	home := newOrganisation(t)
	local := home.settled(t, "grace", nil)
	local.at = url
	local.loginEventually(t, local.password, granted)

	before := memory()

	var attempts sync.WaitGroup

	for name, row := range map[string]struct {
		mode      misbehaving.Mode
		tls       v1alpha1.LDAPTLSMode
		behaviour misbehaving.Behaviour
	}{
		"silent":            {misbehaving.Plain, v1alpha1.LDAPTLSFromStart, misbehaving.Silence},
		"hangs in StartTLS": {misbehaving.Plain, v1alpha1.LDAPTLSStart, misbehaving.HangInStartTLS},
		"garbage":           {misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Garbage},
		"endless":           {misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Endless},
		"breaks off":        {misbehaving.StartTLS, v1alpha1.LDAPTLSStart, misbehaving.Reset},
		"refers":            {misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart, misbehaving.Answers(misbehaving.Refer("ldaps://127.0.0.1:1"))},
		"slow": {
			misbehaving.LDAPS, v1alpha1.LDAPTLSFromStart,
			misbehaving.Slow(7*time.Second, misbehaving.Answers(misbehaving.Refer("ldaps://127.0.0.1:1"))),
		},
	} {
		bad, err := misbehaving.Start(row.mode, row.behaviour)
		must(t, err)
		t.Cleanup(bad.Close)

		o, c := newOrganisation(t), newDirectory(t, badDirectory{ca: bad.CA()}, v1alpha1.IdentityProviderActiveDirectory, searcher+"@corp.test")
		c.spec.LDAP.Servers, c.spec.LDAP.TLS.Mode = []string{bad.Address()}, row.tls
		p := &person{organisation: o.name, username: "ada", password: newPassword(), at: url}
		c.declares(o, p, nil)
		c.serves(o)

		attempts.Go(func() {
			deadline := time.Now().Add(patience)

			for asked := 0; asked < 3; {
				began := time.Now()
				a, err := p.tryLogin(t.Context(), p.password) // a 503 without Retry-After is an error

				switch {
				case err != nil:
					t.Errorf("%s: %v", name, err)

					return
				case a.outcome() == wrong && time.Now().Before(deadline): // the login server does not know the account yet
				case a.code == 503 && a.outcome().id == "provider-unavailable":
					asked++
				default:
					t.Errorf("%s: the answer is %q", name, a.outcome())

					return
				}

				if took := time.Since(began); took > attempt {
					t.Errorf("%s: the answer took %s", name, took)
				}
			}
		})
	}

	done := make(chan struct{})

	go func() {
		attempts.Wait()
		close(done)
	}()

	for slowest := time.Duration(0); ; {
		began := time.Now()
		local.login(t, local.password, granted)
		slowest = max(slowest, time.Since(began))

		select {
		case <-done:
			t.Logf("the slowest local login took %s", slowest.Round(time.Millisecond))

			if slowest > 5*time.Second { // what a directory may take
				t.Errorf("a local login took %s", slowest)
			}

			if after := memory(); after > before+growth {
				t.Errorf("the login server has grown from %d to %d bytes", before, after)
			}

			return
		default:
		}
	}
}
