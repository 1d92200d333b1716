package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// ticketPath takes large headers.
const ticketPath = "/login/negotiate"

// largePort is a server whose port takes large headers at ticketPath while enabled.
type largePort struct {
	*Port

	enabled atomic.Bool
	// entered gets a value when a request to /waits is answered, which waits for release.
	entered, release chan struct{}
}

// listenLarge opens one. Its server has to be started.
func listenLarge(t *testing.T, s *Server, enabled bool) *largePort {
	t.Helper()
	p := &largePort{Port: listenFor(t, s, 4*maxLarge, "", ""), entered: make(chan struct{}, 4*maxLarge), release: make(chan struct{})}
	p.enabled.Store(enabled)
	p.LargeHeaders = &LargeHeaders{Enabled: p.enabled.Load, For: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, ticketPath) }}
	p.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/waits") {
			p.entered <- struct{}{}
			<-p.release
		}
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%d and %d", len(r.Header.Get("Authorization")), n)
	})
	return p
}

// answer to a request.
type answer struct {
	status           int
	closed           bool
	retryAfter, text string
}

// answerTo sends a request with these numbers of bytes in a ticket, in cookies and in the body, and returns the answer.
func answerTo(connection net.Conn, path string, ticket, cookies, body int) (answer, error) {
	_ = connection.SetDeadline(time.Now().Add(slowBound))
	_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		path, strings.Repeat("c", cookies), strings.Repeat("t", ticket), body, strings.Repeat("b", body))
	if err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		err = nil // The standard library resets the connection of a client that it has refused.
	}
	return answer{status: response.StatusCode, closed: response.Close, retryAfter: response.Header.Get("Retry-After"), text: string(text)}, err
}

// TestLargeHeaders: only where they are enabled, at the addresses that need them, and of a ticket alone.
func TestLargeHeaders(t *testing.T) {
	server := &Server{}
	usual := listenFor(t, server, 10, "", "")
	on, off := listenLarge(t, server, true), listenLarge(t, server, false)
	usual.Handler = on.Handler
	start(t, server)
	for name, row := range map[string]struct {
		path                   string
		ticket, cookies        int
		usual, whenOff, whenOn int
	}{
		"small":                       {"/", 4 << 10, 8 << 10, 200, 200, 200},
		"a large ticket":              {ticketPath, 60 << 10, 100, 431, 431, 200},
		"the largest ticket":          {ticketPath, 87400, 8 << 10, 431, 431, 200},
		"a ticket that is none":       {ticketPath, 120 << 10, 100, 431, 431, 431},
		"a large ticket, elsewhere":   {"/login", 60 << 10, 100, 431, 431, 431},
		"large cookies":               {"/", 100, 30 << 10, 431, 431, 431},
		"large cookies, and a ticket": {ticketPath, 10 << 10, 30 << 10, 431, 431, 431},
		"all of it":                   {ticketPath, 60 << 10, 30 << 10, 431, 431, 431},
	} {
		for _, at := range []struct {
			name string
			port *Port
			want int
		}{{"usual", usual, row.usual}, {"off", off.Port, row.whenOff}, {"on", on.Port, row.whenOn}} {
			t.Run(name+", "+at.name, func(t *testing.T) {
				connection := dial(t, at.port)
				defer func() { _ = connection.Close() }()
				got, err := answerTo(connection, row.path, row.ticket, row.cookies, 0)
				if err != nil || got.status != at.want || got.closed != (at.want != 200) {
					t.Fatalf("the answer is %+v, %v", got, err)
				}
				if want := fmt.Sprintf("%d and 0", row.ticket); at.want == 200 && got.text != want {
					t.Errorf("the handler was given %s, want %s", got.text, want)
				}
			})
		}
	}
}

// TestLargeHeadersOnOneConnection: each request of a connection counts for itself, and bodies do not count.
func TestLargeHeadersOnOneConnection(t *testing.T) {
	server := &Server{}
	port := listenLarge(t, server, true)
	start(t, server)
	connection := dial(t, port.Port)
	defer func() { _ = connection.Close() }()
	for i := range 40 {
		path, ticket := "/", 3<<10
		if i%4 == 3 {
			path, ticket = ticketPath, 60<<10
		}
		got, err := answerTo(connection, path, ticket, 100, 40<<10)
		if want := fmt.Sprintf("%d and %d", ticket, 40<<10); err != nil || got.status != http.StatusOK || got.text != want {
			t.Fatalf("request %d: %+v, %v", i, got, err)
		}
	}
	port.enabled.Store(false)
	if got, err := answerTo(connection, ticketPath, 60<<10, 100, 0); err != nil || got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("when they are not enabled any more: %+v, %v", got, err)
	}
	gomega.NewWithT(t).Eventually(func() int { return len(port.LargeHeaders.places) }, slowBound, time.Millisecond).Should(gomega.BeZero())
}

// TestMostLargeHeaders: so many requests have them at once, also those that are still being sent. One more is told to come again, and requests with small
// headers are answered as ever. All places are free again afterwards.
func TestMostLargeHeaders(t *testing.T) {
	server := &Server{timeouts: timeouts{read: slowBound, write: slowBound, idle: slowBound}}
	port := listenLarge(t, server, true)
	start(t, server)
	g := gomega.NewWithT(t)
	taken := func() int { return len(port.LargeHeaders.places) }
	var all []net.Conn
	connect := func() net.Conn {
		connection := dial(t, port.Port)
		all = append(all, connection)
		return connection
	}
	defer func() {
		for _, connection := range all {
			_ = connection.Close()
		}
	}()
	const stalled = 10
	answers := make(chan error, maxLarge)
	for range maxLarge - stalled {
		connection := connect()
		go func() {
			_, err := answerTo(connection, ticketPath+"/waits", 60<<10, 100, 0)
			answers <- err
		}()
	}
	for range maxLarge - stalled {
		select {
		case <-port.entered:
		case err := <-answers:
			t.Fatal("one was answered early, or not at all: ", err)
		}
	}
	stalling := make([]net.Conn, stalled)
	for i := range stalling {
		stalling[i] = connect()
		_, _ = fmt.Fprintf(stalling[i], "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s", ticketPath, strings.Repeat("t", 30<<10))
	}
	g.Eventually(taken, slowBound, time.Millisecond).Should(gomega.Equal(maxLarge))
	got, err := answerTo(connect(), ticketPath, 60<<10, 100, 0)
	if err != nil || got.status != http.StatusServiceUnavailable || got.retryAfter == "" {
		t.Errorf("one too many: %+v, %v", got, err)
	}
	if got, err := answerTo(connect(), "/", 100, 100, 0); err != nil || got.status != http.StatusOK {
		t.Errorf("one with small headers: %+v, %v", got, err)
	}
	for _, connection := range stalling {
		_ = connection.Close()
	}
	g.Eventually(taken, slowBound, time.Millisecond).Should(gomega.Equal(maxLarge-stalled), "who hangs up gives the place back")
	close(port.release)
	for range maxLarge - stalled {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	g.Eventually(taken, slowBound, time.Millisecond).Should(gomega.BeZero())
	if got, err := answerTo(connect(), ticketPath, 60<<10, 100, 0); err != nil || got.status != http.StatusOK {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
}

// TestLargeHeadersWhileDraining: a request with large headers is finished when the server stops, and nothing is left of any connection.
func TestLargeHeadersWhileDraining(t *testing.T) {
	server := &Server{}
	port := listenLarge(t, server, true)
	stop, ended := start(t, server)
	waiting, idle, refused := dial(t, port.Port), dial(t, port.Port), dial(t, port.Port)
	answered := make(chan string, 1)
	go func() {
		got, err := answerTo(waiting, ticketPath+"/waits", 60<<10, 100, 0)
		answered <- fmt.Sprint(got.text, " ", err)
	}()
	<-port.entered
	for _, connection := range []net.Conn{idle, refused} {
		path := ticketPath
		if connection == refused {
			path = "/login"
		}
		if _, err := answerTo(connection, path, 60<<10, 100, 0); err != nil {
			t.Error(err)
		}
	}
	stop()
	close(port.release)
	if got, want := <-answered, fmt.Sprintf("%d and 0 <nil>", 60<<10); got != want {
		t.Errorf("the answer is %s, want %s", got, want)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ends with %v", err)
	}
	gomega.NewWithT(t).Eventually(func() int {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
		return strings.Count(stacks.String(), "net/http.(*conn).serve(")
	}, slowBound, 10*time.Millisecond).Should(gomega.BeZero(), "connections that are still served")
	if n := port.connections.Load(); n != 0 || len(port.LargeHeaders.places) != 0 {
		t.Errorf("%d connections and %d places are taken", n, len(port.LargeHeaders.places))
	}
}
