package useraccount

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func who(namespace string, n int) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: fmt.Sprint(n)}
}

// bench is turns with those that it calls, who have a turn and have not been reconciled yet.
type bench struct {
	*turns
	called []types.NamespacedName
}

func newBench(size int) *bench {
	b := &bench{}
	b.turns = newTurns(size, func(who types.NamespacedName) { b.called = append(b.called, who) })
	return b
}

func TestTurnsBoundThoseWhoHash(t *testing.T) {
	b := newBench(2)
	for n := range 5 {
		if got, want := b.take(who("acme", n)), n < 2; got != want {
			t.Errorf("take of account %d = %t", n, got)
		}
	}
	if !b.take(who("acme", 0)) || b.take(who("acme", 4)) {
		t.Error("asking again changes the answer")
	}
	b.done(who("acme", 4)) // It waits: there is no turn to give back.
	if len(b.called) != 0 {
		t.Errorf("called %v though no turn was given back", b.called)
	}
	b.done(who("acme", 1))
	if want := []types.NamespacedName{who("acme", 2)}; !slices.Equal(b.called, want) {
		t.Errorf("called %v, want %v", b.called, want)
	}
	if !b.take(who("acme", 2)) {
		t.Error("who is called has no turn")
	}
}

// Whoever comes while others wait goes behind them, even where a turn happens to be free.
func TestTurnsAreFairBetweenNamespaces(t *testing.T) {
	b := newBench(1)
	for n := range 100 {
		b.take(who("crowd", n))
	}
	b.take(who("small", 0))
	b.take(who("tiny", 0))
	b.done(who("crowd", 0))
	for range 3 {
		b.done(b.called[len(b.called)-1])
	}
	want := []types.NamespacedName{who("crowd", 1), who("small", 0), who("tiny", 0), who("crowd", 2)}
	if !slices.Equal(b.called, want) {
		t.Errorf("called %v, want %v", b.called, want)
	}
}

// A turn is given back at the end of every reconciliation, needed or not, also by an account that is gone.
func TestTurnsAreNotLost(t *testing.T) {
	b := newBench(1)
	b.take(who("acme", 0))
	b.take(who("acme", 1))
	b.take(who("acme", 2))
	b.done(who("acme", 0))
	b.done(who("acme", 1)) // Called, found nothing to hash.
	b.done(who("acme", 1)) // And once more, for another event.
	b.done(who("acme", 2))
	if b.free != 1 || !b.take(who("other", 0)) {
		t.Error("the turn is lost")
	}
}

// A turn that comes while the account's reconciliation, which got none, is still on its way is not given away at its end.
func TestTurnGrantedMeanwhileStays(t *testing.T) {
	b := newBench(1)
	first, second := b.begin(who("acme", 0)), b.begin(who("acme", 1))
	if !first.take() || second.take() {
		t.Fatal("there is one turn")
	}
	b.begin(who("acme", 2)).take()
	first.end()
	second.end()
	if want := []types.NamespacedName{who("acme", 1)}; !slices.Equal(b.called, want) {
		t.Fatalf("called %v, want %v", b.called, want)
	}
	again := b.begin(who("acme", 1))
	if !again.take() {
		t.Error("who is called has no turn")
	}
	again.end()
	b.begin(who("acme", 2)).end() // Called, found nothing to hash.
	if b.free != 1 {
		t.Error("the turn is lost")
	}
}

// TestTurnsInRandomOrder plays accounts that ask, are called, and finish in any order.
func TestTurnsInRandomOrder(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		size := 1 + random.IntN(3)
		b := newBench(size)
		open := map[types.NamespacedName]bool{} // those that want to hash
		for n := range 40 {
			open[who([]string{"a", "b", "c"}[random.IntN(3)], n)] = true
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
				t.Fatalf("seed %d: %d accounts never got a turn", seed, len(open))
			}
			if len(b.granted) > size || b.free != size-len(b.granted) {
				t.Fatalf("seed %d: %d turns out of %d, %d free", seed, len(b.granted), size, b.free)
			}
			switch {
			case len(b.called) > 0 && random.IntN(3) == 0: // One that was called is reconciled.
				next := b.called[0]
				b.called = b.called[1:]
				if b.take(next) && !slices.Contains(running, next) {
					running = append(running, next)
				}
			case len(running) > 0 && random.IntN(2) == 0: // One is done, or fails and will ask again.
				i := random.IntN(len(running))
				if random.IntN(4) > 0 {
					delete(open, running[i])
				}
				b.done(running[i])
				running = slices.Delete(running, i, i+1)
			default: // Anybody asks, out of turn or again.
				next := accounts[random.IntN(len(accounts))]
				switch {
				case slices.Contains(running, next):
				case !open[next]:
					b.done(next) // Nothing to hash any more.
				case b.take(next):
					running = append(running, next)
				}
			}
		}
		for _, left := range slices.Concat(b.called, running) {
			b.done(left)
		}
		for len(b.granted) > 0 {
			for left := range b.granted {
				b.done(left)
				break
			}
		}
		if b.free != size || len(b.waiting) != 0 || len(b.queued) != 0 || len(b.rotation) != 0 {
			t.Fatalf("seed %d: turns are left over: %+v", seed, b.turns)
		}
	}
}
