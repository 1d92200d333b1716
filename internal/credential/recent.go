package credential

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// confirmInterval is how long one read of what is stored lets others be answered from the API server's memory. An API
// server that has lost its storage goes on answering from there; logins may not for longer than this.
const confirmInterval = time.Second

// recency is what a store knows of how recent its reads are.
type recency struct {
	mu sync.Mutex
	// newest is the resource version of the newest credential that was read or written; empty where none was.
	newest string
	// confirmed is when the API server last showed that it reaches its storage.
	confirmed time.Time
}

// confirm notes that the API server has reached its storage, and the resource version that it gave, if any.
func (r *recency) confirm(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.confirmed = time.Now()
	if order, err := resourceversion.CompareResourceVersion(version, r.newest); version != "" && (r.newest == "" || err == nil && order > 0) {
		r.newest = version
	}
}

// atLeast returns the resource version that a read from memory must not be older than; empty where it has to be live.
func (r *recency) atLeast() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.confirmed) >= confirmInterval {
		return ""
	}
	return r.newest
}

// forget makes the next read live.
func (r *recency) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = ""
}

// GetRecent reads a credential from the API server's memory, at a third of the cost of reading what is stored. That follows
// what is stored by milliseconds; it is never older than any credential that this store has read or written, and every
// second one read is live, as is that of a credential which is not there. What it returns can be written: if it was not the newest, that is a conflict, after which the
// caller reads live. Errors: as Get.
func (s *Store) GetRecent(ctx context.Context, name string) (*Record, error) {
	atLeast := s.recent.atLeast()
	if atLeast == "" {
		return s.Get(ctx, name)
	}
	record, err := s.get(ctx, name, atLeast)
	switch {
	case errors.Is(err, ErrNotFound):
		// It may have been created a moment ago, for a person who is told so and logs in.
	case apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge):
		// It lags by seconds, or its storage was restored to an earlier state.
		s.recent.forget()
	default:
		return record, err
	}
	return s.Get(ctx, name)
}
