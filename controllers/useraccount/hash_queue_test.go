package useraccount

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func accountName(namespace string, n int) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}
}

// testQueue is a hashQueue that records which accounts it has enqueued.
type testQueue struct {
	*hashQueue
	enqueued []types.NamespacedName
}

func newTestQueue(slots int) *testQueue {
	q := &testQueue{}
	q.hashQueue = newHashQueue(slots, func(account types.NamespacedName) { q.enqueued = append(q.enqueued, account) })
	return q
}

// TestHashQueueIsBounded: two of five accounts may hash. When one of them is done, the next is enqueued.
func TestHashQueueIsBounded(t *testing.T) {
	q := newTestQueue(2)
	for n := range 5 {
		if got, want := q.take(accountName("acme", n)), n < 2; got != want {
			t.Errorf("take of account %d = %t", n, got)
		}
	}
	if !q.take(accountName("acme", 0)) || q.take(accountName("acme", 4)) {
		t.Error("asking again changes the answer")
	}
	q.release(accountName("acme", 4)) // It is waiting and has no slot.
	if len(q.enqueued) != 0 {
		t.Errorf("enqueued %v though no slot is free", q.enqueued)
	}
	q.release(accountName("acme", 1))
	if want := []types.NamespacedName{accountName("acme", 2)}; !slices.Equal(q.enqueued, want) {
		t.Errorf("enqueued %v, want %v", q.enqueued, want)
	}
	if !q.take(accountName("acme", 2)) {
		t.Error("the account that was enqueued has no slot")
	}
}

// TestHashQueueIsFairBetweenNamespaces: of a hundred accounts of one namespace, two are served before the first of each other one.
// No account gets a free slot while others wait.
func TestHashQueueIsFairBetweenNamespaces(t *testing.T) {
	q := newTestQueue(1)
	for n := range 100 {
		q.take(accountName("crowd", n))
	}
	q.take(accountName("small", 0))
	q.take(accountName("tiny", 0))
	q.release(accountName("crowd", 0))
	for range 3 {
		q.release(q.enqueued[len(q.enqueued)-1])
	}
	want := []types.NamespacedName{accountName("crowd", 1), accountName("small", 0), accountName("tiny", 0), accountName("crowd", 2)}
	if !slices.Equal(q.enqueued, want) {
		t.Errorf("enqueued %v, want %v", q.enqueued, want)
	}
}

// TestHashSlotsAreNotLost: a slot is given back at the end of the reconciliation, whether it was needed or not, also for an account
// that is gone.
func TestHashSlotsAreNotLost(t *testing.T) {
	q := newTestQueue(1)
	q.take(accountName("acme", 0))
	q.take(accountName("acme", 1))
	q.take(accountName("acme", 2))
	q.release(accountName("acme", 0))
	q.release(accountName("acme", 1)) // Enqueued, and found nothing to hash.
	q.release(accountName("acme", 1)) // Reconciled once more, for another event.
	q.release(accountName("acme", 2))
	if q.free != 1 || !q.take(accountName("other", 0)) {
		t.Error("the slot is lost")
	}
}

// TestHashSlotGrantedMeanwhileStays: a reconciliation that got no slot is still going on when the queue grants one to its account.
// At its end that slot is not given back.
func TestHashSlotGrantedMeanwhileStays(t *testing.T) {
	q := newTestQueue(1)
	first, second := q.enter(accountName("acme", 0)), q.enter(accountName("acme", 1))
	if !first.take() || second.take() {
		t.Fatal("there is one slot")
	}
	q.enter(accountName("acme", 2)).take()
	first.release()
	second.release()
	if want := []types.NamespacedName{accountName("acme", 1)}; !slices.Equal(q.enqueued, want) {
		t.Fatalf("enqueued %v, want %v", q.enqueued, want)
	}
	again := q.enter(accountName("acme", 1))
	if !again.take() {
		t.Error("the account that was enqueued has no slot")
	}
	again.release()
	q.enter(accountName("acme", 2)).release() // Enqueued, and found nothing to hash.
	if q.free != 1 {
		t.Error("the slot is lost")
	}
}

// TestHashQueueInRandomOrder has 40 accounts take and release slots in any order, as reconciliations do: of enqueued accounts, and of
// any others for reasons of their own. Each gets a slot in the end, never too many have one, and none is left over.
func TestHashQueueInRandomOrder(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		size := 1 + random.IntN(3)
		q := newTestQueue(size)
		open := map[types.NamespacedName]bool{} // those that want to hash
		for n := range 40 {
			open[accountName([]string{"a", "b", "c"}[random.IntN(3)], n)] = true
		}
		accounts := slices.SortedFunc(func(yield func(types.NamespacedName) bool) {
			for a := range open {
				if !yield(a) {
					return
				}
			}
		}, func(a, b types.NamespacedName) int { return len(a.Name) - len(b.Name) })
		running := []types.NamespacedName{}
		for steps := 0; len(open) > 0; steps++ {
			if steps > 100_000 {
				t.Fatalf("seed %d: %d accounts never got a slot", seed, len(open))
			}
			if len(q.granted) > size || q.free != size-len(q.granted) {
				t.Fatalf("seed %d: %d slots granted out of %d, %d free", seed, len(q.granted), size, q.free)
			}
			switch {
			case len(q.enqueued) > 0 && random.IntN(3) == 0: // An enqueued account is reconciled.
				next := q.enqueued[0]
				q.enqueued = q.enqueued[1:]
				if q.take(next) && !slices.Contains(running, next) {
					running = append(running, next)
				}
			case len(running) > 0 && random.IntN(2) == 0: // One is done, or fails and will hash again.
				i := random.IntN(len(running))
				if random.IntN(4) > 0 {
					delete(open, running[i])
				}
				q.release(running[i])
				running = slices.Delete(running, i, i+1)
			default: // Any account is reconciled.
				next := accounts[random.IntN(len(accounts))]
				switch {
				case slices.Contains(running, next):
				case !open[next]:
					q.release(next) // Nothing to hash any more.
				case q.take(next):
					running = append(running, next)
				}
			}
		}
		for _, left := range slices.Concat(q.enqueued, running) {
			q.release(left)
		}
		for len(q.granted) > 0 {
			for left := range q.granted {
				q.release(left)
				break
			}
		}
		if q.free != size || len(q.waiting) != 0 || len(q.queued) != 0 || len(q.rotation) != 0 {
			t.Fatalf("seed %d: left over: %+v", seed, q.hashQueue)
		}
	}
}
