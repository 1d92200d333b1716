package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/keyturn/keyturn/internal/hash"
)

// What this program also is, in processes of its own: what the servers are compared with. They share no heap, and so no
// garbage collection, with anything else.
const (
	childArgon2id = "argon2id"
	childHandler  = "handler"
)

var children = map[string]func(argument string) error{childArgon2id: hashAlone, childHandler: answerAlone}

// sample is a speed, and what it cost.
type sample struct {
	// Count is how often it was done, Rate how often a second.
	Count int
	Rate  float64
	// CPU is that of all processes which did the work.
	CPU time.Duration
}

func newSample(count int, took time.Duration) sample {
	return sample{Count: count, Rate: float64(count) / took.Seconds()}
}

// took is how long it was measured.
func (s sample) took() time.Duration {
	return time.Duration(float64(s.Count) / s.Rate * float64(time.Second))
}

// sum makes one sample of several.
func sum(samples []sample) (all sample) {
	var took time.Duration
	for _, s := range samples {
		all.Count += s.Count
		all.CPU += s.CPU
		took += s.took()
	}
	all.Rate = float64(all.Count) / took.Seconds()
	return all
}

// each is the CPU time of one.
func (s sample) each() time.Duration { return s.CPU / time.Duration(max(s.Count, 1)) }

// warmUp is how long hashes go uncounted: the first two seconds go to pages that the heap gets for the first time, which
// cost a third of the speed. The login server has had its own since the first login.
const warmUp = 3 * time.Second

// hashAlone hashes on every core for a while, with the parameters of the default policy, and prints a sample.
func hashAlone(duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return fmt.Errorf("reading the duration: %w", err)
	}
	// The pace of the login server's collector, so that both are compared at the same. It is the faster one: on idle cores
	// it does 95 hashes a second, and at Go's own pace 65 to 80, which fault pages in again and again.
	debug.SetGCPercent(400)
	hashFor(warmUp)
	self := map[string]int{childArgon2id: os.Getpid()}
	before, err := usageOf(self)
	if err != nil {
		return err
	}
	s := hashFor(d)
	after, err := usageOf(self)
	if err != nil {
		return err
	}
	s.CPU = after.since(before)[childArgon2id]
	return json.NewEncoder(os.Stdout).Encode(s)
}

// hashFor hashes on every core for a while.
func hashFor(d time.Duration) sample {
	p := hash.DefaultParameters().Argon2id
	password, salt := []byte("correct horse battery"), make([]byte, 16)
	var (
		hashed atomic.Int64
		all    sync.WaitGroup
	)
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for time.Since(began) < d {
				argon2.IDKey(password, salt, p.Iterations, p.MemoryKiB, p.Parallelism, 32)
				hashed.Add(1)
			}
		})
	}
	all.Wait()
	return newSample(int(hashed.Load()), time.Since(began))
}

// hashRate runs hashAlone in a process of its own.
func hashRate(ctx context.Context, d time.Duration) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, fmt.Errorf("finding this program: %w", err)
	}
	command := exec.CommandContext(ctx, self, childArgon2id, d.String())
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return sample{}, fmt.Errorf("measuring the bare hash: %w", err)
	}
	var s sample
	if err := json.Unmarshal(out, &s); err != nil {
		return sample{}, fmt.Errorf("reading the rate of the bare hash: %w", err)
	}
	return s, nil
}

// answerAlone answers every request with 200 until it is killed: the least that a session check can cost.
func answerAlone(address string) error {
	server := &http.Server{
		Addr: address, ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
	}
	return server.ListenAndServe()
}
