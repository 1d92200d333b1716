package httpserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// shortTimeouts replace standardTimeouts, so that a test can wait for them. slowBound is far above them, and far below the standard
// ones.
var shortTimeouts = timeouts{
	read: 200 * time.Millisecond, write: time.Second, idle: 200 * time.Millisecond,
}

const slowBound = 4 * time.Second

// TestSlowClients: a client that sends slowly, or stops sending, is answered or cut off soon, on a port without and on one with TLS,
// and the server keeps nothing of it.
func TestSlowClients(t *testing.T) {
	const post = "POST /webhooks/tokenreview HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	t.Run("ports", func(t *testing.T) {
		for port, dial := range portsForSlowClients(t) {
			for name, row := range map[string]struct {
				// The client sends first, and then drips again and again. The server's answer contains answer.
				first, drips, answer string
			}{
				"nothing":                      {"", "", ""},
				"half a header":                {"POST /webhooks/tokenr", "", ""},
				"headers without end":          {post, "X-More: 1\r\n", ""},
				"a body that stalls":           {post + "Content-Length: 100\r\n\r\n{", "", "400 Bad Request"},
				"a body that drips":            {post + "Content-Length: 10000\r\n\r\n{", " ", "400 Bad Request"},
				"a chunk that stalls":          {post + "Transfer-Encoding: chunked\r\n\r\n100\r\n{", "", "400 Bad Request"},
				"chunks without end":           {post + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "1\r\n \r\n", "400 Bad Request"},
				"a body that nobody asked for": {"GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", " ", "404 Not Found"},
				"no second request":            {"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "", "404 Not Found"},
			} {
				t.Run(port+", "+name, func(t *testing.T) {
					t.Parallel()
					connection := dial(t)
					defer func() { _ = connection.Close() }()
					_ = connection.SetDeadline(time.Now().Add(slowBound))
					_, _ = io.WriteString(connection, row.first)
					if row.drips != "" {
						go drip(connection, row.drips)
					}
					got, err := io.ReadAll(connection)
					if errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(string(got), row.answer) {
						t.Errorf("it ends with %v and the answer %q, want %q", err, got, row.answer)
					}
				})
			}
		}
	})
	gomega.NewWithT(t).Eventually(func() int {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
		return strings.Count(stacks.String(), "net/http.(*conn).serve(")
	}, slowBound, 10*time.Millisecond).Should(gomega.BeZero(), "connections that are still served")
}

// drip writes until it fails.
func drip(to io.Writer, text string) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := io.WriteString(to, text); err != nil {
			return
		}
		<-ticker.C
	}
}

// portsForSlowClients serves a port without and one with TLS, and returns how to connect to each.
func portsForSlowClients(t *testing.T) map[string]func(*testing.T) net.Conn {
	t.Helper()
	certFile, keyFile := writeCertificate(t, t.TempDir(), 1)
	server := &Server{timeouts: shortTimeouts}
	plain, loaded := listenFor(t, server, 100, "", ""), make(chan error, 1)
	withTLS := listenFor(t, server, 100, certFile, keyFile)
	withTLS.OnCertificate = func(err error) { loaded <- err }
	start(t, server)
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	return map[string]func(*testing.T) net.Conn{
		"plain": func(t *testing.T) net.Conn { return dial(t, plain) },
		"TLS": func(t *testing.T) net.Conn {
			dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // The certificate is this test's own.
			connection, err := dialer.DialContext(t.Context(), "tcp", withTLS.Address())
			if err != nil {
				t.Fatal(err)
			}
			return connection
		},
	}
}

// TestNoHandshake: a client that connects to a port with TLS and does not begin a handshake is cut off.
func TestNoHandshake(t *testing.T) {
	server := &Server{timeouts: shortTimeouts}
	port := listenFor(t, server, 1, "missing.crt", "missing.key")
	start(t, server)
	connection := dial(t, port)
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(slowBound))
	if _, err := io.ReadAll(connection); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server still waits for it")
	}
}

// TestTooLargeAndNoEnd: a body that is too large is answered at once, also while the client goes on sending.
func TestTooLargeAndNoEnd(t *testing.T) {
	if standardTimeouts.read <= slowBound || standardTimeouts.write <= standardTimeouts.read || standardTimeouts.idle <= 0 {
		t.Fatalf("the timeouts are %+v", standardTimeouts)
	}
	server := &Server{}
	port := listenFor(t, server, 1, "", "")
	start(t, server)
	connection := dial(t, port)
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(slowBound))
	go func() {
		_, _ = io.WriteString(connection, "POST /webhooks/tokenreview HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n8000\r\n{"+strings.Repeat(" ", 20<<10))
	}()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
		t.Errorf("it is answered %s, and the connection is kept: %t", response.Status, !response.Close)
	}
}
