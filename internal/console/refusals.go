package console

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// refusalInterval and refusalBurst bound the audit lines of one actor's refusals: otherwise somebody without any role could fill the
	// disk with them, or push other lines out of a log that is rotated.
	refusalInterval = 2 * time.Second
	refusalBurst    = 60
	// maxRefused bounds the actors that are remembered. They are declared accounts.
	maxRefused = 4096
)

// refusals bounds the audit lines of refusals.
type refusals struct {
	mu      sync.Mutex
	byActor map[string]*refused
}

// refused are the refusals of one actor.
type refused struct {
	limit   *rate.Limiter
	omitted int
}

func newRefusals() *refusals {
	return &refusals{byActor: map[string]*refused{}}
}

// next tells whether the next refusal of an actor gets a line, and how many before it have none.
func (r *refusals) next(actor string, now time.Time) (omitted int, hasLine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.byActor[actor]
	if own == nil {
		if len(r.byActor) >= maxRefused {
			clear(r.byActor)
		}
		own = &refused{limit: rate.NewLimiter(rate.Every(refusalInterval), refusalBurst)}
		r.byActor[actor] = own
	}
	if !own.limit.AllowN(now, 1) {
		own.omitted++
		return 0, false
	}
	omitted, own.omitted = own.omitted, 0
	return omitted, true
}
