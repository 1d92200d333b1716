package oidc

import (
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// unusablePause is how long a document is not asked for again after the provider has answered something that cannot be used as such.
const unusablePause = 5 * time.Second

// unusable remembers that a document of a provider could not be used, so that logins that follow soon do not ask for it again. A provider
// that could not be reached is not remembered: breaker counts that.
type unusable struct {
	clock clock.PassiveClock

	mu  sync.Mutex
	err error
	at  time.Time
}

// note notes what came of asking for the document; nil: it can be used.
func (u *unusable) note(err error) {
	if failed, ok := errors.AsType[*failure](err); ok && (failed.isTransport() || failed.cause == causeCanceled) {
		err = nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err, u.at = err, u.clock.Now()
}

// recent returns why the document could not be used within unusablePause; nil where nothing is known of that.
func (u *unusable) recent() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if age := u.clock.Since(u.at); age < 0 || age >= unusablePause {
		return nil
	}
	return u.err
}
