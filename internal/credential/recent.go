package credential

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	// confirmInterval is how long an answer from storage lets others come from the API server's memory. An API server that
	// has lost its storage goes on answering from there; logins may not for longer than this.
	confirmInterval = time.Second
	// memoryTimeout is how long a read from memory may take. It takes milliseconds, unless memory is behind what it is asked
	// for: then the API server waits for it, and its client tries again, for far longer than a person would.
	memoryTimeout = 300 * time.Millisecond
	// memoryPause is how long reads are live after one from memory has failed.
	memoryPause = 5 * time.Second
)

// recency is what a store knows of how recent its reads are.
type recency struct {
	mu sync.Mutex
	// newest is the resource version of the newest credential that was read or written; empty where none was.
	newest string
	// confirmed is when the API server last showed that it reaches its storage; liveUntil is set after memory has failed.
	confirmed, liveUntil time.Time
}

// seen notes the resource version of what was read.
func (r *recency) seen(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if order, err := resourceversion.CompareResourceVersion(version, r.newest); version != "" && (r.newest == "" || err == nil && order > 0) {
		r.newest = version
	}
}

// stored notes that the API server has reached its storage.
func (r *recency) stored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.confirmed = time.Now()
}

// known returns the newest resource version; empty where there is none.
func (r *recency) known() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// wrote notes the resource version of a write, and what was known when it began. A smaller one than that comes from storage
// that was restored to an earlier state. One that is smaller than what is known by now does not: writes of others, which came
// after it, may have been noted before it. After a restore the first write that is noted lowers what is known, to a version of the
// restored storage. A second one that began before the restore finds that already lowered, and then only a larger version counts.
func (r *recency) wrote(version, before string) {
	r.stored()
	if order, err := resourceversion.CompareResourceVersion(version, before); before == "" || err != nil || order > 0 {
		r.seen(version)
		return
	}
	r.mu.Lock()
	restored, err := resourceversion.CompareResourceVersion(r.newest, before)
	if err != nil || restored >= 0 {
		r.newest = version
	}
	r.mu.Unlock()
	r.seen(version)
}

// failed makes reads live for a while.
func (r *recency) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.liveUntil = time.Now().Add(memoryPause)
}

// atLeast returns the resource version that a read from memory must not be older than; empty where it has to be live.
func (r *recency) atLeast() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.confirmed) >= confirmInterval || now.Before(r.liveUntil) {
		return ""
	}
	return r.newest
}

// GetRecent reads a credential from the API server's memory, at a third of the cost of reading what is stored. That follows
// what is stored by milliseconds; it is never older than any credential that this store has read or updated, and where
// nothing was answered from storage for a second, the read is live, as it is where memory fails or has no such credential.
// What it returns can be written: if it was not the newest, that is a conflict, after which the caller reads live. Errors:
// as Get.
func (s *Store) GetRecent(ctx context.Context, name string) (*Record, error) {
	return s.getRecent(ctx, name, FromSecret)
}

func (s *Store) getRecent(ctx context.Context, name string, decode decodeFunc) (*Record, error) {
	atLeast := s.recent.atLeast()
	if atLeast == "" {
		return s.getLive(ctx, name, decode)
	}
	memory, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	record, err := s.get(memory, name, atLeast, decode)
	switch {
	case err == nil:
		s.recent.seen(record.ResourceVersion())
		return record, nil
	case errors.Is(err, ErrInvalid):
		return nil, err
	case !errors.Is(err, ErrNotFound):
		s.recent.failed()
	}
	return s.getLive(ctx, name, decode)
}

// IsNewer tells whether a resource version is later than the one at which the credential was read.
func (r *Record) IsNewer(version string) bool {
	order, err := resourceversion.CompareResourceVersion(version, r.ResourceVersion())
	return err == nil && order > 0
}
