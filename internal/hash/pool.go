package hash

import (
	"container/list"
	"context"
	"errors"
	"runtime"
	"sync"
)

// ErrOverloaded is returned by Pool.Do when all places in the queue are taken.
// The caller's own caller should try again in a few seconds.
var ErrOverloaded = errors.New("too many passwords are being checked at present: try again shortly")

// Pool bounds how many hashes are computed at once, and with them CPU and
// memory: size times the memory of one hash. Who finds all slots taken waits in
// a bounded queue, first come, first served. Use NewPool; safe for concurrent use.
type Pool struct {
	size  int
	queue int
	burst int

	mu      sync.Mutex
	running int
	waiters list.List // of chan struct{}, closed when its slot is handed over
}

// NewPool returns a pool of size slots (GOMAXPROCS if not positive: hashing is
// bound by the CPU, more only costs memory) and a queue of queue places (none if
// not positive).
func NewPool(size, queue int) *Pool { return NewBurstPool(size, queue, 1) }

// NewBurstPool returns a pool that lets those who wait in several at a time, as
// soon as so many slots are free: what each of them begins with finds code and data
// of the one before in the processor's caches. Who finds a slot free and nobody
// waiting does not wait for others. burst is at most size.
func NewBurstPool(size, queue, burst int) *Pool {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	return &Pool{size: size, queue: max(queue, 0), burst: min(max(burst, 1), size)}
}

// Do runs f on the calling goroutine as soon as a slot is free and returns nil
// when f has returned. Without running f it returns ErrOverloaded at once when the
// queue is full, or the error of ctx when that ends first. A panic of f passes
// through; its slot is freed. f must not call Do of the same pool.
func (p *Pool) Do(ctx context.Context, f func()) error {
	if err := p.acquire(ctx); err != nil {
		return err
	}
	defer p.release()
	f()
	return nil
}

// Running returns how many slots are taken.
func (p *Pool) Running() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

// Waiting returns how many callers are in the queue.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiters.Len()
}

func (p *Pool) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.running < p.size && p.waiters.Len() == 0 {
		p.running++
		p.mu.Unlock()
		return nil
	}
	if p.waiters.Len() >= p.queue {
		p.mu.Unlock()
		return ErrOverloaded
	}
	granted := make(chan struct{})
	place := p.waiters.PushBack(granted)
	p.mu.Unlock()

	select {
	case <-granted:
	case <-ctx.Done():
		p.mu.Lock()
		select {
		case <-granted: // the slot came at the same moment: it is ours to pass on
		default:
			p.waiters.Remove(place)
			p.mu.Unlock()
			return ctx.Err()
		}
		p.mu.Unlock()
	}
	// Both may have happened. Nobody waits for this hash any more: the next one shall not.
	if err := ctx.Err(); err != nil {
		p.release()
		return err
	}
	return nil
}

// release frees a slot, and hands all that are free to the first in the queue once
// there are enough of them. There always will be: those that run come here.
func (p *Pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	if p.size-p.running < p.burst {
		return
	}
	for p.running < p.size && p.waiters.Len() > 0 {
		close(p.waiters.Remove(p.waiters.Front()).(chan struct{}))
		p.running++
	}
}
