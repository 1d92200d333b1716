package outbound

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// MaxFailures in a row open a breaker.
	MaxFailures = 5
	// BreakerPause is for how long.
	BreakerPause = 10 * time.Second
)

// Breaker keeps logins from waiting for a provider that has not answered several requests in a row. After a pause it lets one login
// through, whose requests decide.
type Breaker struct {
	clock clock.PassiveClock

	mu        sync.Mutex
	failures  int
	openUntil time.Time
	// probing: the one login is asking.
	probing bool
}

// NewBreaker returns a closed one.
func NewBreaker(c clock.PassiveClock) *Breaker { return &Breaker{clock: c} }

// Enter lets a login ask. It must call leave at its end, when it is let.
func (b *Breaker) Enter() (leave func(), refusal *RefusalError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < MaxFailures {
		return func() {}, nil
	}
	if refusal := b.refusal(); refusal != nil {
		return nil, refusal
	}
	b.probing = true
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.probing = false
	}, nil
}

// Check tells whether a login would be let in now.
func (b *Breaker) Check() *RefusalError {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal()
}

func (b *Breaker) refusal() *RefusalError {
	if b.failures < MaxFailures {
		return nil
	}
	if wait := b.openUntil.Sub(b.clock.Now()); wait > 0 {
		return &RefusalError{Reason: BreakerOpen, RetryAfter: min(wait, BreakerPause)}
	}
	if b.probing {
		return &RefusalError{Reason: BreakerOpen, RetryAfter: soon}
	}
	return nil
}

// Record notes whether a request was answered.
func (b *Breaker) Record(answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if answered {
		b.failures = 0
		return
	}
	b.failures++
	if b.failures >= MaxFailures {
		b.openUntil = b.clock.Now().Add(BreakerPause)
	}
}

// IsOpen tells whether the provider has not answered since the breaker opened.
func (b *Breaker) IsOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= MaxFailures
}
