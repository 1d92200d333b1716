package useraccount

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// hashQueue bounds how many accounts have a password hashed at once, and serves the namespaces in rotation, so that ten thousand
// new accounts in one of them do not keep the others waiting. No worker blocks in it: the reconciliation of an account that has to
// wait ends, the worker goes on with accounts that need no hashing, and the queue enqueues the account when a slot is free.
type hashQueue struct {
	mu   sync.Mutex
	free int
	// granted accounts have a slot.
	granted map[types.NamespacedName]bool
	// waiting accounts have none yet. queued has them by namespace, in the order in which they came.
	waiting map[types.NamespacedName]bool
	queued  map[string][]types.NamespacedName
	// rotation has the namespaces with waiting accounts, the next one first.
	rotation []string
	// enqueue has an account reconciled that has been granted a slot. It must not block.
	enqueue func(types.NamespacedName)
}

func newHashQueue(slots int, enqueue func(types.NamespacedName)) *hashQueue {
	return &hashQueue{
		free: slots, enqueue: enqueue,
		granted: map[types.NamespacedName]bool{},
		waiting: map[types.NamespacedName]bool{},
		queued:  map[string][]types.NamespacedName{},
	}
}

// hashSlot is the part of one reconciliation in the queue.
type hashSlot struct {
	queue   *hashQueue
	account types.NamespacedName
	// held tells that the account has a slot: since before the reconciliation, or since take.
	held bool
}

// enter is called at the beginning of a reconciliation, and release at its end.
func (q *hashQueue) enter(account types.NamespacedName) *hashSlot {
	q.mu.Lock()
	defer q.mu.Unlock()
	return &hashSlot{queue: q, account: account, held: q.granted[account]}
}

// take tells whether the account may hash now. If not, it waits in the queue, and is enqueued when it may.
func (s *hashSlot) take() bool {
	s.held = s.held || s.queue.take(s.account)
	return s.held
}

// release gives back the slot, whether it was needed or not, so that none gets lost. A slot that the queue has granted while this
// reconciliation went on without one is not given back: it is for the next reconciliation, which has been enqueued.
func (s *hashSlot) release() {
	if s.held {
		s.queue.release(s.account)
	}
}

func (q *hashQueue) take(account types.NamespacedName) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.granted[account]:
		return true
	case q.waiting[account]:
		return false
	case q.free > 0 && len(q.rotation) == 0:
		q.free--
		q.granted[account] = true
		return true
	}
	if len(q.queued[account.Namespace]) == 0 {
		q.rotation = append(q.rotation, account.Namespace)
	}
	q.queued[account.Namespace] = append(q.queued[account.Namespace], account)
	q.waiting[account] = true
	return false
}

// release gives back the slot of an account, if it has one, and grants it to the next.
func (q *hashQueue) release(account types.NamespacedName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.granted[account] {
		return
	}
	delete(q.granted, account)
	q.free++
	for q.free > 0 && len(q.rotation) > 0 {
		q.grantNext()
	}
}

// grantNext grants a slot to the first account of the next namespace, which goes to the end of the rotation if it has more of them.
func (q *hashQueue) grantNext() {
	namespace := q.rotation[0]
	q.rotation = q.rotation[1:]
	queue := q.queued[namespace]
	next := queue[0]
	if len(queue) > 1 {
		q.queued[namespace] = queue[1:]
		q.rotation = append(q.rotation, namespace)
	} else {
		delete(q.queued, namespace)
	}
	delete(q.waiting, next)
	q.granted[next] = true
	q.free--
	q.enqueue(next)
}
