package misbehaving

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/directories/internal/certificates"
)

// Mode is how a server begins a connection.
type Mode int

// The modes. Plain hands a connection over to its Behaviour at once. LDAPS makes it TLS before. StartTLS waits for that request first.
const (
	Plain Mode = iota
	LDAPS
	StartTLS
)

// Behaviour serves one connection. The server closes the connection when it returns, and ends the context when it is itself closed.
type Behaviour func(ctx context.Context, connection net.Conn)

// Host is the address of every server, in its certificate too.
const Host = "127.0.0.1"

// Server is a listening one.
type Server struct {
	listener     net.Listener
	certificates *certificates.Certificates
	tls          *tls.Config
	mode         Mode
	behaviour    Behaviour
	stop         context.CancelFunc
	serving      sync.WaitGroup

	mu          sync.Mutex
	connections int
	unencrypted []Request
}

// Start starts a server on a free port.
func Start(mode Mode, behaviour Behaviour) (*Server, error) {
	port, err := controlplane.FreePort(0)
	if err != nil {
		return nil, err
	}

	listener, err := net.Listen("tcp", controlplane.Address(port))
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}

	s := &Server{listener: listener, mode: mode, behaviour: behaviour}

	if s.certificates, err = certificates.Make("misbehaving.example.org", net.ParseIP(Host), time.Now()); err != nil {
		return nil, err
	}

	if s.tls, err = s.certificates.Server(); err != nil {
		return nil, err
	}

	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop

	s.serving.Go(func() { s.accept(ctx) })

	return s, nil
}

// Address is the host and the port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// CA is the certificate that the server's is signed by, in PEM.
func (s *Server) CA() []byte { return s.certificates.Authority }

// TLS is how a client connects that trusts the server.
func (s *Server) TLS() *tls.Config { return s.certificates.Client() }

// Connections is how many there have been.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.connections
}

// Unencrypted returns the requests that came without TLS in the mode StartTLS, other than that for TLS.
func (s *Server) Unencrypted() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()

	return append([]Request(nil), s.unencrypted...)
}

// Close closes the server and its connections, and returns when they are closed.
func (s *Server) Close() {
	s.stop()
	s.listener.Close()
	s.serving.Wait()
}

func (s *Server) accept(ctx context.Context) {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return
		}

		s.mu.Lock()
		s.connections++
		s.mu.Unlock()

		s.serving.Go(func() { s.serve(ctx, connection) })
	}
}

func (s *Server) serve(ctx context.Context, connection net.Conn) {
	// What reads from the connection ends with the server.
	unwatch := context.AfterFunc(ctx, func() { hangUp(connection) })
	defer unwatch()
	defer hangUp(connection)

	if s.mode == StartTLS && !s.startTLS(connection) {
		return
	}

	if s.mode != Plain {
		encrypted := tls.Server(connection, s.tls)
		if encrypted.HandshakeContext(ctx) != nil {
			return // the client does not trust the server, or is gone
		}

		connection = encrypted
	}

	s.behaviour(ctx, connection)
}

// startTLSName is the name of the request that asks for TLS, see RFC 4511, 4.14.
const startTLSName = "1.3.6.1.4.1.1466.20037"

// startTLS answers the request for TLS; false if the first request is another one.
func (s *Server) startTLS(connection net.Conn) bool {
	request, err := read(connection)
	if err != nil {
		return false
	}

	if request.Extension != startTLSName {
		s.mu.Lock()
		s.unencrypted = append(s.unencrypted, request)
		s.mu.Unlock()

		return false
	}

	_, err = connection.Write(ExtensionResult(ldap.LDAPResultSuccess, "").encode(request.id))

	return err == nil
}
