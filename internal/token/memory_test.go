package token_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/token"
)

// TestSessionsCostNoMemory: the memory for verified tokens has a bound, however many tokens there are. Without one, 900 bytes for
// each would be four times the bound at the end of this test.
func TestSessionsCostNoMemory(t *testing.T) {
	const (
		rounds, tokens = 3, 12_000
		bound          = 8 << 20 // bytes
	)
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	ring, _, _, err := (&token.Ring{}).Rotate(now.Add(-time.Hour), 30*24*time.Hour, 366*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	life := token.Lifetimes{Idle: time.Hour, Max: 12 * time.Hour, RememberMe: 30 * 24 * time.Hour}
	before := heap()
	for round := range rounds {
		for range tokens {
			signed, err := ring.Sign(token.New("account-1", "uid-1", 1, token.Web, life, false, now), now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ring.Verify(signed.Text(), token.Web, now); err != nil {
				t.Fatal(err)
			}
		}
		grown := max(heap(), before) - before
		t.Logf("%d tokens: the heap has grown by %d KiB", (round+1)*tokens, grown>>10)
		if grown > bound {
			t.Errorf("%d tokens have taken %d bytes, want %d at most", (round+1)*tokens, grown, bound)
		}
	}
	runtime.KeepAlive(ring)
}

// heap returns how many bytes of the heap are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // The first may have left what finalizers held.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
