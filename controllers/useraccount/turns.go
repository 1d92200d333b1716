package useraccount

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// turns bounds how many accounts have a password hashed at once, and takes the namespaces in rotation, so that ten
// thousand new accounts in one of them do not keep the others waiting. Nobody blocks: who has to wait is called later,
// and the workers go on with accounts that need no hashing.
type turns struct {
	mu   sync.Mutex
	free int
	// granted accounts may hash; queued ones wait, by namespace, in the order in which they came.
	granted map[types.NamespacedName]bool
	queued  map[string][]types.NamespacedName
	waiting map[types.NamespacedName]bool
	// rotation is the order of the namespaces that have somebody waiting.
	rotation []string
	// call asks for an account to be reconciled, since its turn has come. It must not block.
	call func(types.NamespacedName)
}

func newTurns(size int, call func(types.NamespacedName)) *turns {
	return &turns{
		free: size, call: call,
		granted: map[types.NamespacedName]bool{},
		queued:  map[string][]types.NamespacedName{},
		waiting: map[types.NamespacedName]bool{},
	}
}

// take tells whether the account may hash now. If not, it is called when it may.
func (t *turns) take(who types.NamespacedName) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.granted[who]:
		return true
	case t.waiting[who]:
		return false
	case t.free > 0 && len(t.rotation) == 0:
		t.free--
		t.granted[who] = true
		return true
	}
	if len(t.queued[who.Namespace]) == 0 {
		t.rotation = append(t.rotation, who.Namespace)
	}
	t.queued[who.Namespace] = append(t.queued[who.Namespace], who)
	t.waiting[who] = true
	return false
}

// turn is what one reconciliation of an account has to do with turns.
type turn struct {
	turns *turns
	who   types.NamespacedName
	// held tells that the account had the turn when the reconciliation began, or has taken it since.
	held bool
}

// begin is called at the beginning of every reconciliation, and end at its end.
func (t *turns) begin(who types.NamespacedName) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &turn{turns: t, who: who, held: t.granted[who]}
}

// take tells whether the account may hash now. If not, it is called when it may.
func (t *turn) take() bool {
	t.held = t.held || t.turns.take(t.who)
	return t.held
}

// end gives back the turn, needed or not, so that it is not lost. One that was granted to the account while this
// reconciliation was on its way stays: it is for the next, which has been called.
func (t *turn) end() {
	if t.held {
		t.turns.done(t.who)
	}
}

// done gives back the turn of an account, if it has one, and calls the next.
func (t *turns) done(who types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.granted[who] {
		return
	}
	delete(t.granted, who)
	t.free++
	for t.free > 0 && len(t.rotation) > 0 {
		namespace := t.rotation[0]
		t.rotation = t.rotation[1:]
		queue := t.queued[namespace]
		next := queue[0]
		if len(queue) > 1 {
			t.queued[namespace] = queue[1:]
			t.rotation = append(t.rotation, namespace)
		} else {
			delete(t.queued, namespace)
		}
		delete(t.waiting, next)
		t.granted[next] = true
		t.free--
		t.call(next)
	}
}
