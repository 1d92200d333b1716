package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
)

// planted is text of a directory that must not reach anybody.
const planted = "planted-by-the-directory"

const (
	adaDN, serviceDN = "uid=ada,ou=people,dc=example,dc=org", "cn=service,dc=example,dc=org"
	adaID            = "11111111-2222-3333-4444-555555555555"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// fakeServer speaks just enough LDAP to misbehave. What it answers can be replaced for each kind of request.
type fakeServer struct {
	t        *testing.T
	listener net.Listener
	config   *tls.Config
	roots    *x509.CertPool
	// raw is asked before TLS, if it is set; it returns false to end the connection.
	raw func(net.Conn) bool
	// bind and search answer a request, if they are set; they return false to answer as usual.
	bind   func(c *fakeConn, name string) bool
	search func(c *fakeConn, filter string) bool

	// hides is the DN of an entry that is not there; the others are.
	hides string

	mu    sync.Mutex
	binds []string
	conns []net.Conn
	wg    sync.WaitGroup
}

// fakeConn is a connection, and the message that is to be answered.
type fakeConn struct {
	net.Conn
	server *fakeServer
	id     int64
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	https := httptest.NewTLSServer(nil) // For its certificate.
	https.Close()
	f := &fakeServer{t: t, config: &tls.Config{Certificates: https.TLS.Certificates, MinVersion: tls.VersionTLS12}, roots: x509.NewCertPool()}
	f.roots.AddCert(https.Certificate())
	f.listen("127.0.0.1:0")
	t.Cleanup(func() { f.stop(); f.wg.Wait() })
	return f
}

func (f *fakeServer) listen(address string) {
	f.t.Helper()
	listener, err := net.Listen("tcp", address)
	must(f.t, err)
	f.listener = listener
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			f.wg.Go(func() { f.serve(conn) })
		}
	})
}

func (f *fakeServer) address() string { return f.listener.Addr().String() }

// stop ends the server and all connections.
func (f *fakeServer) stop() {
	f.listener.Close()
	f.dropAll()
}

func (f *fakeServer) dropAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

// connections is how many were made since the last dropAll.
func (f *fakeServer) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

// bindsOf is how many binds with a name came.
func (f *fakeServer) bindsOf(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, bound := range f.binds {
		if bound == name {
			n++
		}
	}
	return n
}

func (f *fakeServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if f.raw != nil && !f.raw(conn) {
		return
	}
	c := &fakeConn{Conn: tls.Server(conn, f.config), server: f}
	for {
		message, err := ber.ReadPacket(c)
		if err != nil || len(message.Children) < 2 {
			return
		}
		c.id, _ = message.Children[0].Value.(int64)
		request := message.Children[1]
		switch request.Tag {
		case ldap.ApplicationBindRequest:
			name, _ := request.Children[1].Value.(string)
			f.mu.Lock()
			f.binds = append(f.binds, name)
			f.mu.Unlock()
			if f.bind != nil && f.bind(c, name) {
				continue
			}
			c.answerBind(request.Children[2].Data.String(), name)
		case ldap.ApplicationSearchRequest:
			filter, err := ldap.DecompileFilter(request.Children[6])
			if err != nil {
				return
			}
			base, _ := request.Children[0].Value.(string)
			if base != "" && request.Children[1].Value == int64(ldap.ScopeBaseObject) && filter == "(objectClass=*)" {
				c.answerBase(base)
				continue
			}
			if f.search != nil && f.search(c, filter) {
				continue
			}
			c.answerSearch(filter)
		default:
			return
		}
	}
}

func (c *fakeConn) answerBind(password, name string) {
	if name == serviceDN && password == servicePassword || name == adaDN && password == rightPassword {
		c.result(ldap.ApplicationBindResponse, 0, "")
		return
	}
	c.result(ldap.ApplicationBindResponse, ldap.LDAPResultInvalidCredentials, planted)
}

// answerBase answers whether an entry is there.
func (c *fakeConn) answerBase(dn string) {
	if c.server.hides == dn {
		c.result(ldap.ApplicationSearchResultDone, ldap.LDAPResultNoSuchObject, "")
		return
	}
	c.entry(dn)
	c.result(ldap.ApplicationSearchResultDone, 0, "")
}

func (c *fakeConn) answerSearch(filter string) {
	switch {
	case strings.Contains(filter, "uid=ada"+")") && !strings.Contains(filter, "member"), strings.Contains(filter, adaID):
		c.entry(adaDN, "entryUUID", adaID, "uid", "ada")
	case strings.Contains(filter, "member="):
		c.entry("cn=staff,ou=groups,dc=example,dc=org")
	}
	c.result(ldap.ApplicationSearchResultDone, 0, "")
}

// send sends an answer to the present message.
func (c *fakeConn) send(operation *ber.Packet, controls ...ldap.Control) {
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, c.id, ""))
	message.AppendChild(operation)
	if len(controls) > 0 {
		all := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		for _, control := range controls {
			all.AppendChild(control.Encode())
		}
		message.AppendChild(all)
	}
	_, _ = c.Write(message.Bytes())
}

func (c *fakeConn) result(tag ber.Tag, code int64, message string, controls ...ldap.Control) {
	operation := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	operation.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	operation.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	operation.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, message, ""))
	c.send(operation, controls...)
}

// entry sends an entry with attributes, each a name and a value.
func (c *fakeConn) entry(dn string, attributes ...string) {
	operation := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	operation.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	all := ber.NewSequence("")
	for i := 0; i < len(attributes); i += 2 {
		attribute := ber.NewSequence("")
		attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, attributes[i], ""))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for value := range strings.SplitSeq(attributes[i+1], "|") {
			values.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, value, ""))
		}
		attribute.AppendChild(values)
		all.AppendChild(attribute)
	}
	operation.AppendChild(all)
	c.send(operation)
}

// longBounds are for servers that answer, and shortBounds for those that do not, on a machine that has other things to do.
var (
	longBounds  = bounds{connect: time.Minute, operation: time.Minute, attempt: time.Minute, turn: time.Minute}
	shortBounds = bounds{connect: time.Second, operation: time.Second, attempt: time.Minute, turn: time.Minute}
)

// asker asks fake servers about ada.
type asker struct {
	*Client
	clock *testingclock.FakePassiveClock
}

func newAsker(t *testing.T, servers ...*fakeServer) asker {
	t.Helper()
	p := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "corp", UID: "provider-1"}}
	p.Spec.Type = v1alpha1.IdentityProviderLDAP
	p.Spec.LDAP = v1alpha1.LDAPSettings{
		TLS: v1alpha1.LDAPTLS{Mode: v1alpha1.LDAPTLSFromStart}, Users: v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=example,dc=org"},
		Groups: &v1alpha1.LDAPGroups{BaseDN: "ou=groups,dc=example,dc=org"},
	}
	p.Spec.GroupMappings = []v1alpha1.GroupMapping{{From: "cn=staff,ou=groups,dc=example,dc=org", To: "staff"}}
	roots := x509.NewCertPool()
	for _, s := range servers {
		p.Spec.LDAP.Servers = append(p.Spec.LDAP.Servers, s.address())
		roots = s.roots // All have the same certificate.
	}
	clk := testingclock.NewFakePassiveClock(noon)
	settings := &provider.Settings{Provider: p, BindName: serviceDN, BindPassword: provider.NewSecret(servicePassword), Roots: roots}
	c := newClient(settings, clk, longBounds)
	t.Cleanup(c.Close)
	return asker{Client: c, clock: clk}
}

func (a asker) request(password string) authn.Request {
	account := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada"}}
	account.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal, ExternalName: "ada"}
	return authn.Request{Account: account, Provider: a.settings.Provider, Secret: password}
}

// ask asks whether a password is ada's.
func (a asker) ask(t *testing.T, password string) string {
	t.Helper()
	entry, refusal, err := a.verify(t.Context(), a.request(password), nil)
	if err != nil && (strings.Contains(err.Error(), planted) || strings.Contains(err.Error(), rightPassword)) {
		t.Errorf("the error tells too much: %v", err)
	}
	if err == nil && (entry.Subject != adaID || len(entry.Groups) != 1 || refusal != "") {
		t.Errorf("ada is %+v, %q", entry, refusal)
	}
	return outcome(err)
}
