package administration

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// maxRequests is how many requests of administrators are under way at once, and maxOfAccount how many of one account: each reads from
	// the API server, which answers logins, too.
	maxRequests, maxOfAccount = 16, 4
	// maxResets is how many resets are under way at once: they hash a password, and logins need the processors.
	maxResets = 2
	// admissionTimeout is how long a request waits for others.
	admissionTimeout = 5 * time.Second
)

// admission bounds what is under way: of one account, and of all together.
type admission struct {
	all, resets *semaphore.Weighted

	mu       sync.Mutex
	accounts map[string]*ofAccount
}

// ofAccount bounds what is under way for one account.
type ofAccount struct {
	requests, resets *semaphore.Weighted
	// users counts the requests that are under way and those that wait.
	users int
}

func newAdmission() *admission {
	return &admission{all: semaphore.NewWeighted(maxRequests), resets: semaphore.NewWeighted(maxResets), accounts: map[string]*ofAccount{}}
}

// enter waits for the turn of a request, and returns the function that ends it. The error is ErrOverloaded, or the context's.
func (a *admission) enter(ctx context.Context, account string, isReset bool) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	own := a.of(account)
	// The account's own first: while it waits for that, it takes nothing from others.
	turns := []*semaphore.Weighted{own.requests, a.all}
	if isReset {
		turns = []*semaphore.Weighted{own.requests, own.resets, a.resets, a.all}
	}
	for i, turn := range turns {
		if err := turn.Acquire(waiting, 1); err != nil {
			a.leave(account, own, turns[:i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, ErrOverloaded
		}
	}
	return func() { a.leave(account, own, turns) }, nil
}

func (a *admission) of(account string) *ofAccount {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.accounts[account]
	if own == nil {
		own = &ofAccount{requests: semaphore.NewWeighted(maxOfAccount), resets: semaphore.NewWeighted(1)}
		a.accounts[account] = own
	}
	own.users++
	return own
}

func (a *admission) leave(account string, own *ofAccount, turns []*semaphore.Weighted) {
	for _, turn := range turns {
		turn.Release(1)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(a.accounts, account)
	}
}
