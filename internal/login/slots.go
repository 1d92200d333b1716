package login

import (
	"context"
	"sync"
)

// maxWaiting is how many attempts may wait for one account's slot. A person's devices need few; a guesser gets no more.
const maxWaiting = 4

// slots lets attempts on one account go one at a time in this process.
type slots struct {
	mu    sync.Mutex
	taken map[slotName]*slot
}

// slotName is whose slot it is: that of an account, or of a device that has logged in to it before.
type slotName struct{ credential, device string }

type slot struct {
	// held has one token: whoever took it has the slot.
	held chan struct{}
	// users are the holder and those who wait.
	users int
}

// acquire waits for the slot of a name and returns what gives it back. It refuses with TooManyAttemptsError where too
// many wait already, and returns the context's error when the caller has gone.
func (s *slots) acquire(ctx context.Context, name slotName) (release func(), err error) {
	s.mu.Lock()
	if s.taken == nil {
		s.taken = map[slotName]*slot{}
	}
	sl := s.taken[name]
	if sl == nil {
		sl = &slot{held: make(chan struct{}, 1)}
		s.taken[name] = sl
	}
	if sl.users > maxWaiting {
		s.mu.Unlock()
		return nil, &TooManyAttemptsError{RetryAfter: retrySoon}
	}
	sl.users++
	s.mu.Unlock()

	select {
	case sl.held <- struct{}{}:
		return func() { <-sl.held; s.leave(name, sl) }, nil
	case <-ctx.Done():
		s.leave(name, sl)
		return nil, ctx.Err()
	}
}

func (s *slots) leave(name slotName, sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl.users--; sl.users == 0 {
		delete(s.taken, name)
	}
}
