package httpserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyturn/keyturn/internal/webhook"
)

// listenFor opens a port of the server, with TLS if there is a certificate. Its handler reads bodies as all of Keyturn's endpoints do.
func listenFor(t *testing.T, s *Server, maxConnections int, certFile, keyFile string) *Port {
	t.Helper()
	open := func() (*Port, error) { return s.Listen("127.0.0.1:0", maxConnections) }
	if certFile != "" {
		open = func() (*Port, error) { return s.ListenTLS("127.0.0.1:0", maxConnections, certFile, keyFile) }
	}
	port, err := open()
	if err != nil {
		t.Fatal(err)
	}
	port.Handler, port.OnCertificate = webhook.Handler(&webhook.TokenReview{}), func(error) {}
	return port
}

// start runs the server, with a health port, until the test ends or stop is called. What Run returns is sent to ended.
func start(t *testing.T, s *Server) (stop func(), ended <-chan error) {
	t.Helper()
	if err := s.ListenHealth("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if s.Ready == nil {
		s.Ready = func() error { return nil }
	}
	s.Metrics = prometheus.NewRegistry()
	toStop, stop := context.WithCancel(t.Context())
	failed, fail := context.WithCancel(t.Context())
	result, over := make(chan error, 1), make(chan struct{})
	go func() { result <- s.Run(toStop, failed); close(over) }()
	t.Cleanup(func() { fail(); stop(); <-over })
	return stop, result
}

func dial(t *testing.T, to *Port) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to.Address())
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

// ask sends a request over a connection and returns whether the server keeps the connection.
func ask(connection net.Conn, patience time.Duration) (kept bool, err error) {
	_ = connection.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(connection, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return !response.Close, errors.Join(err, response.Body.Close())
}

// TestMostConnections: connections beyond the limit wait until another is closed. When more than half of the limit is open, the
// server closes each connection after its answer.
func TestMostConnections(t *testing.T) {
	const limit = 4
	server := &Server{}
	port := listenFor(t, server, limit, "", "")
	start(t, server)
	connect := func() net.Conn {
		connection := dial(t, port)
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	var silent []net.Conn
	for i := range limit {
		connection := connect()
		if kept, err := ask(connection, slowBound); err != nil || kept != (i < limit/2) {
			t.Errorf("connection %d is kept: %t, %v", i+1, kept, err)
		}
		if i < limit/2 {
			silent = append(silent, connection)
		}
	}
	for len(silent) < limit {
		silent = append(silent, connect())
	}
	waits := connect()
	if _, err := ask(waits, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more than there may be: %v", err)
	}
	_ = silent[0].Close()
	if _, err := ask(waits, slowBound); err != nil {
		t.Errorf("when another has been closed: %v", err)
	}
}

// healthText returns the status and the text of a path of the health port.
func healthText(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + s.HealthAddress() + path) //nolint:noctx // The address is this test's own server.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// TestHealth: the health port says that the server lives, and what it waits for before it is ready.
func TestHealth(t *testing.T) {
	waits := errors.New("waiting for a signing key")
	server := &Server{Ready: func() error { return waits }}
	start(t, server)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/healthz": {http.StatusOK, "ok\n"},
		"/readyz":  {http.StatusServiceUnavailable, "waiting for a signing key\n"},
		"/metrics": {http.StatusOK, ""},
		"/":        {http.StatusNotFound, "404 page not found\n"},
	} {
		if status, text := healthText(t, server, path); status != want.status || text != want.text {
			t.Errorf("%s answers %d %q, want %d %q", path, status, text, want.status, want.text)
		}
	}
}

// TestDrain: a server that is asked to stop says so at its health port, still answers new connections and closes each after its
// answer, then closes its ports, and ends when the last request has been answered.
func TestDrain(t *testing.T) {
	g := gomega.NewWithT(t)
	server, begun, release := &Server{}, make(chan struct{}), make(chan struct{})
	slow, other := listenFor(t, server, 10, "", ""), listenFor(t, server, 10, "", "")
	slow.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-release })
	stop, ended := start(t, server)
	underWay, kept := dial(t, slow), dial(t, other)
	defer func() { _, _ = underWay.Close(), kept.Close() }()
	answered := make(chan error, 1)
	go func() { _, err := ask(underWay, time.Minute); answered <- err }()
	<-begun
	isKept, err := ask(kept, slowBound)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(isKept).To(gomega.BeTrue(), "before it stops")

	stop()
	g.Eventually(func() string { _, text := healthText(t, server, "/readyz"); return text }, slowBound).Should(gomega.Equal("stopping\n"))
	isKept, err = ask(kept, slowBound)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(isKept).To(gomega.BeFalse(), "while it stops")
	g.Eventually(func() error {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", other.Address())
		if err == nil {
			err = connection.Close()
		}
		return err
	}, 2*drainDelay, 10*time.Millisecond).Should(gomega.HaveOccurred(), "ports are closed after the delay")
	g.Expect(ended).NotTo(gomega.Receive(), "a request is under way")
	close(release)
	g.Expect(<-answered).NotTo(gomega.HaveOccurred())
	g.Eventually(ended, slowBound).Should(gomega.Receive(gomega.BeNil()))
}

// TestRunFails: the server ends at once, with a reason, when a port cannot be served.
func TestRunFails(t *testing.T) {
	server := &Server{}
	port := listenFor(t, server, 1, "", "")
	_ = port.listener.Close()
	_, ended := start(t, server)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "serve: ") {
		t.Errorf("it ends with %v", err)
	}
}

// TestPortInUse: a port that is taken is an error.
func TestPortInUse(t *testing.T) {
	server := &Server{}
	defer server.Close()
	port := listenFor(t, server, 1, "", "")
	if _, err := server.Listen(port.Address(), 1); err == nil {
		t.Error("there is no error")
	}
	if err := server.ListenHealth(port.Address()); err == nil {
		t.Error("there is no error for the health port")
	}
}
