package worker

import (
	"math"
	"testing"
)

// TestSize: there are no more workers than processors, and no more than fit below the memory limit at the most that a policy may ask for.
func TestSize(t *testing.T) {
	const mebi = 1 << 20
	for name, row := range map[string]struct {
		processors    int
		limit, server uint64
		want          int
	}{
		"no limit":                         {48, 0, math.MaxInt64, 48},
		"the manifests' login server":      {2, 896 * mebi, 224 * mebi, 2},
		"the manifests' operator":          {2, 960 * mebi, 352 * mebi, 2},
		"a node with 48 processors":        {48, 896 * mebi, 224 * mebi, 2},
		"much memory":                      {48, 16 << 30, 224 * mebi, 48},
		"some memory":                      {48, 4 << 30, 224 * mebi, 13},
		"GOMEMLIMIT is not set":            {48, 896 * mebi, math.MaxInt64, 2},
		"no room":                          {4, 200 * mebi, 128 * mebi, 1},
		"less than the server itself":      {4, 100 * mebi, math.MaxInt64, 1},
		"GOMEMLIMIT is the whole limit":    {4, 896 * mebi, 896 * mebi, 2},
		"the limit of cgroups v1 for none": {4, math.MaxInt64 - 4095, math.MaxInt64, 4},
	} {
		t.Run(name, func(t *testing.T) {
			if got := size(row.processors, row.limit, row.server); got != row.want {
				t.Errorf("%d workers, want %d", got, row.want)
			}
		})
	}
	if got := Size(3); got != 3 {
		t.Errorf("3 are wanted, and there are %d", got)
	}
	if got := Size(0); got < 1 {
		t.Errorf("there are %d workers by default", got)
	}
}
