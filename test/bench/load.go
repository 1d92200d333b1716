package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// clients is how many people log in at once, each to an account of their own.
	clients = 64
	// answerTimeout is when an answer that does not come is given up.
	answerTimeout = 30 * time.Second
)

// connection is the leanest client that is still right: it keeps its connection and sends requests as they were prepared,
// so that next to nothing of the cores that it shares with the servers goes to it.
type connection struct {
	conn    net.Conn
	answers *bufio.Reader
	stop    func() bool
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
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &connection{conn: conn, answers: bufio.NewReader(conn), stop: stop}, nil
}

func (c *connection) close() {
	c.stop()
	_ = c.conn.Close()
}

// send sends a request and returns the body of the answer. Any status but 200 is an error, with the body, which says
// why and holds no token then.
func (c *connection) send(request []byte) ([]byte, error) {
	status, _, body, err := c.exchange(request)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("the server answers %d %s: %s", status, http.StatusText(status), body)
	}
	return body, nil
}

// exchange sends a request and returns the answer, whatever it says.
func (c *connection) exchange(request []byte) (status int, header http.Header, body []byte, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, nil, nil, fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, nil, fmt.Errorf("sending a request: %w", err)
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reading an answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("reading an answer: %w", err)
	}
	return response.StatusCode, response.Header, body, nil
}

// post prepares a request with a JSON body.
func post(path string, body []byte) []byte {
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		path, len(body)), body...)
}

// get prepares a request with a session token.
func get(path, token string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
}

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
