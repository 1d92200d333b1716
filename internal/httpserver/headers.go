package httpserver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxHeaderBytes has room for a session token of 4 KiB and what proxies add.
	maxHeaderBytes = 16 << 10
	// maxLargeHeaderBytes has room for a Kerberos ticket besides: Windows lets one have 64 KiB (MaxTokenSize is 48,000 bytes by default), of which base64 makes
	// 86 KiB.
	maxLargeHeaderBytes = maxHeaderBytes + 88<<10
	// bufferedBytes may be read beyond the headers before they are known to be complete. The standard library allows as many.
	bufferedBytes = 4 << 10
	// maxLarge is how many requests may have large headers at once. These take 14 MiB at most, and twice more for the moment in which they are parsed;
	// without this bound, the 4,096 connections of a port could take 440 MiB. Who sends many such headers slowly can have others that are as large refused,
	// but no other request.
	maxLarge = 128
	// lingerTimeout is how long a client that is refused in the middle of its headers may go on to send: it would lose the answer to a connection that is
	// closed at once.
	lingerTimeout = 500 * time.Millisecond
)

// LargeHeaders lets some requests have a large header Authorization, such as one with a Kerberos ticket. All other headers together stay bounded as without
// it.
type LargeHeaders struct {
	// Enabled tells whether any request may have it at present. It is asked in the middle of a request whose headers are large, and must not block.
	Enabled func() bool
	// For tells which requests may, when the headers are known.
	For func(*http.Request) bool

	// places has one element for each request that has large headers at present.
	places chan struct{}
}

// wrap returns a listener that counts the bytes that are read from each of its connections.
func (l *LargeHeaders) wrap(listener net.Listener) net.Listener {
	return &headerListener{Listener: listener, large: l}
}

// headerListener accepts connections that count.
type headerListener struct {
	net.Listener

	large *LargeHeaders
}

// Accept implements net.Listener.
func (l *headerListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headerConnection{Conn: connection, large: l.large, counts: true}, nil
}

// headerConnection counts what is read from the end of one request to where the headers of the next are complete. Beyond maxHeaderBytes it goes on
// only if large headers are enabled and there is a place; otherwise it answers, and ends.
type headerConnection struct {
	net.Conn

	large *LargeHeaders

	// mu guards what follows: between two requests, the server may read in another goroutine.
	mu sync.Mutex
	// counts tells whether headers are being read, and read how much of them was.
	counts bool
	read   int
	// hasPlace: the request has large headers.
	hasPlace bool
}

type connectionKey struct{}

// withConnection is for http.Server's ConnContext.
func withConnection(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// Read implements io.Reader. A connection that has been refused ends for the server, which then sends no answer of its own.
func (c *headerConnection) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if status := c.count(n); status != 0 {
		c.refuse(status)
		return 0, io.EOF
	}
	return n, err
}

// count counts what was read. It returns the status to refuse the request with, or zero.
func (c *headerConnection) count(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.counts {
		return 0
	}
	c.read += n
	if c.read <= maxHeaderBytes+bufferedBytes || c.hasPlace {
		return 0
	}
	if !c.large.Enabled() {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	select {
	case c.large.places <- struct{}{}:
		c.hasPlace = true
		return 0
	default:
		return http.StatusServiceUnavailable
	}
}

// refuse answers in place of the server, in the way in which it answers to headers that are too large for it.
func (c *headerConnection) refuse(status int) {
	_ = c.SetDeadline(time.Now().Add(lingerTimeout))
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	again := ""
	if status == http.StatusServiceUnavailable {
		again = "Retry-After: 1\r\n"
	}
	_, err := fmt.Fprintf(c.Conn, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		text, len(text), again, text)
	if err == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, maxLargeHeaderBytes)
	}
}

// begin begins with the headers of the next request, when the one before has been answered.
func (c *headerConnection) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.read = true, 0
	c.leave()
}

// close gives back the place of the last request.
func (c *headerConnection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = false
	c.leave()
}

// leave gives back the place of a request. mu is held.
func (c *headerConnection) leave() {
	if c.hasPlace {
		c.hasPlace = false
		<-c.large.places
	}
}

// follow is for http.Server's ConnState.
func (l *LargeHeaders) follow(connection net.Conn, state http.ConnState) {
	c, ok := connection.(*headerConnection)
	if !ok {
		return
	}
	switch state {
	case http.StateIdle:
		c.begin()
	case http.StateClosed, http.StateHijacked:
		c.close()
	}
}

// allow returns whether the headers of a request, which are complete, may be as large as they are.
func (l *LargeHeaders) allow(r *http.Request) bool {
	c, ok := r.Context().Value(connectionKey{}).(*headerConnection)
	if !ok {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = false
	return !c.hasPlace || c.read-len(r.Header.Get("Authorization")) <= maxHeaderBytes+bufferedBytes && l.For(r)
}
