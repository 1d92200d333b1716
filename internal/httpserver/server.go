package httpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

const (
	// drainDelay is how long a stopping server still accepts connections: load balancers need a moment to see that it is no
	// longer ready.
	drainDelay = 2 * time.Second
	// drainTimeout bounds the requests that are under way; Kubernetes kills after 30 s.
	drainTimeout = 25 * time.Second
)

// Server is the ports of one program. Call Listen, ListenTLS and ListenHealth first, then Run, then Close.
type Server struct {
	// Ready returns what the server waits for; nil when it can answer clients. It must be set before the server runs.
	Ready func() error
	// Metrics are served on the health port; nil for none. They must be set before the server runs.
	Metrics prometheus.Gatherer

	ports    []*Port
	health   net.Listener
	draining atomic.Bool
	// timeouts are the standard ones unless a test has set others.
	timeouts timeouts
}

// Listen opens a port without TLS. Each connection takes some 20 KiB, and more with TLS: those beyond maxConnections wait
// until others are closed. The error is the system's.
func (s *Server) Listen(address string, maxConnections int) (*Port, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	port := &Port{listener: netutil.LimitListener(listener, maxConnections), maxConnections: maxConnections}
	s.ports = append(s.ports, port)
	return port, nil
}

// ListenTLS opens a port with TLS 1.3 and HTTP/1.1. Its certificate and private key are PEM files, which are followed when they
// change and waited for while they are missing: no handshake succeeds until then.
func (s *Server) ListenTLS(address string, maxConnections int, certFile, keyFile string) (*Port, error) {
	port, err := s.Listen(address, maxConnections)
	if err != nil {
		return nil, err
	}
	port.certificate = &certificate{certFile: certFile, keyFile: keyFile, interval: CertificateInterval}
	return port, nil
}

// ListenHealth opens the health port. The error is the system's.
func (s *Server) ListenHealth(address string) (err error) {
	s.health, err = net.Listen("tcp", address)
	return err
}

// HealthAddress is where the health port listens.
func (s *Server) HealthAddress() string { return s.health.Addr().String() }

// Run serves the ports until stop ends, and then drains. When failed ends, or a port cannot be served, it ends at once: failed is
// for something else that the program cannot do without.
func (s *Server) Run(stop, failed context.Context) error {
	defer s.Close()
	t := cmp.Or(s.timeouts, standardTimeouts)
	var following sync.WaitGroup
	defer following.Wait()
	running, end := context.WithCancel(failed)
	defer end()

	ended := make(chan error, len(s.ports)+1)
	for _, port := range s.ports {
		port.prepare(&s.draining, t)
		go func() { ended <- port.serve() }()
		if port.certificate != nil {
			following.Go(func() { port.certificate.follow(running, port.OnCertificate) })
		}
	}
	health := newHTTPServer(s.healthHandler(), t)
	defer func() { _ = health.Close() }()
	go func() { ended <- health.Serve(s.health) }()

	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-failed.Done():
		return nil
	case <-stop.Done():
	}
	s.draining.Store(true)
	select {
	case <-time.After(drainDelay):
	case <-failed.Done():
	}
	return s.drain(context.WithoutCancel(stop))
}

// drain closes the ports and waits for the requests that are under way.
func (s *Server) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var requests errgroup.Group
	for _, port := range s.ports {
		requests.Go(func() error { return port.server.Shutdown(ctx) })
	}
	if err := requests.Wait(); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were cut off: they took longer than %s", drainTimeout)
	}
	return nil
}

// Close closes all ports, and what is served there, at once.
func (s *Server) Close() {
	for _, port := range s.ports {
		if port.server != nil {
			_ = port.server.Close()
		}
		_ = port.listener.Close()
	}
	if s.health != nil {
		_ = s.health.Close()
	}
}
