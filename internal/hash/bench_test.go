package hash

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// liveHeap stands for what a login server holds besides hashes (caches of ten
// thousand accounts), which is what the collector's pace is computed from.
func liveHeap(b *testing.B) {
	heap := make([][]byte, 10_000)
	for i := range heap {
		heap[i] = make([]byte, 4<<10)
	}
	b.Cleanup(func() { runtime.KeepAlive(heap) })
	runtime.GC()
}

// share runs f b.N times spread over callers goroutines.
func share(b *testing.B, callers int, f func()) {
	b.Helper()
	todo := make(chan struct{})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range todo {
				f()
			}
		})
	}
	start := time.Now()
	b.ResetTimer()
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	all.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "hashes/s")
	b.ReportMetric(residentMiB(b), "MiB-peak")
}

// residentMiB is the largest resident set of the process so far.
func residentMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not on Linux
	}
	return peakMiB(status)
}

// BenchmarkRaw is the ceiling: the library alone on every CPU.
func BenchmarkRaw(b *testing.B) {
	liveHeap(b)
	password, salt := []byte("correct horse"), make([]byte, newSaltBytes)
	share(b, runtime.GOMAXPROCS(0), func() {
		argon2.IDKey(password, salt, DefaultArgon2idIterations, DefaultArgon2idMemoryKiB, DefaultArgon2idParallelism, newDigestBytes)
	})
}

// here computes hashes in this process.
type here struct{ Hasher }

func (here) Verify(_ context.Context, e Encoded, password string) (bool, error) {
	return Verify(e, password)
}

// BenchmarkBounded hashes as a login server does: for many callers, and few at once. Run both with several values of GOGC and GOMEMLIMIT.
func BenchmarkBounded(b *testing.B) {
	liveHeap(b)
	e := Decoy(DefaultParameters())
	bounded := NewBounded(here{}, runtime.GOMAXPROCS(0))
	share(b, 64, func() {
		if _, err := bounded.Verify(context.Background(), e, "correct horse"); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkCreate measures one hash of each algorithm with its default.
func BenchmarkCreate(b *testing.B) {
	for _, a := range []Algorithm{Argon2id, Bcrypt, PBKDF2SHA512} {
		b.Run(string(a), func(b *testing.B) {
			p := DefaultParameters()
			p.Algorithm = a
			for b.Loop() {
				if _, err := Create("correct horse", p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// peakMiB finds the high-water mark in the text of /proc/self/status.
func peakMiB(status []byte) float64 {
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib / 1024
		}
	}
	return 0
}
