package ldap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/utils/clock"
)

// servers are those of a directory, as they are declared.
type servers struct {
	declared []string
	clock    clock.PassiveClock

	mu sync.Mutex
	// downUntil has the servers that could not be reached.
	downUntil map[string]time.Time
}

// order returns the servers in the order in which they are tried: as they are declared, but those that could not be reached a moment ago at last.
func (s *servers) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var up, down []string
	for _, server := range s.declared {
		if s.downUntil[server].After(s.clock.Now()) {
			down = append(down, server)
		} else {
			up = append(up, server)
		}
	}
	return append(up, down...)
}

func (s *servers) noteDown(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downUntil[server] = s.clock.Now().Add(avoidDown)
}

// pool keeps connections on which the account that searches is bound.
type pool struct {
	mu     sync.Mutex
	idle   []*connection
	closed bool
}

// take returns a connection that waits; nil where there is none.
func (p *pool) take() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		taken := p.idle[last]
		p.idle = p.idle[:last]
		if taken.idleTimer.Stop(); taken.isOpen() {
			return taken
		}
		go taken.close() // Without mu.
	}
	return nil
}

// give has a connection wait for the next search, for keepIdle.
func (p *pool) give(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !c.isOpen() {
		go c.close()
		return
	}
	p.idle = append(p.idle, c)
	c.idleTimer = time.AfterFunc(keepIdle, func() { p.drop(c) })
}

// drop closes a connection that waits.
func (p *pool) drop(c *connection) {
	p.mu.Lock()
	i := slices.Index(p.idle, c)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		c.close()
	}
}

// close closes the connections that wait, and those that are given later.
func (p *pool) close() {
	p.mu.Lock()
	waiting := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range waiting {
		c.idleTimer.Stop()
		c.close()
	}
}

// searcher makes the searches of an attempt, over one connection as long as that holds.
type searcher struct {
	client *Client
	conn   *connection
}

// release gives the connection back.
func (s *searcher) release() {
	if s.conn != nil {
		s.client.pool.give(s.conn)
		s.conn = nil
	}
}

// search makes a search. A connection that was there before and turns out to be broken, as when the server was started anew, is replaced once.
func (s *searcher) search(ctx context.Context, answer budget, request *ldap.SearchRequest) (*ldap.SearchResult, *failure) {
	if s.conn != nil && !s.conn.isOpen() {
		s.conn.close()
		s.conn = nil
	}
	if s.conn == nil {
		s.conn = s.client.pool.take()
	}
	if s.conn != nil {
		result, failed := s.searchOnce(ctx, answer, request)
		if failed == nil || failed.cause != causeBroken {
			return result, failed
		}
	}
	var failed *failure
	if s.conn, failed = s.client.serviceConnection(ctx); failed != nil {
		return nil, failed
	}
	return s.searchOnce(ctx, answer, request)
}

func (s *searcher) searchOnce(ctx context.Context, answer budget, request *ldap.SearchRequest) (result *ldap.SearchResult, failed *failure) {
	failed = s.conn.do(ctx, answer, func(c *ldap.Conn) (err error) {
		result, err = c.Search(request)
		return err
	})
	switch {
	case failed != nil && !failed.keepsConnection():
		s.conn = nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ended(ctx) // Nobody waits for the result any more.
	}
	return result, failed
}
