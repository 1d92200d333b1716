package ledger

import "testing"

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
			if !l.CaughtUp("ada", "") || len(l.versions) != 0 {
				t.Error("what is gone is remembered")
			}
		})
	}
}
