package worker

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/internal/hash"
)

// Argument is the only argument of a worker process. Test binaries that act as workers too recognize it.
const Argument = "serve"

// Main runs a worker until its input ends.
func Main() error {
	// A terminal sends signals to the server and its workers at once; a worker has to end last, with its input.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	yieldToOthers()
	debug.SetGCPercent(-1)
	return serve(os.Stdin, os.Stdout, freeMemory)
}

// greetTimeout is how long a worker may take to start and compute its first hash. It takes a few hundred milliseconds at most.
const greetTimeout = 10 * time.Second

// Pool is a number of workers. It is safe for concurrent use.
type Pool struct {
	start func() (*worker, error)
	// idle holds every worker that is not in use; nil stands for one that has to be started first.
	idle chan *worker
}

// Start starts size workers, each a process of a program that calls Main; none named means hash-worker beside this program. The
// error says what to do if there is no such program, or is the system's.
func Start(program string, size int) (*Pool, error) {
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		program = filepath.Join(filepath.Dir(self), "hash-worker")
	}
	p, err := newPool(size, func() (*worker, error) { return startProcess(program) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the program that hashes passwords is not there: put hash-worker beside this program, or set --hash-worker: %w", err)
	}
	return p, err
}

// InProcess returns a pool whose workers are goroutines of this process, for tests.
func InProcess(size int) *Pool {
	p, _ := newPool(size, func() (*worker, error) { return startGoroutine(), nil }) // That does not fail.
	return p
}

func newPool(size int, start func() (*worker, error)) (*Pool, error) {
	p := &Pool{start: start, idle: make(chan *worker, size)}
	var starting errgroup.Group
	for range size {
		starting.Go(func() error {
			w, err := start()
			if err != nil {
				return err
			}
			p.idle <- w
			return w.greet()
		})
	}
	if err := starting.Wait(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// greet asks for a first hash. It shows whether the program is a worker of this version, and has the worker take its memory from the
// system, which can take longer than a hash, before somebody waits.
func (w *worker) greet() error {
	ctx, cancel := context.WithTimeout(context.Background(), greetTimeout)
	defer cancel()
	r, err := w.ask(ctx, &request{Operation: opDigest, Salt: []byte("first hash")})
	if err == nil && (r.Version != protocolVersion || len(r.Digest) != hash.DigestBytes) {
		err = errors.New("it gives another answer than a worker")
	}
	if err != nil {
		return fmt.Errorf("start hash worker: is the program of another version? %w", err)
	}
	return nil
}

// Close ends the workers that are idle. Nothing may be called after it.
func (p *Pool) Close() {
	for {
		select {
		case w := <-p.idle:
			if w != nil {
				w.end()
			}
		default:
			return
		}
	}
}

// Verify is hash.Verify. Other errors: the context's, or the system's where no worker can be had.
func (p *Pool) Verify(ctx context.Context, encoded hash.Encoded, password string) (bool, error) {
	r, err := p.compute(ctx, &request{Operation: opVerify, Encoded: encoded.PHC(), Password: password})
	return r.Right, err
}

// Create is hash.Create. Other errors: as of Verify.
func (p *Pool) Create(ctx context.Context, password string, parameters hash.Parameters) (hash.Encoded, error) {
	r, err := p.compute(ctx, &request{Operation: opCreate, Parameters: parameters, Password: password})
	return hash.Encoded(r.Encoded), err
}

// Digest is hash.Digest. Errors: as of Verify, those of package hash aside.
func (p *Pool) Digest(ctx context.Context, password string, salt []byte) ([]byte, error) {
	r, err := p.compute(ctx, &request{Operation: opDigest, Salt: salt, Password: password})
	return r.Digest, err
}

// compute has a worker compute a hash. If the worker breaks, another is started and tries once more: the first may have been killed
// for lack of memory while it was idle.
func (p *Pool) compute(ctx context.Context, q *request) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	var w *worker
	select {
	case w = <-p.idle:
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
	defer func() { p.idle <- w }()
	var broken error
	for range 2 {
		if w == nil {
			var err error
			if w, err = p.start(); err != nil {
				return reply{}, err
			}
		}
		r, err := w.ask(ctx, q)
		if err == nil && r.Version != protocolVersion {
			err = errors.New("it is of another version")
		}
		if err == nil {
			return r, r.err()
		}
		w.end()
		w = nil
		if ctx.Err() != nil {
			return reply{}, ctx.Err()
		}
		slog.Warn("Hash worker ended before it answered and is started again", "error", err)
		broken = err
	}
	return reply{}, fmt.Errorf("hash worker does not answer: %w", broken)
}

// worker is one worker, asked by one caller at a time.
type worker struct {
	requests *gob.Encoder
	replies  *gob.Decoder
	// end ends it, whatever it is doing.
	end func()
}

func newWorker(requests io.Writer, replies io.Reader, end func()) *worker {
	return &worker{requests: gob.NewEncoder(requests), replies: gob.NewDecoder(replies), end: sync.OnceFunc(end)}
}

// ask sends a request and reads the answer. It ends the worker when the context ends: there is no other way to stop a hash.
func (w *worker) ask(ctx context.Context, q *request) (r reply, err error) {
	stop := context.AfterFunc(ctx, w.end)
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
	}()
	if err := w.requests.Encode(q); err != nil {
		return r, err
	}
	err = w.replies.Decode(&r)
	return r, err
}

func startProcess(program string) (*worker, error) {
	command := exec.Command(program, Argument) //nolint:noctx // it outlives the call that starts it: end ends it
	// One hash at a time needs one core.
	command.Env = []string{"GOMAXPROCS=1"}
	if settings := os.Getenv("GODEBUG"); settings != "" {
		command.Env = append(command.Env, "GODEBUG="+settings) // It chooses FIPS 140, for one.
	}
	command.Stderr = os.Stderr
	requests, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start hash worker: %w", err)
	}
	replies, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start hash worker: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start hash worker: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // compute logs that a worker has ended.
	}()
	return newWorker(requests, replies, func() {
		_ = command.Process.Kill() // It may have ended already.
		<-ended
	}), nil
}

func startGoroutine() *worker {
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	go func() { outWriter.CloseWithError(serve(inReader, outWriter, func() {})) }()
	return newWorker(inWriter, outReader, func() {
		_ = inWriter.CloseWithError(io.ErrClosedPipe)
		_ = outReader.CloseWithError(io.ErrClosedPipe)
	})
}
