package writetracker

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
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
	order, err := resourceversion.CompareResourceVersion(version, last.version)
	if (err != nil || order < 0) && time.Since(last.time) < MaxLag {
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
