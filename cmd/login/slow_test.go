package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/keyturn/keyturn/internal/web"
)

// shortTimeouts are those of the servers, so short that they can be waited for. slowBound is far above them, and far below the
// real ones.
var shortTimeouts = timeouts{
	read: 200 * time.Millisecond, write: time.Second, idle: 200 * time.Millisecond,
}

const slowBound = 4 * time.Second

// TestSlowClients: whoever sends slowly, or stops, is answered or cut off soon, on the port for people and on that with TLS,
// and nothing of them is left.
func TestSlowClients(t *testing.T) {
	const post = "POST /webhooks/tokenreview HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	t.Run("ports", func(t *testing.T) {
		for port, dial := range slowPorts(t) {
			for name, row := range map[string]struct {
				// sends is sent at once, and drips again and again; holds is what the answer has.
				sends, drips, holds string
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
					_, _ = io.WriteString(connection, row.sends)
					if row.drips != "" {
						go drip(connection, row.drips)
					}
					answer, err := io.ReadAll(connection)
					if errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(string(answer), row.holds) {
						t.Errorf("it ends with %v and the answer %q", err, answer)
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

// slowPorts starts a server for each port and returns how to connect. They read bodies as all of Keyturn's endpoints do.
func slowPorts(t *testing.T) map[string]func(*testing.T) net.Conn {
	t.Helper()
	handler := web.Webhooks(&web.TokenReview{})
	people, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	port, err := (&webhookOptions{
		bindAddress: "127.0.0.1:0", certFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key"),
	}).listen()
	if err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, port.options, 1)
	watcher, err := certwatcher.New(port.options.certFile, port.options.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	port.watcher.Store(watcher)
	peopleServer, webhookServer := newHTTPServer(handler, shortTimeouts), port.server(handler, shortTimeouts)
	ended := make(chan error, 2)
	go func() { ended <- peopleServer.Serve(people) }()
	go port.serve(webhookServer, ended)
	t.Cleanup(func() {
		_, _ = peopleServer.Close(), webhookServer.Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
	plain := func(to net.Listener) func(*testing.T) net.Conn {
		return func(t *testing.T) net.Conn {
			connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return connection
		}
	}
	return map[string]func(*testing.T) net.Conn{
		"people": plain(people),
		"API servers": func(t *testing.T) net.Conn {
			dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // it is this test's own
			connection, err := dialer.DialContext(t.Context(), "tcp", port.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return connection
		},
	}
}

// TestNoHandshake: who opens the port for API servers and does not say hello is cut off.
func TestNoHandshake(t *testing.T) {
	server := (&webhookPort{}).server(http.NotFoundHandler(), shortTimeouts)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _, _ = server.Close(), <-ended })
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(slowBound))
	if _, err := io.ReadAll(connection); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it is waited for")
	}
}

// TestTooLargeAndNoEnd: what is too large is answered at once, and not when the client gives up sending it.
func TestTooLargeAndNoEnd(t *testing.T) {
	if serverTimeouts.read <= slowBound || serverTimeouts.write <= serverTimeouts.read || serverTimeouts.idle <= 0 {
		t.Fatalf("the servers' timeouts are %+v", serverTimeouts)
	}
	address := serving(t, maxPeople)
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
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

// TestMostConnections: those beyond the bound wait until another goes, and from half of it on none is kept that asks for nothing.
func TestMostConnections(t *testing.T) {
	const most = 4
	address := serving(t, most)
	connect := func() net.Conn {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		return connection
	}
	ask := func(connection net.Conn, patience time.Duration) (kept bool, err error) {
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
	var silent []net.Conn
	for i := range most {
		connection := connect()
		if kept, err := ask(connection, slowBound); err != nil || kept != (i < most/2) {
			t.Errorf("connection %d is kept: %t, %v", i+1, kept, err)
		}
		if i < most/2 {
			silent = append(silent, connection)
		}
	}
	for len(silent) < most {
		silent = append(silent, connect())
	}
	waits := connect()
	if _, err := ask(waits, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more than there may be: %v", err)
	}
	_ = silent[0].Close()
	if _, err := ask(waits, slowBound); err != nil {
		t.Errorf("when another has gone: %v", err)
	}
}

// serving serves the webhooks as the servers do, with so many connections at most, and returns where.
func serving(t *testing.T, most int) (address string) {
	t.Helper()
	opened, err := listen("127.0.0.1:0", most)
	if err != nil {
		t.Fatal(err)
	}
	server, ended := newHTTPServer((&server{}).parting(web.Webhooks(&web.TokenReview{}), opened.crowded), serverTimeouts), make(chan error, 1)
	opened.serves(server)
	go func() { ended <- server.Serve(opened) }()
	t.Cleanup(func() { _, _ = server.Close(), <-ended })
	return opened.Addr().String()
}
