package credential

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	// storageInterval is how long reads may come from the API server's memory (its watch cache) since its last answer from storage
	// (etcd). An API server that cannot reach etcd goes on answering from memory; logins may not rely on that for longer.
	storageInterval = time.Second
	// memoryTimeout is how long a read from memory may take. As a rule it takes milliseconds. But if memory does not have the
	// version that is asked for, the API server waits for it, and the client tries again, for far longer than a person would wait.
	memoryTimeout = 300 * time.Millisecond
	// memoryPause is how long all reads are from storage after one from memory has failed.
	memoryPause = 5 * time.Second
)

// recency is what a Store remembers to decide whether, and how, it may read from the API server's memory.
type recency struct {
	mu sync.Mutex
	// newest is the resource version of the newest credential that was read or written; empty where there was none yet.
	newest string
	// storageTime is when the API server last answered from storage. pauseEnd is when memory may be read again after a failure.
	storageTime, pauseEnd time.Time
}

// noteVersion notes the resource version of a credential that was read or written.
func (r *recency) noteVersion(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isLater(version, r.newest) {
		r.newest = version
	}
}

// isLater compares resource versions. Every version is later than none; one that cannot be compared is not.
func isLater(version, other string) bool {
	if version == "" || other == "" {
		return version != ""
	}
	order, err := resourceversion.CompareResourceVersion(version, other)
	return err == nil && order > 0
}

// noteStorage notes that the API server has answered from storage.
func (r *recency) noteStorage() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.storageTime = time.Now()
}

// newestVersion returns the newest resource version; empty where there is none.
func (r *recency) newestVersion() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// noteWrite notes the resource version of a write that changed something; newestBefore is what newestVersion was when it began.
//
// Resource versions grow, so a version above newestBefore is an ordinary write. One that is not shows that etcd was restored to an
// earlier state, and newest has to go back: else reads from memory would wait for a version that is far away. If another write
// has lowered newest already, this one only counts if it is later than that.
func (r *recency) noteWrite(version, newestBefore string) {
	r.noteStorage()
	r.mu.Lock()
	defer r.mu.Unlock()
	isRestored := !isLater(version, newestBefore)
	isLowered := isLater(newestBefore, r.newest)
	if isRestored && !isLowered || isLater(version, r.newest) {
		r.newest = version
	}
}

// pauseMemory has all reads go to storage for a while.
func (r *recency) pauseMemory() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pauseEnd = time.Now().Add(memoryPause)
}

// leastVersion returns the resource version that a read from memory must not be older than; empty where the read must be from
// storage.
func (r *recency) leastVersion() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.storageTime) >= storageInterval || now.Before(r.pauseEnd) {
		return ""
	}
	return r.newest
}

// GetRecent reads a credential from the API server's memory, at a third of the cost of a read from storage (ADR 0016). Memory follows
// storage by milliseconds, and the answer is never older than any credential that this store has read or updated. GetRecent reads
// from storage if the last answer from there is more than a second old, or if memory fails or lacks the credential. A caller may
// write what it returns: if that was not the newest version, the write is a conflict, and the caller reads with Get. Errors: as
// of Get.
func (s *Store) GetRecent(ctx context.Context, name string) (*Record, error) {
	return s.getRecent(ctx, name, FromSecret)
}

func (s *Store) getRecent(ctx context.Context, name string, decode decodeFunc) (*Record, error) {
	least := s.recent.leastVersion()
	if least == "" {
		return s.getLive(ctx, name, decode)
	}
	limited, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	record, err := s.get(limited, name, least, decode)
	switch {
	case err == nil:
		s.recent.noteVersion(record.ResourceVersion())
		return record, nil
	case errors.Is(err, ErrInvalid), ctx.Err() != nil:
		return nil, err
	case !errors.Is(err, ErrNotFound):
		s.recent.pauseMemory()
	}
	return s.getLive(ctx, name, decode)
}

// IsOlderThan tells whether the credential was read at an earlier resource version than this one.
func (r *Record) IsOlderThan(version string) bool { return isLater(version, r.ResourceVersion()) }
