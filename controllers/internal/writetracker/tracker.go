package writetracker

import (
	"strconv"
	"sync"
	"time"
)

// MaxLag is for how long a controller waits for its cache. As a rule the cache is milliseconds behind; when a watch has to be opened
// again, it is some seconds. A write that the cache does not have by then is lost: etcd was restored to a state before it, and
// resource versions are smaller again. No event tells a controller of that, so it looks again after MaxLag.
const MaxLag = time.Minute

// Tracker holds, for the objects of one kind, the resource version of the last write that the cache does not have yet. It is safe
// for concurrent use.
type Tracker struct {
	mu     sync.Mutex
	writes map[string]write
}

// write is the last write of an object.
type write struct {
	version string
	time    time.Time
}

// New returns a tracker that knows of no writes.
func New() *Tracker { return &Tracker{writes: map[string]write{}} }

// Wrote notes the resource version that a write of an object has made.
func (t *Tracker) Wrote(name, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes[name] = write{version: version, time: time.Now()}
}

// CaughtUp tells whether the cache has the last write of an object, or that was MaxLag ago. version is the resource version in the
// cache; "" where the object is not there.
func (t *Tracker) CaughtUp(name, version string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, found := t.writes[name]
	if !found {
		return true
	}
	if !atLeast(version, last.version) && time.Since(last.time) < MaxLag {
		return false
	}
	delete(t.writes, name)
	return true
}

// Forget forgets the writes of an object that is gone.
func (t *Tracker) Forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.writes, name)
}

// atLeast compares two resource versions of one kind of object, which are numbers that grow (KEP-5504).
func atLeast(version, other string) bool {
	a, errA := strconv.ParseUint(version, 10, 64)
	b, errB := strconv.ParseUint(other, 10, 64)
	return errA == nil && errB == nil && a >= b
}
