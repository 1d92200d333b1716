package misbehaving_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/directories"
	"github.com/keyturn/keyturn/test/directories/misbehaving"
)

const (
	password = "Tulip+7/harbour"
	personDN = "uid=ada," + directories.SlapdPeopleDN
)

// startSlapd starts a directory with one person.
func startSlapd(t *testing.T) *directories.Slapd {
	t.Helper()

	d, err := directories.StartSlapd(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Cleanup(d.Stop)
	must(t, d.AddUser(directories.Person{Username: "ada", Password: password}))

	return d
}

// TestProxy: what a network does to a directory's connections is done to them, and they are well again.
func TestProxy(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)

	p, err := misbehaving.StartProxy(d.Server())
	must(t, err)
	t.Cleanup(p.Close)

	connect := func() *ldap.Conn {
		t.Helper()

		return client(t, misbehaving.LDAPS, p.Address(), d.TLS())
	}
	c := connect()
	must(t, c.Bind(personDN, password))

	p.Delay(impatience)

	began := time.Now()
	must(t, c.Bind(personDN, password))

	if took := time.Since(began); took < impatience {
		t.Errorf("the delayed answer came after %s", took)
	}

	p.Delay(0)
	p.Hold()

	bound := make(chan error, 1)

	go func() { bound <- c.Bind(personDN, password) }()

	waiting := dial(t, p.Address())
	must(t, waiting.SetDeadline(time.Now().Add(impatience)))
	wantTimeout(t, tls.Client(waiting, d.TLS()).HandshakeContext(t.Context()))

	select {
	case err := <-bound:
		t.Errorf("a bind that is held ends with %v", err)
	default:
	}

	p.Release()
	must(t, <-bound)

	p.Cut()
	wantBroken(t, "a bind on a connection that is cut", c.Bind(personDN, password))

	c = connect()
	must(t, c.Bind(personDN, password))
	p.Down()
	wantBroken(t, "a bind by a proxy that is down", c.Bind(personDN, password))

	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Address()); err == nil {
		t.Error("a proxy that is down takes connections")
	}

	must(t, p.Up())
	must(t, connect().Bind(personDN, password))

	if got, want := p.Connections(), 4; got != want {
		t.Errorf("there were %d connections, want %d", got, want)
	}
}
