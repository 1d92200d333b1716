package e2e_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/directories"
	"github.com/keyturn/keyturn/test/directories/misbehaving"
)

// TestDirectoryFailsAtThePerson: while a directory finds people and then fails, those who log in there get 503 with Retry-After in time, accounts with a
// password here log in meanwhile at the same login server, and sessions go on. When the directory is well again, its people log in.
func TestDirectoryFailsAtThePerson(t *testing.T) {
	t.Parallel()

	d, err := sampleSlapd()
	must(t, err)

	port, err := controlplane.FreePort(0)
	must(t, err)

	url := "http://" + controlplane.Address(port)
	login.replica(t, "login-cut", "--health-bind-address", "--bind-address="+controlplane.Address(port), insecureCookies).start(t)

	for name, start := range map[string]func(*testing.T, *directories.Slapd) *failing{
		"killed between the search and the bind":        killedBeforeBind,
		"broken off in the middle of the bind's answer": brokenOffInAnswer,
		"every answer comes seven seconds later":        slowed,
		"the network loses what is sent after a cut":    lost,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			f := start(t, d)
			c := newOpenLDAP(t)
			c.directory, c.spec.LDAP.Servers = badDirectory{directory: d, ca: f.ca}, []string{f.address}
			c.spec.LDAP.TLS.Mode, c.spec.LDAP.TLS.ServerName = v1alpha1.LDAPTLSFromStart, f.host
			o := newOrganisation(t)
			p, local := c.employs(o, "ada", nil), o.settled(t, "grace", nil)
			c.serves(o)

			p.at, local.at = url, url
			p.loginEventually(t, p.password, granted)
			local.loginEventually(t, local.password, granted)
			token := p.login(t, p.password, granted).Token
			before := c.binds(p)

			f.fail(true)
			isNotAskedMeanwhile(t, p, local)
			session(t, token, 200)

			if n := c.binds(p) - before; n > f.binds {
				t.Errorf("the directory was asked about %d passwords, want at most %d", n, f.binds)
			}

			f.fail(false)
			p.loginEventually(t, p.password, granted)
			session(t, token, 200)
		})
	}
}

// isNotAskedMeanwhile has somebody of a directory that fails try twice, and a local account log in until that is answered.
func isNotAskedMeanwhile(t *testing.T, p, local *person) {
	t.Helper()

	done := make(chan struct{})

	go func() {
		defer close(done)

		for range 2 {
			began := time.Now()
			a, err := p.tryLogin(t.Context(), p.password) // a 503 without Retry-After is an error

			if err != nil || a.code != 503 || a.outcome().id != "provider-unavailable" {
				t.Errorf("the answer is %+v, %v, want 503 provider-unavailable", a, err)

				return
			}

			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("the answer took %s", took)
			}
		}
	}()

	for {
		began := time.Now()
		local.login(t, local.password, granted)

		if took := time.Since(began); took > 5*time.Second { // what a directory may take
			t.Errorf("a local login took %s", took)
		}

		select {
		case <-done:
			return
		default:
		}
	}
}

// failing is what fails before a directory.
type failing struct {
	address, host string
	ca            []byte
	// fail has it fail, or not any more.
	fail func(bool)
	// binds is how many passwords reach the directory at most while it fails.
	binds int
}

// killedBeforeBind breaks a connection off when the password of a person is sent on it.
func killedBeforeBind(t *testing.T, d *directories.Slapd) *failing {
	t.Helper()

	var fails atomic.Bool

	return relayed(t, &fails, 0, misbehaving.Relay(d.Server(), d.TLS(), func(r misbehaving.Request) bool {
		return !fails.Load() || !isBindOfPerson(t, d, r)
	}))
}

// brokenOffInAnswer breaks a connection off after half of the answer to the password of a person.
func brokenOffInAnswer(t *testing.T, d *directories.Slapd) *failing {
	t.Helper()

	var fails atomic.Bool

	return relayed(t, &fails, 2, func(ctx context.Context, connection net.Conn) {
		half := &halfConn{Conn: connection}
		misbehaving.Relay(d.Server(), d.TLS(), func(r misbehaving.Request) bool {
			half.breaks.Store(fails.Load() && isBindOfPerson(t, d, r))

			return true
		})(ctx, half)
	})
}

// halfConn breaks off in the middle of what is written.
type halfConn struct {
	net.Conn

	breaks atomic.Bool
}

func (c *halfConn) Write(content []byte) (int, error) {
	if !c.breaks.Load() {
		return c.Conn.Write(content)
	}

	n, err := c.Conn.Write(content[:len(content)/2])

	return n, errors.Join(err, c.Close(), net.ErrClosed)
}

func isBindOfPerson(t *testing.T, d *directories.Slapd, r misbehaving.Request) bool {
	t.Helper()

	service, err := d.DN(searcher)
	if err != nil {
		t.Error(err)
	}

	return r.Operation == ldap.ApplicationBindRequest && r.Name != service
}

func relayed(t *testing.T, fails *atomic.Bool, binds int, behaviour misbehaving.Behaviour) *failing {
	t.Helper()

	server, err := misbehaving.Start(misbehaving.LDAPS, behaviour)
	must(t, err)
	t.Cleanup(server.Close)

	return &failing{address: server.Address(), host: misbehaving.Host, ca: server.CA(), fail: fails.Store, binds: binds}
}

// slowed has each answer come later than a login waits for.
func slowed(t *testing.T, d *directories.Slapd) *failing {
	t.Helper()

	return behindProxy(t, d, func(p *misbehaving.Proxy, fails bool) {
		p.Delay(0)

		if fails {
			p.Delay(7 * time.Second)
		}
	})
}

// lost breaks all connections off, and passes nothing on of new ones.
func lost(t *testing.T, d *directories.Slapd) *failing {
	t.Helper()

	return behindProxy(t, d, func(p *misbehaving.Proxy, fails bool) {
		p.Cut()

		if fails {
			p.Hold()
		} else {
			p.Release()
		}
	})
}

func behindProxy(t *testing.T, d *directories.Slapd, fail func(*misbehaving.Proxy, bool)) *failing {
	t.Helper()

	proxy, err := misbehaving.StartProxy(d.Server())
	must(t, err)
	t.Cleanup(proxy.Close)

	return &failing{
		address: proxy.Address(), host: directories.SlapdHost, ca: d.CA(), binds: 2,
		fail: func(fails bool) { fail(proxy, fails) },
	}
}
