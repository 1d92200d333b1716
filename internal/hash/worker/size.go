package worker

import (
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/keyturn/keyturn/internal/hash"
)

const (
	// workerBytes is the most that a worker takes: what a policy may ask for at most, and the process itself.
	workerBytes = hash.MaxArgon2idMemoryKiB<<10 + 32<<20
	// serverBytes is what a server keeps for itself where GOMEMLIMIT does not say how much that is.
	serverBytes = 256 << 20
)

// Size returns how many workers a server starts. That is wanted, or, if it is 0, as many as there are processors and as the memory limit
// of the container has room for. Without room for one it is one. The log says which.
func Size(wanted int) int {
	if wanted > 0 {
		slog.Info("Number of hashes at once is set by --hashes", "hashes", wanted)
		return wanted
	}
	limit, err := memlimit.FromCgroup()
	if err != nil {
		limit = 0 // There is none, or this is not Linux.
	}
	processors := runtime.GOMAXPROCS(0)
	n := size(processors, limit, uint64(debug.SetMemoryLimit(-1)))
	slog.Info("Number of hashes at once follows from processors and memory; --hashes sets another",
		"hashes", n, "processors", processors, "memoryLimitBytes", limit)
	return n
}

// size returns the number of workers for a number of processors, a memory limit in bytes (0 for none) and that of the server itself.
func size(processors int, limit, server uint64) int {
	if limit == 0 {
		return processors
	}
	if server >= limit {
		server = serverBytes // GOMEMLIMIT is not set, or wrong.
	}
	room := 0
	if limit > server {
		room = int((limit - server) / workerBytes)
	}
	return max(1, min(processors, room))
}
