package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// clients is how many people log in at once, each to an account of their own.
	clients = 64
	// answerTimeout is how long an answer may take.
	answerTimeout = 30 * time.Second
)

// connection is a small HTTP/1.1 client: it keeps its connection, sends prepared requests, and reads of an answer only what is needed.
// So it takes next to nothing of the cores that it shares with the servers.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
	body    []byte
	stop    func() bool
}

// answer is an HTTP response.
type answer struct {
	status int
	// retryAfter is the header of this name.
	retryAfter string
	// body lasts until the next request.
	body []byte
}

// dial connects; when ctx ends, what waits for an answer fails.
func dial(ctx context.Context, address string) (*connection, error) {
	return dialFrom(ctx, nil, address)
}

// dialFrom connects from an address of this machine, any where there is none.
func dialFrom(ctx context.Context, from net.IP, address string) (*connection, error) {
	var dialer net.Dialer
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return newConnection(ctx, conn), nil
}

func newConnection(ctx context.Context, conn net.Conn) *connection {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &connection{conn: conn, answers: bufio.NewReader(conn), stop: stop}
}

func (c *connection) close() {
	c.stop()
	_ = c.conn.Close()
}

// send sends a request and returns the body of the answer, which lasts until the next. Any status but 200 is an error, with the
// body, which says why and holds no token then.
func (c *connection) send(request []byte) ([]byte, error) {
	got, err := c.exchange(request)
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusOK {
		return nil, fmt.Errorf("the server answers %d %s: %s", got.status, http.StatusText(got.status), got.body)
	}
	return got.body, nil
}

// exchange sends a request and returns the answer, whatever it says.
func (c *connection) exchange(request []byte) (answer, error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return answer{}, fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := c.conn.Write(request); err != nil {
		return answer{}, fmt.Errorf("sending a request: %w", err)
	}
	got, err := c.receive()
	if err != nil {
		return answer{}, fmt.Errorf("reading an answer: %w", err)
	}
	return got, nil
}

var (
	protocol      = []byte("HTTP/1.1 ")
	contentLength = []byte("Content-Length: ")
	retryAfter    = []byte("Retry-After: ")
)

// receive reads an answer as Go's HTTP server writes it, which names headers in their canonical form and has the length of
// all that is short.
func (c *connection) receive() (got answer, err error) {
	line, err := c.line()
	if err != nil {
		return got, err
	}
	status, ok := bytes.CutPrefix(line, protocol)
	if !ok || len(status) < 3 {
		return got, fmt.Errorf("it begins with %q", line)
	}
	if got.status, err = strconv.Atoi(string(status[:3])); err != nil {
		return got, fmt.Errorf("it begins with %q", line)
	}
	length := -1
	for {
		if line, err = c.line(); err != nil {
			return got, err
		}
		if len(line) == 0 {
			break
		}
		if text, ok := bytes.CutPrefix(line, contentLength); ok {
			if length, err = strconv.Atoi(string(text)); err != nil {
				return got, fmt.Errorf("its length: %w", err)
			}
		} else if text, ok := bytes.CutPrefix(line, retryAfter); ok {
			got.retryAfter = string(text)
		}
	}
	if length < 0 {
		return got, errors.New("it has no Content-Length")
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	_, err = io.ReadFull(c.answers, c.body)
	got.body = c.body
	return got, err
}

// line reads a line without its end.
func (c *connection) line() ([]byte, error) {
	line, err := c.answers.ReadSlice('\n')
	return bytes.TrimSuffix(line, []byte("\r\n")), err
}

// post prepares a request with a JSON body.
func post(path string, body []byte) []byte {
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		path, len(body)), body...)
}

// get prepares a request with a header that carries a session token.
func get(path, header string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n\r\n", path, header)
}

// A session comes from programs as a bearer, and from proxies, who pass on what browsers send, in a cookie.
func asBearer(token string) string { return "Authorization: Bearer " + token }
func inCookie(token string) string { return "Cookie: __Host-keyturn-session=" + token }

// load sends each request again and again over a connection of its own, all at the same time, and returns how many were
// answered. Who has an answer after d sends no more, so the last ones take a little longer; that time counts.
func load(ctx context.Context, address string, requests [][]byte, d time.Duration) (sample, error) {
	group, ctx := errgroup.WithContext(ctx)
	connections := make([]*connection, len(requests))
	for i := range requests {
		c, err := dial(ctx, address)
		if err != nil {
			return sample{}, err
		}
		defer c.close()
		connections[i] = c
	}
	var answered atomic.Int64
	began := time.Now()
	for i, c := range connections {
		group.Go(func() error {
			for time.Since(began) < d {
				if _, err := c.send(requests[i]); err != nil {
					return err
				}
				answered.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return newSample(int(answered.Load()), time.Since(began)), err
}
