package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/hash/worker"
)

// What this program also is, in processes of its own: what the servers are compared with. They share no heap, and so no
// garbage collection, with anything else.
const (
	childArgon2id = "argon2id"
	childWorkers  = "workers"
	childHandler  = "handler"
)

var children = map[string]func(arguments ...string) error{
	childArgon2id: hashAlone, childWorkers: hashInWorkers, childHandler: answerAlone,
}

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

// hashAlone hashes on every core for a while, with the parameters of the default policy, and prints a sample. It is what a
// program does that calls the library and nothing else.
func hashAlone(arguments ...string) error {
	p := hash.DefaultParameters().Argon2id
	password, salt := []byte("correct horse battery"), make([]byte, 16)
	return hashFor(arguments[0], func() error {
		argon2.IDKey(password, salt, p.Iterations, p.MemoryKiB, p.Parallelism, 32)
		return nil
	})
}

// hashInWorkers does the same in as many workers as the login server has, which is the most that it could do.
func hashInWorkers(arguments ...string) error {
	pool, err := worker.Start(arguments[1], runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	defer pool.Close()
	salt := make([]byte, 16)
	return hashFor(arguments[0], func() error {
		_, err := pool.Digest(context.Background(), "correct horse battery", salt)
		return err
	})
}

// hashFor hashes on every core for a while, warmed up, and prints a sample.
func hashFor(duration string, hashOnce func() error) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return fmt.Errorf("reading the duration: %w", err)
	}
	if _, err := repeat(warmUp, hashOnce); err != nil {
		return err
	}
	all, err := withChildren(os.Getpid())
	if err != nil {
		return err
	}
	self := map[string][]int{"self": all}
	before, err := usageOf(self)
	if err != nil {
		return err
	}
	s, err := repeat(d, hashOnce)
	if err != nil {
		return err
	}
	after, err := usageOf(self)
	if err != nil {
		return err
	}
	s.CPU = after.since(before)["self"]
	return json.NewEncoder(os.Stdout).Encode(s)
}

// repeat does something on every core for a while.
func repeat(d time.Duration, once func() error) (sample, error) {
	var (
		count atomic.Int64
		all   errgroup.Group
	)
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() error {
			for time.Since(began) < d {
				if err := once(); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	err := all.Wait()
	return newSample(int(count.Load()), time.Since(began)), err
}

// hashRate runs hashAlone or hashInWorkers, which takes its program, in a process of its own.
func hashRate(ctx context.Context, d time.Duration, child string, program ...string) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, fmt.Errorf("finding this program: %w", err)
	}
	command := exec.CommandContext(ctx, self, append([]string{child, d.String()}, program...)...)
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
func answerAlone(arguments ...string) error {
	server := &http.Server{
		Addr: arguments[0], ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
	}
	return server.ListenAndServe()
}
