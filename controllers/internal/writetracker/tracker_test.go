package writetracker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestCaughtUp(t *testing.T) {
	tests := map[string]struct {
		written, cached string
		want            bool
	}{
		"nothing written":      {"", "5", true},
		"nothing at all":       {"", "", true},
		"behind":               {"10", "9", false},
		"more digits is newer": {"9", "10", true},
		"this very write":      {"10", "10", true},
		"another write since":  {"10", "11", true},
		"not in the cache":     {"10", "", false},
		"not a number":         {"10", "x", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tracker := New()
			if tt.written != "" {
				tracker.Wrote("ada", tt.written)
			}
			for range 2 { // Asking changes nothing.
				if got := tracker.CaughtUp("ada", tt.cached); got != tt.want {
					t.Errorf("CaughtUp(%q) = %t after %q was written", tt.cached, got, tt.written)
				}
			}
			if !tracker.CaughtUp("bob", "1") {
				t.Error("one object holds up another")
			}
			tracker.Forget("ada")
			if !tracker.CaughtUp("ada", "") || len(tracker.writes) != 0 {
				t.Error("the writes of an object that is gone are remembered")
			}
		})
	}
}

// TestCaughtUpAfterARestore: after etcd was restored to a state before the last write, the cache never gets that far. A controller
// waits for it no longer than the cache may lag.
func TestCaughtUpAfterARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := New()
		tracker.Wrote("ada", "1000")
		<-time.After(MaxLag - time.Second) // of the bubble's clock
		for _, cached := range []string{"500", ""} {
			if tracker.CaughtUp("ada", cached) {
				t.Errorf("a cache that has version %q counts as caught up", cached)
			}
		}
		<-time.After(time.Second)
		if !tracker.CaughtUp("ada", "500") || len(tracker.writes) != 0 {
			t.Error("the tracker still waits for a write that was lost")
		}
	})
}
