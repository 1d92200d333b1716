package ledger

import (
	"strconv"
	"sync"
)

// Ledger holds the resource version of the last write of each object of one kind that the cache lags behind. It is safe
// for concurrent use.
type Ledger struct {
	mu       sync.Mutex
	versions map[string]string
}

// New returns an empty ledger.
func New() *Ledger { return &Ledger{versions: map[string]string{}} }

// Wrote notes the resource version that a write of an object has made.
func (l *Ledger) Wrote(name, version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.versions[name] = version
}

// CaughtUp tells whether an object in the cache, of this resource version, is at least as new as the last write; "" is the
// version of one that is not in the cache.
func (l *Ledger) CaughtUp(name, version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	written, found := l.versions[name]
	if !found {
		return true
	}
	if !atLeast(version, written) {
		return false
	}
	delete(l.versions, name)
	return true
}

// Forget is for an object that is gone.
func (l *Ledger) Forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.versions, name)
}

// atLeast compares two resource versions of one kind of object, which are numbers that grow (KEP-5504).
func atLeast(version, other string) bool {
	a, errA := strconv.ParseUint(version, 10, 64)
	b, errB := strconv.ParseUint(other, 10, 64)
	return errA == nil && errB == nil && a >= b
}
