package outbound

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/keyturn/keyturn/internal/throttle"
)

const maxRunning, maxWaiting = 8, 32

func refusedFor(t *testing.T, refusal *RefusalError, want Reason) {
	t.Helper()
	if refusal == nil || refusal.Reason != want || refusal.RetryAfter != soon {
		t.Errorf("refused for %+v, want %s", refusal, want)
	}
}

// crowd has logins of client addresses that take turns.
type crowd struct {
	t     *testing.T
	turns *Turns
	// decided has, for each address, what became of its logins.
	decided map[string]chan *RefusalError
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	return &crowd{t: t, turns: NewTurns(maxRunning, maxWaiting), decided: map[string]chan *RefusalError{}}
}

// come has n logins come from an address.
func (c *crowd) come(ctx context.Context, from string, n int) {
	if c.decided[from] == nil {
		c.decided[from] = make(chan *RefusalError, 1000)
	}
	for range n {
		go func() { c.decided[from] <- c.turns.Take(ctx, netip.MustParseAddr(from)) }()
		synctest.Wait()
	}
}

// want checks how many logins of an address were given a turn, and how many were sent away, since it was last asked.
func (c *crowd) want(from string, turns, sentAway int) {
	c.t.Helper()
	synctest.Wait()
	var got [2]int
	for range len(c.decided[from]) {
		if refusal := <-c.decided[from]; refusal == nil {
			got[0]++
		} else {
			refusedFor(c.t, refusal, Busy)
			got[1]++
		}
	}
	if got != [2]int{turns, sentAway} {
		c.t.Errorf("of %s, %d logins have a turn and %d were sent away, want %d and %d", from, got[0], got[1], turns, sentAway)
	}
}

// TestTurnsAreShared: one client address takes all places while no other wants any, and makes room for others as they come.
func TestTurnsAreShared(t *testing.T) {
	const flood, ada, grace = "192.0.2.1", "192.0.2.2", "2001:db8::1"
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		give := func(from string) { c.turns.Give(netip.MustParseAddr(from)) }
		c.come(t.Context(), flood, 3*maxWaiting)
		c.want(flood, maxRunning, 2*maxWaiting-maxRunning)

		// There is no place left: the last one of the flood makes room, for each that comes.
		c.come(t.Context(), ada, 1)
		c.come(t.Context(), grace, 1)
		c.want(flood, 0, 2)
		c.come(t.Context(), flood, 10)
		c.want(flood, 0, 10)
		if n := c.turns.Waiting(); n != maxWaiting {
			t.Errorf("%d wait", n)
		}

		// The next turns are theirs, though the flood has waited for longer.
		give(flood)
		c.want(ada, 1, 0)
		give(flood)
		c.want(grace, 1, 0)
		give(flood)
		c.want(flood, 1, 0)
		give(ada)
		c.want(flood, 1, 0)

		// Two that want all places get half of them each, and one that comes still finds room. Addresses of one IPv6 site are one.
		c.come(t.Context(), "2001:db8::2", maxWaiting)
		c.want("2001:db8::2", 0, maxWaiting/2)
		c.want(flood, 0, 12) // There were four places left.
		c.come(t.Context(), "2001:db8::3", 1)
		c.want("2001:db8::3", 0, 1)
		c.come(t.Context(), ada, 1)
		c.want(flood, 0, 1)

		// All of them end.
		for range 2 * (maxRunning + maxWaiting) {
			for _, from := range []string{flood, ada, grace} {
				address := netip.MustParseAddr(from)
				c.turns.mu.Lock()
				running := c.turns.running[throttle.Site(address)]
				c.turns.mu.Unlock()
				if running > 0 {
					give(from)
				}
			}
			synctest.Wait()
		}
		if c.turns.total != 0 || len(c.turns.running) != 0 || c.turns.Waiting() != 0 {
			t.Errorf("%d ask, %v, and %d wait", c.turns.total, c.turns.running, c.turns.Waiting())
		}
	})
}

// TestTurnAfterHangUp: a login that hangs up while it waits gives its place to another one, and gets no turn.
func TestTurnAfterHangUp(t *testing.T) {
	const ada, grace = "192.0.2.1", "192.0.2.2"
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		c.come(t.Context(), ada, maxRunning)
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan *RefusalError, 1)
		go func() { gone <- c.turns.Take(ctx, netip.MustParseAddr(grace)) }()
		synctest.Wait()
		hangUp()
		refusedFor(t, <-gone, Canceled)
		c.come(t.Context(), ada, 1)
		c.want(ada, maxRunning, 0)
		c.turns.Give(netip.MustParseAddr(ada))
		c.want(ada, 1, 0)
	})
}
