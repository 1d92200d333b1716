package oidc

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// maxFailures in a row open the breaker for breakerPause.
	maxFailures  = 5
	breakerPause = 10 * time.Second
)

// breaker keeps logins from waiting for a provider that has not answered several requests in a row. After a pause it lets one login
// through, whose requests decide.
type breaker struct {
	clock clock.PassiveClock

	mu        sync.Mutex
	failures  int
	openUntil time.Time
	// probing: the one login is asking.
	probing bool
}

// enter lets a login ask. It must call leave at its end, when it is let.
func (b *breaker) enter() (leave func(), refusal *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < maxFailures {
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

// check tells whether a login would be let in now.
func (b *breaker) check() *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal()
}

func (b *breaker) refusal() *Error {
	if b.failures < maxFailures {
		return nil
	}
	if wait := b.openUntil.Sub(b.clock.Now()); wait > 0 {
		return undecided(ReasonBreakerOpen, min(wait, breakerPause))
	}
	if b.probing {
		return undecided(ReasonBreakerOpen, soon)
	}
	return nil
}

// record notes whether a request was answered.
func (b *breaker) record(answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if answered {
		b.failures = 0
		return
	}
	b.failures++
	if b.failures >= maxFailures {
		b.openUntil = b.clock.Now().Add(breakerPause)
	}
}

func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= maxFailures
}
