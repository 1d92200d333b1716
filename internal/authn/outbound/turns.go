package outbound

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/keyturn/keyturn/internal/throttle"
)

// soon is when to try again after a login that had no place.
const soon = 2 * time.Second

// Turns bounds how many logins ask a provider at once, so that a slow provider takes up only so much of the server. Client addresses share
// the places: one has all of them only while no other wants any. There is no fixed number for an address, since a whole company, or all
// people behind a proxy that is not trusted, can have the same.
type Turns struct {
	maxRunning, maxWaiting int

	mu sync.Mutex
	// running is how many logins of each address ask.
	running map[netip.Addr]int
	total   int
	// queue has the logins that wait, in the order in which they came. While one waits, maxRunning ask.
	queue []*place
}

// place of a login.
type place struct {
	from netip.Addr
	// decided gets one value: nil when the login's turn has come, or why it does not come.
	decided chan *RefusalError
}

// NewTurns returns the turns of a provider that so many logins ask at once, while so many wait.
func NewTurns(maxRunning, maxWaiting int) *Turns {
	return &Turns{maxRunning: maxRunning, maxWaiting: maxWaiting, running: map[netip.Addr]int{}}
}

// Take waits for a turn of a client address, which Give gives back. The address may be the zero one, where it does not matter.
func (t *Turns) Take(ctx context.Context, from netip.Addr) *RefusalError {
	p := t.enter(throttle.Site(from))
	select {
	case refusal := <-p.decided:
		return refusal
	case <-ctx.Done():
	}
	if !t.leave(p) {
		return <-p.decided // It was decided at the same moment.
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return &RefusalError{Reason: Canceled, RetryAfter: soon}
	}
	return &RefusalError{Reason: Busy, RetryAfter: soon}
}

// Give gives a turn back. The next one has the address of which the fewest logins ask; of several, the one that has waited longest.
func (t *Turns) Give(from netip.Addr) {
	from = throttle.Site(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	t.running[from]--
	if t.running[from] == 0 {
		delete(t.running, from)
	}
	if len(t.queue) > 0 {
		next := slices.MinFunc(t.queue, func(a, b *place) int { return cmp.Compare(t.running[a.from], t.running[b.from]) })
		t.remove(next)
		t.run(next)
	}
}

// Running is how many logins have a turn.
func (t *Turns) Running() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// Waiting is how many logins wait for their turn.
func (t *Turns) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// enter gives a login its turn, or has it wait, or sends it away.
func (t *Turns) enter(from netip.Addr) *place {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &place{from: from, decided: make(chan *RefusalError, 1)}
	switch {
	case t.total < t.maxRunning:
		t.run(p)
	case len(t.queue) < t.maxWaiting || t.displace(from):
		t.queue = append(t.queue, p)
	default:
		p.decided <- &RefusalError{Reason: Busy, RetryAfter: soon}
	}
	return p
}

// displace makes room for a login of an address: it sends away the last login of the address of which the most wait, if these are still
// as many after that as those of the other.
func (t *Turns) displace(from netip.Addr) bool {
	waiting := map[netip.Addr]int{}
	for _, p := range t.queue {
		waiting[p.from]++
	}
	most := slices.MaxFunc(t.queue, func(a, b *place) int { return cmp.Compare(waiting[a.from], waiting[b.from]) }).from
	if waiting[most] < waiting[from]+2 {
		return false
	}
	for _, p := range slices.Backward(t.queue) {
		if p.from == most {
			t.remove(p)
			p.decided <- &RefusalError{Reason: Busy, RetryAfter: soon}
			break
		}
	}
	return true
}

// leave takes a login out of the queue, and tells whether it was there.
func (t *Turns) leave(p *place) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remove(p)
}

func (t *Turns) remove(p *place) bool {
	i := slices.Index(t.queue, p)
	if i < 0 {
		return false
	}
	t.queue = slices.Delete(t.queue, i, i+1)
	return true
}

func (t *Turns) run(p *place) {
	t.total++
	t.running[p.from]++
	p.decided <- nil
}
