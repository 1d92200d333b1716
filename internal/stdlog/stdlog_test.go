package stdlog

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// planted is what a peer sends that was not asked for.
const planted = "planted: Authorization: Basic c2VjcmV0"

// captured is the log of a server.
type captured struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// capture sets the log of this process up as servers do.
func capture(t *testing.T) *captured {
	t.Helper()
	before, writer, flags := slog.Default(), log.Writer(), log.Flags()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
	})
	c := &captured{}
	handler := slog.NewJSONHandler(c, nil)
	slog.SetDefault(slog.New(handler))
	Redirect(handler)
	return c
}

// Write implements [io.Writer].
func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// tells checks that the log tells, within some time, that something was not asked for, and not what.
func (c *captured) tells(t *testing.T) {
	t.Helper()
	gomega.NewWithT(t).Eventually(c.String, time.Minute).Should(gomega.ContainSubstring(`"level":"INFO","msg":"Unsolicited response received on idle HTTP channel; what was received is left out"}`))
	if strings.Contains(c.String(), "planted") || strings.Contains(c.String(), "c2VjcmV0") {
		t.Errorf("the log is\n%s", c)
	}
}

// get asks an address.
func get(ctx context.Context, client *http.Client, address string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// TestMoreThanAnnounced: what a peer sends after an answer is in no log.
func TestMoreThanAnnounced(t *testing.T) {
	c := capture(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = connection.Close() })
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"+planted)
	}))
	defer server.Close()
	if body, err := get(t.Context(), server.Client(), server.URL); err != nil || body != "{}" {
		t.Errorf("the answer is %q, %v", body, err)
	}
	c.tells(t)
}

// TestBeforeRequest: what a peer sends before it is asked is in no log.
func TestBeforeRequest(t *testing.T) {
	c := capture(t)
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	end := make(chan struct{})
	defer close(end)
	go func() {
		accepted, err := listener.Accept()
		if err != nil {
			return
		}
		connection := tls.Server(accepted, &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12})
		defer func() { _ = connection.Close() }()
		_, _ = io.WriteString(connection, planted)
		<-end
	}()
	// The client sends its request when it has noticed.
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.tells(t) }})
	if body, err := get(ctx, certified.Client(), "https://"+listener.Addr().String()); err == nil {
		t.Errorf("the answer is %q", body)
	}
	c.tells(t)
}

// TestOtherLines: all other lines are kept as they are.
func TestOtherLines(t *testing.T) {
	c := capture(t)
	for _, line := range []string{"http2: Transport received unsolicited DATA frame; closing connection", `a "quoted" text`} {
		log.Print(line)
	}
	log.Printf("http: %s", "two\nlines")
	for _, want := range []string{
		`"level":"INFO","msg":"http2: Transport received unsolicited DATA frame; closing connection"}`, `"msg":"a \"quoted\" text"}`, `"msg":"http: two\nlines"}`,
	} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%s is missing in\n%s", want, c)
		}
	}
}
