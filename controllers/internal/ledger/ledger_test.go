package ledger

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLedger(t *testing.T) {
	tests := map[string]struct {
		written, cached string
		want            bool
	}{
		"nothing written":       {"", "5", true},
		"nothing at all":        {"", "", true},
		"behind":                {"10", "9", false},
		"more digits is newer":  {"9", "10", true},
		"the very one":          {"10", "10", true},
		"another wrote since":   {"10", "11", true},
		"not in the cache":      {"10", "", false},
		"not a version we know": {"10", "x", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := New()
			if tt.written != "" {
				l.Wrote("ada", tt.written)
			}
			for range 2 { // Asking changes nothing.
				if got := l.CaughtUp("ada", tt.cached); got != tt.want {
					t.Errorf("CaughtUp(%q) = %t after %q was written", tt.cached, got, tt.written)
				}
			}
			if !l.CaughtUp("bob", "1") {
				t.Error("one object holds up another")
			}
			l.Forget("ada")
			if !l.CaughtUp("ada", "") || len(l.writes) != 0 {
				t.Error("what is gone is remembered")
			}
		})
	}
}

// TestLedgerAfterARestore: where storage was restored to a state before the last write, versions are smaller than that write's for
// ever. It is not waited for longer than the cache may lag.
func TestLedgerAfterARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		l.Wrote("ada", "1000")
		<-time.After(MaxLag - time.Second) // of the bubble's clock
		for _, cached := range []string{"500", ""} {
			if l.CaughtUp("ada", cached) {
				t.Errorf("a cache that lags behind at %q counts as caught up", cached)
			}
		}
		<-time.After(time.Second)
		if !l.CaughtUp("ada", "500") || len(l.writes) != 0 {
			t.Error("a write that was lost is waited for")
		}
	})
}
