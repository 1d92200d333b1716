package login

import "sync"

// maxWaiting is how many attempts may wait for the lock of one account. A person's devices need few; a guesser gets no more.
const maxWaiting = 4

// accountLocks let attempts on one account go one at a time in this process.
type accountLocks struct {
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

// join returns the lock of a key, to be waited for. It refuses with TooManyAttemptsError where too many wait for it already.
func (l *accountLocks) join(key lockKey) (*accountLock, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used == nil {
		l.used = map[lockKey]*accountLock{}
	}
	lock := l.used[key]
	if lock == nil {
		lock = &accountLock{held: make(chan struct{}, 1)}
		l.used[key] = lock
	}
	if lock.users > maxWaiting {
		return nil, &TooManyAttemptsError{RetryAfter: retrySoon}
	}
	lock.users++
	return lock, nil
}

// leave forgets the lock of a key once nobody uses it.
func (l *accountLocks) leave(key lockKey, lock *accountLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.used, key)
	}
}
