package useraccount

import (
	"strconv"
	"sync"
)

// versions remembers what this process has written, until the cache has caught up with it. What is decided from an older
// state would be written, and told by events, twice.
type versions struct {
	mu sync.Mutex
	// written is the resource version of the last write of each object that the cache lags behind.
	written map[string]string
}

func newVersions() *versions { return &versions{written: map[string]string{}} }

// wrote notes the version that a write has made.
func (v *versions) wrote(name, version string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.written[name] = version
}

// caughtUp tells whether the version of an object in the cache is at least that of the last write; "" is that of one
// that is not in the cache.
func (v *versions) caughtUp(name, version string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	written, found := v.written[name]
	if !found {
		return true
	}
	if !atLeast(version, written) {
		return false
	}
	delete(v.written, name)
	return true
}

// forget is for an object that is gone.
func (v *versions) forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.written, name)
}

// atLeast compares two resource versions of one kind of object, which are numbers that grow.
func atLeast(version, other string) bool {
	a, errA := strconv.ParseUint(version, 10, 64)
	b, errB := strconv.ParseUint(other, 10, 64)
	return errA == nil && errB == nil && a >= b
}
