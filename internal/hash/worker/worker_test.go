package worker

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/hash"
)

// TestMain makes this program one that can be started as a worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Argument {
		if err := Main(); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// cheap returns parameters of a hash that takes no time.
func cheap() hash.Parameters {
	p := hash.DefaultParameters()
	p.Argon2id = hash.Argon2idParameters{MemoryKiB: 64, Iterations: 1, Parallelism: 1}
	return p
}

func started(t *testing.T, size int) *Pool {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(program, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestAnswersAsPackageHash(t *testing.T) {
	for name, p := range map[string]*Pool{"process": started(t, 1), "goroutine": InProcess(1)} {
		t.Run(name, func(t *testing.T) {
			const password = "päss\u2028word \U0001F511" // It must arrive as it is.
			encoded, err := p.Create(t.Context(), password, cheap())
			if err != nil {
				t.Fatal(err)
			}
			for candidate, want := range map[string]bool{password: true, "p\xe4ss\u2028word \U0001F511": false, "": false} {
				if here, err := hash.Verify(encoded, candidate); err != nil || here != want {
					t.Fatalf("package hash says %t, %v", here, err)
				}
				if got, err := p.Verify(t.Context(), encoded, candidate); err != nil || got != want {
					t.Errorf("verified %t, %v, want %t", got, err, want)
				}
			}
			salt := []byte("sixteen bytes ..")
			got, err := p.Digest(t.Context(), password, salt)
			if err != nil || string(got) != string(hash.Digest(password, salt)) {
				t.Errorf("digest differs (%v)", err)
			}
		})
	}
}

// TestErrors: a worker's errors are those of package hash, with the same text.
func TestErrors(t *testing.T) {
	p := started(t, 1)
	bcrypt := hash.DefaultParameters()
	bcrypt.Algorithm, bcrypt.Bcrypt.Cost = hash.Bcrypt, 4
	for name, row := range map[string]struct {
		call func() error
		here func() error
		want error
	}{
		"malformed": {
			func() error { _, err := p.Verify(t.Context(), "no hash", "x"); return err },
			func() error { _, err := hash.Verify("no hash", "x"); return err }, hash.ErrMalformed,
		},
		"too costly": {
			func() error { _, err := p.Verify(t.Context(), costly, "x"); return err },
			func() error { _, err := hash.Verify(costly, "x"); return err }, hash.ErrTooCostly,
		},
		"too long": {
			func() error { _, err := p.Create(t.Context(), strings.Repeat("x", 73), bcrypt); return err },
			func() error { _, err := hash.Create(strings.Repeat("x", 73), bcrypt); return err }, hash.ErrTooLong,
		},
		"NUL": {
			func() error { _, err := p.Create(t.Context(), "a\x00b", cheap()); return err },
			func() error { _, err := hash.Create("a\x00b", cheap()); return err }, hash.ErrNUL,
		},
		"no text": {
			func() error { _, err := p.Create(t.Context(), "", cheap()); return err },
			func() error { _, err := hash.Create("", cheap()); return err }, hash.ErrNoText,
		},
		"parameters": {
			func() error { _, err := p.Create(t.Context(), "x", hash.Parameters{}); return err },
			func() error { _, err := hash.Create("x", hash.Parameters{}); return err }, hash.ErrParameters,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, here := row.call(), row.here()
			if !errors.Is(got, row.want) || got.Error() != here.Error() {
				t.Errorf("answered %v, want %v", got, here)
			}
		})
	}
}

const costly = hash.Encoded("$argon2id$v=19$m=1048576,t=9,p=1$c2l4dGVlbiBieXRlcyAuLg$c2l4dGVlbiBieXRlcyAuLnNpeHRlZW4gYnl0ZXMgLi4")

// TestKilled: a worker that was killed is replaced, and callers get their answers.
func TestKilled(t *testing.T) {
	p := started(t, 1)
	for range 3 {
		w := <-p.idle
		w.end()
		p.idle <- w
		if _, err := p.Create(t.Context(), "x", cheap()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContextEnds: a hash is stopped when its context ends, and another can be computed in its place.
func TestContextEnds(t *testing.T) {
	p := started(t, 1)
	slow := hash.DefaultParameters()
	slow.Argon2id = hash.Argon2idParameters{MemoryKiB: 64 << 10, Iterations: 10, Parallelism: 1}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Create(ctx, "x", slow); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("answered %v, want that time is over", err)
	}
	if _, err := p.Create(t.Context(), "x", cheap()); err != nil {
		t.Fatal(err)
	}
}

func TestNoWorkerCanBeStarted(t *testing.T) {
	p := started(t, 1)
	(<-p.idle).end()
	p.idle <- nil
	missing := errors.New("no such program")
	p.start = func() (*worker, error) { return nil, missing }
	if _, err := p.Verify(t.Context(), "x", "x"); !errors.Is(err, missing) {
		t.Errorf("answered %v, want %v", err, missing)
	}
	if len(p.idle) != 1 {
		t.Error("the place of the worker is lost")
	}
}

// TestAllAtOnce has more callers than workers.
func TestAllAtOnce(t *testing.T) {
	p := started(t, 2)
	encoded, err := p.Create(t.Context(), "right", cheap())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for i := range 20 {
		go func() {
			candidate := "right"
			if i%2 == 1 {
				candidate = "wrong"
			}
			right, err := p.Verify(t.Context(), encoded, candidate)
			if err == nil && right != (i%2 == 0) {
				err = errors.New("answered the question of another")
			}
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestNoProgram(t *testing.T) {
	for name, program := range map[string]string{"named": filepath.Join(t.TempDir(), "hash-worker"), "beside this one": ""} {
		if _, err := Start(program, 1); err == nil || !strings.Contains(err.Error(), "--hash-worker") {
			t.Errorf("%s: answered %v, want what to do", name, err)
		}
	}
}

// TestGreets: a program that is no worker, or one of another version, is refused when it starts.
func TestGreets(t *testing.T) {
	for name, row := range map[string]struct {
		answer reply
		want   string
	}{
		"worker":          {reply{Version: protocolVersion, Digest: make([]byte, hash.DigestBytes)}, ""},
		"another version": {reply{Version: protocolVersion + 1, Digest: make([]byte, hash.DigestBytes)}, "another version"},
		"no hash":         {reply{Version: protocolVersion}, "another answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var answers bytes.Buffer
			if err := gob.NewEncoder(&answers).Encode(row.answer); err != nil {
				t.Fatal(err)
			}
			var asked bytes.Buffer
			err := newWorker(&asked, &answers, func() {}).greet()
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("greeted with %v, want %q", err, row.want)
			}
			var q request
			if err := gob.NewDecoder(&asked).Decode(&q); err != nil || q.Operation != opDigest {
				t.Errorf("asked for operation %d (%v), want a hash, which takes the worker's memory from the system", q.Operation, err)
			}
		})
	}
}
