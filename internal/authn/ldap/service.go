package ldap

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// firstBindPause is how long the account that searches is not bound again after the directory has refused it; the pause doubles up to maxBindPause.
	// The settings being others, it is bound at once.
	firstBindPause, maxBindPause = time.Minute, 10 * time.Minute
)

// refusedBinds remembers that the directory refuses the account that searches. Each login would try again, and so lock that account.
type refusedBinds struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	pause time.Duration
	until time.Time
}

// check returns a failure while the account must not be bound.
func (r *refusedBinds) check() *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if wait := r.until.Sub(r.clock.Now()); wait > 0 {
		return &failure{cause: causeBindRefused, retryAfter: wait}
	}
	return nil
}

// note notes whether the directory has refused the account.
func (r *refusedBinds) note(refused bool) *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !refused {
		r.pause, r.until = 0, time.Time{}
		return nil
	}
	r.pause = min(max(2*r.pause, firstBindPause), maxBindPause)
	r.until = r.clock.Now().Add(r.pause)
	return &failure{cause: causeBindRefused, retryAfter: r.pause}
}

// serviceConnection returns a new connection on which the account that searches is bound. Only one is bound at a time: while it is not known whether the
// directory refuses the account, no other attempt shall find out.
func (c *Client) serviceConnection(ctx context.Context) (*connection, *failure) {
	if failed := c.refused.check(); failed != nil {
		return nil, failed
	}
	conn, failed := c.dial(ctx)
	if failed != nil {
		return nil, failed
	}
	failed = c.bindService(ctx, conn)
	if failed != nil {
		conn.close()
		return nil, failed
	}
	return conn, nil
}

func (c *Client) bindService(ctx context.Context, conn *connection) *failure {
	select {
	case c.binding <- struct{}{}:
		defer func() { <-c.binding }()
	case <-ctx.Done():
		return ended(ctx)
	}
	if failed := c.refused.check(); failed != nil {
		return failed
	}
	said, failed := conn.bind(ctx, c.settings.BindName, c.settings.BindPassword.Text(), nil)
	if failed != nil {
		return failed
	}
	if isTemporary(said.code) {
		return &failure{cause: causeResult, code: said.code}
	}
	return c.refused.note(said.code != 0)
}
