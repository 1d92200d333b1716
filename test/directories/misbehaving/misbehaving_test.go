package misbehaving_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/directories"
	"github.com/keyturn/keyturn/test/directories/misbehaving"
)

const (
	// patience is what clients have in these tests: enough for a machine under load, unless the server wants to exceed it.
	patience = 20 * time.Second
	// impatience is what clients have with a server that says nothing.
	impatience = 200 * time.Millisecond
)

func start(t *testing.T, mode misbehaving.Mode, behaviour misbehaving.Behaviour) *misbehaving.Server {
	t.Helper()

	s, err := misbehaving.Start(mode, behaviour)
	must(t, err)
	t.Cleanup(s.Close)

	return s
}

// dial connects, without TLS.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()

	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })

	return c
}

// client connects to a server in its mode.
func client(t *testing.T, mode misbehaving.Mode, address string, config *tls.Config) *ldap.Conn {
	t.Helper()

	var c *ldap.Conn

	if mode == misbehaving.LDAPS {
		c = ldap.NewConn(tls.Client(dial(t, address), config), true)
	} else {
		c = ldap.NewConn(dial(t, address), false)
	}

	c.Start()
	t.Cleanup(func() { _ = c.Close() })
	c.SetTimeout(patience)

	if mode == misbehaving.StartTLS {
		must(t, c.StartTLS(config))
	}

	return c
}

func searchFor(c *ldap.Conn, filter string) (*ldap.SearchResult, error) {
	return c.Search(ldap.NewSearchRequest("dc=example,dc=org", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, nil, nil))
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// TestSilence: in each mode a client waits in vain at another step.
func TestSilence(t *testing.T) {
	t.Parallel()

	t.Run("handshake", func(t *testing.T) {
		t.Parallel()

		s := start(t, misbehaving.Plain, misbehaving.Silence)
		c := dial(t, s.Address())
		must(t, c.SetDeadline(time.Now().Add(impatience)))
		wantTimeout(t, tls.Client(c, s.TLS()).HandshakeContext(t.Context()))
	})

	t.Run("handshake after StartTLS", func(t *testing.T) {
		t.Parallel()

		s := start(t, misbehaving.Plain, misbehaving.HangInStartTLS)
		plain := dial(t, s.Address())
		c := ldap.NewConn(plain, false)

		c.Start()
		t.Cleanup(func() { _ = c.Close() })
		must(t, plain.SetDeadline(time.Now().Add(impatience)))

		if err := c.StartTLS(s.TLS()); err == nil {
			t.Error("StartTLS with a server that hangs has no error")
		}
	})

	for name, mode := range map[string]misbehaving.Mode{"bind": misbehaving.LDAPS, "bind after StartTLS": misbehaving.StartTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := start(t, mode, misbehaving.Silence)
			c := client(t, mode, s.Address(), s.TLS())
			c.SetTimeout(impatience)

			wantBroken(t, "a bind", c.Bind("cn=ada", "password"))

			if s.Connections() != 1 {
				t.Errorf("the server counts %d connections, want 1", s.Connections())
			}
		})
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()

	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the error is %v, want a timeout", err)
	}
}

// wantBroken wants an error of the connection, not an answer of a server.
func wantBroken(t *testing.T, what string, err error) {
	t.Helper()

	var answered *ldap.Error
	if err == nil || errors.As(err, &answered) && answered.ResultCode < ldap.ErrorNetwork {
		t.Errorf("%s has the error %v, want one of the connection", what, err)
	}
}

// TestBreaking: what is no complete answer is an error of the connection.
func TestBreaking(t *testing.T) {
	t.Parallel()

	for name, behaviour := range map[string]misbehaving.Behaviour{"reset": misbehaving.Reset, "garbage": misbehaving.Garbage} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := start(t, misbehaving.LDAPS, behaviour)

			_, err := searchFor(client(t, misbehaving.LDAPS, s.Address(), s.TLS()), "(uid=ada)")
			wantBroken(t, "a search", err)
		})
	}
}

// TestEndless: the answer has two gigabytes by its header, and more bytes arrive than a client should take.
func TestEndless(t *testing.T) {
	t.Parallel()

	s := start(t, misbehaving.Plain, misbehaving.Endless)
	c := dial(t, s.Address())
	_, err := c.Write([]byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x42, 0x00})
	must(t, err)

	header := make([]byte, 6)
	_, err = io.ReadFull(c, header)
	must(t, err)

	if want := []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}; !slices.Equal(header, want) {
		t.Errorf("the answer begins with % x, want % x", header, want)
	}

	const much = 16 << 20

	_, err = io.CopyN(io.Discard, c, much)
	must(t, err)
}

// TestAnswers: a handler says what a client is told.
func TestAnswers(t *testing.T) {
	t.Parallel()

	var (
		mu   sync.Mutex
		seen []misbehaving.Request
	)

	s := start(t, misbehaving.StartTLS, misbehaving.Answers(func(r misbehaving.Request) ([]misbehaving.Answer, error) {
		mu.Lock()
		defer mu.Unlock()

		seen = append(seen, r)

		switch {
		case r.Operation == ldap.ApplicationBindRequest:
			answer := misbehaving.BindResult(ldap.LDAPResultInvalidCredentials, "data 52e")

			return []misbehaving.Answer{answer.WithControl(ldap.ControlTypeBeheraPasswordPolicy, []byte{0x30, 0x03, 0x81, 0x01, 0x01})}, nil
		case r.Filter == "(uid=two)":
			return []misbehaving.Answer{
				misbehaving.Entry("uid=one", map[string][]string{"mail": {"a", "b"}}), misbehaving.Entry("uid=two", nil),
				misbehaving.SearchResult(ldap.LDAPResultSuccess, ""),
			}, nil
		default:
			return []misbehaving.Answer{misbehaving.Entry("uid=one", nil)}, errors.New("break off")
		}
	}))
	c := client(t, misbehaving.StartTLS, s.Address(), s.TLS())

	bound, err := c.SimpleBind(ldap.NewSimpleBindRequest("uid=ada", "secret", nil))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) || bound == nil || len(bound.Controls) != 1 {
		t.Errorf("a bind is answered %+v %v", bound, err)
	}

	found, err := searchFor(c, "(uid=two)")
	must(t, err)

	if len(found.Entries) != 2 || !slices.Equal(found.Entries[0].GetAttributeValues("mail"), []string{"a", "b"}) {
		t.Errorf("a search finds %+v %+v", found.Entries[0], found.Entries[0].Attributes)
	}

	if _, err := searchFor(c, "(uid=none)"); err == nil {
		t.Error("a search that was broken off has no error")
	}

	mu.Lock()
	defer mu.Unlock()

	if len(seen) != 3 || seen[0].Name != "uid=ada" || seen[0].Password != "secret" || seen[1].Base != "dc=example,dc=org" {
		t.Errorf("the handler has seen %+v", seen)
	}
}

// TestRefer: a search is referred elsewhere, in both ways that there are.
func TestRefer(t *testing.T) {
	t.Parallel()

	const elsewhere = "ldaps://elsewhere.example.org/dc=example,dc=org"

	s := start(t, misbehaving.LDAPS, misbehaving.Answers(misbehaving.Refer(elsewhere)))
	c := client(t, misbehaving.LDAPS, s.Address(), s.TLS())
	must(t, c.Bind("uid=ada", "password"))

	found, err := searchFor(c, "(uid=ada)")
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultReferral) || found == nil || !slices.Equal(found.Referrals, []string{elsewhere}) {
		t.Errorf("a search is answered %+v %v", found, err)
	}
}

// TestUnencrypted: a password that comes without TLS is seen.
func TestUnencrypted(t *testing.T) {
	t.Parallel()

	s := start(t, misbehaving.StartTLS, misbehaving.Silence)

	if err := client(t, misbehaving.Plain, s.Address(), nil).Bind("uid=ada", "secret"); err == nil {
		t.Error("a bind without TLS succeeds")
	}

	if seen := s.Unencrypted(); len(seen) != 1 || seen[0].Password != "secret" {
		t.Errorf("the server has seen %+v", seen)
	}
}

// TestSlow: an answer comes late, and is complete.
func TestSlow(t *testing.T) {
	t.Parallel()

	s := start(t, misbehaving.LDAPS, misbehaving.Slow(impatience, misbehaving.Answers(misbehaving.Refer())))
	c := client(t, misbehaving.LDAPS, s.Address(), s.TLS())
	began := time.Now()

	must(t, c.Bind("uid=ada", "password"))

	if took := time.Since(began); took < impatience {
		t.Errorf("the answer came after %s", took)
	}
}

// TestRelay: a directory is there for the search and gone before the bind, which never reaches it.
func TestRelay(t *testing.T) {
	t.Parallel()

	d := startSlapd(t)
	s := start(t, misbehaving.LDAPS, misbehaving.Relay(d.Server(), d.TLS(), func(r misbehaving.Request) bool {
		return r.Name != personDN
	}))
	c := client(t, misbehaving.LDAPS, s.Address(), s.TLS())

	must(t, c.Bind(directories.SlapdAdministrator, directories.SlapdAdministratorPassword))

	if found, err := searchFor(c, "(uid=ada)"); err != nil || len(found.Entries) != 1 {
		t.Fatalf("by the relay a search finds %+v %v", found, err)
	}

	wantBroken(t, "a bind", c.Bind(personDN, password))

	binds, err := d.Binds()
	must(t, err)

	if len(binds) != 0 {
		t.Errorf("the directory has logged %v", binds)
	}
}
