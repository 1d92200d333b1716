package login

import (
	"context"
	"sync"
)

// maxWaiting is how many attempts may wait for the lock of one account. A person's devices need few; a guesser gets no more.
const maxWaiting = 4

// accountLocks let attempts on one account go one at a time in this process.
type accountLocks struct {
	// queue has room for the attempts that wait for a lock, whatever account it is of.
	queue chan struct{}

	mu   sync.Mutex
	used map[lockKey]*accountLock
}

// lockKey names a lock: the one of an account, or the one of a device that has logged in to it before.
type lockKey struct{ credential, device string }

type accountLock struct {
	// held has one element while an attempt holds the lock.
	held chan struct{}
	// users counts the attempt that holds the lock and those that wait for it.
	users int
}

// heldLock is a lock that an attempt holds.
type heldLock struct {
	// release releases the lock.
	release func()
	// leaveQueue gives back the place of an attempt that had to wait; nil where it had not.
	leaveQueue func()
}

// acquire waits for a lock. It refuses with TooManyAttemptsError where too many wait for it already, with ErrOverloaded where too many wait for all of them,
// and returns the context's error when the caller has gone.
func (l *accountLocks) acquire(ctx context.Context, key lockKey) (held heldLock, err error) {
	l.mu.Lock()
	if l.used == nil {
		l.used = map[lockKey]*accountLock{}
	}
	lock := l.used[key]
	if lock == nil {
		lock = &accountLock{held: make(chan struct{}, 1)}
		l.used[key] = lock
	}
	if lock.users > maxWaiting {
		l.mu.Unlock()
		return heldLock{}, &TooManyAttemptsError{RetryAfter: retrySoon}
	}
	lock.users++
	l.mu.Unlock()

	release := func() { <-lock.held; l.leave(key, lock) }
	select {
	case lock.held <- struct{}{}:
		return heldLock{release: release}, nil
	default:
	}
	select {
	case l.queue <- struct{}{}:
	default:
		l.leave(key, lock)
		return heldLock{}, ErrOverloaded
	}
	leaveQueue := sync.OnceFunc(func() { <-l.queue })
	select {
	case lock.held <- struct{}{}:
		return heldLock{release: release, leaveQueue: leaveQueue}, nil
	case <-ctx.Done():
		leaveQueue()
		l.leave(key, lock)
		return heldLock{}, ctx.Err()
	}
}

func (l *accountLocks) leave(key lockKey, lock *accountLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.used, key)
	}
}
