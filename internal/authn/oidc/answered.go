package oidc

import (
	"sync"

	"k8s.io/utils/lru"
)

// maxAnswered is how many answered logins are remembered, of all providers together. One takes about 200 bytes, all of them 2 MiB.
const maxAnswered = 10_000

// answered remembers, by their states, the logins that the provider has answered. A code is sent to the provider once for each login that
// has begun. Otherwise the cookie of one login would let a stranger have this server ask the provider as often as they like. When it is full, the login
// that was answered first is forgotten: for that, as many others have to begin and be answered within the ten minutes that a login may take.
// States are random, so providers share one.
type answered struct {
	mu     sync.Mutex
	states *lru.Cache
}

func newAnswered() *answered { return &answered{states: lru.New(maxAnswered)} }

// add notes that a login is answered, and tells whether it was not before.
func (a *answered) add(state string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.states.Get(state); known {
		return false
	}
	a.states.Add(state, nil)
	return true
}

// remove forgets a login whose answer has not reached the provider: it may be given again.
func (a *answered) remove(state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.states.Remove(state)
}
