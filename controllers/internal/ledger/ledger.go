package ledger

import (
	"strconv"
	"sync"
	"time"
)

// MaxLag is for how long the cache is waited for. It is milliseconds behind, or as long as a watch takes to be opened again.
// A write that it does not know after that time is lost: storage was restored to a state before it, where versions are smaller.
// Whoever waits for the cache looks again then, since nothing may come that would tell.
const MaxLag = time.Minute

// Ledger holds the resource version of the last write of each object of one kind that the cache lags behind. It is safe
// for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	writes map[string]write
}

// write is the last write of an object.
type write struct {
	version string
	at      time.Time
}

// New returns an empty ledger.
func New() *Ledger { return &Ledger{writes: map[string]write{}} }

// Wrote notes the resource version that a write of an object has made.
func (l *Ledger) Wrote(name, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[name] = write{version: version, at: time.Now()}
}

// CaughtUp tells whether an object in the cache, of this resource version, is at least as new as the last write, or that write
// was MaxLag ago; "" is the version of one that is not in the cache.
func (l *Ledger) CaughtUp(name, version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, found := l.writes[name]
	if !found {
		return true
	}
	if !atLeast(version, last.version) && time.Since(last.at) < MaxLag {
		return false
	}
	delete(l.writes, name)
	return true
}

// Forget is for an object that is gone.
func (l *Ledger) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.writes, name)
}

// atLeast compares two resource versions of one kind of object, which are numbers that grow (KEP-5504).
func atLeast(version, other string) bool {
	a, errA := strconv.ParseUint(version, 10, 64)
	b, errB := strconv.ParseUint(other, 10, 64)
	return errA == nil && errB == nil && a >= b
}
