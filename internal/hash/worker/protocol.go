package worker

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/keyturn/keyturn/internal/hash"
)

// operation is what a worker is asked for.
type operation int

const (
	opVerify operation = iota + 1
	opCreate
	opDigest
)

// request is one hash. gob keeps every byte of a password, even if it is not UTF-8.
type request struct {
	Operation  operation
	Password   string
	Encoded    string          // of opVerify
	Parameters hash.Parameters // of opCreate
	Salt       []byte          // of opDigest
}

// String keeps the password out of logs and errors.
func (*request) String() string { return "hash request" }

// GoString is String.
func (q *request) GoString() string { return q.String() }

// LogValue is String.
func (q *request) LogValue() slog.Value { return slog.StringValue(q.String()) }

// protocolVersion must be raised when requests or replies change: gob ignores fields that the other side does not know.
const protocolVersion = 1

// reply is the answer. Failed is 0 for no error, i+1 for hash.Refusals[i], -1 for any other error; Text is the text of the error.
type reply struct {
	Version int
	Right   bool
	Encoded string
	Digest  []byte
	Failed  int
	Text    string
}

// answer computes a hash.
func (q *request) answer() (r reply) {
	r.Version = protocolVersion
	var err error
	switch q.Operation {
	case opVerify:
		r.Right, err = hash.Verify(hash.Encoded(q.Encoded), q.Password)
	case opCreate:
		var encoded hash.Encoded
		encoded, err = hash.Create(q.Password, q.Parameters)
		r.Encoded = encoded.PHC()
	case opDigest:
		r.Digest = hash.Digest(q.Password, q.Salt)
	default:
		err = fmt.Errorf("unknown operation %d", q.Operation)
	}
	if err == nil {
		return r
	}
	r.Failed, r.Text = -1, err.Error()
	for i, known := range hash.Refusals {
		if errors.Is(err, known) {
			r.Failed = i + 1
		}
	}
	return r
}

// err returns the error of the worker.
func (r *reply) err() error {
	switch {
	case r.Failed == 0:
		return nil
	case r.Failed > 0 && r.Failed <= len(hash.Refusals):
		return &failure{text: r.Text, kind: hash.Refusals[r.Failed-1]}
	default:
		return errors.New(r.Text)
	}
}

// failure is an error of package hash that came from a worker.
type failure struct {
	text string
	kind error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.kind }

// keptMemory is how many bytes of memory a worker keeps for the next hash. It returns all to the system after a costlier hash.
const keptMemory = 64 << 20

// serve answers requests until there are no more. free runs after each.
func serve(in io.Reader, out io.Writer, free func()) error {
	requests, replies := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		q := request{}
		if err := requests.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if err := replies.Encode(q.answer()); err != nil {
			return fmt.Errorf("answer request: %w", err)
		}
		free()
	}
}

// freeMemory frees the memory of the last hash.
func freeMemory() {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(heap)
	if heap[0].Value.Uint64()+heap[1].Value.Uint64() > keptMemory {
		debug.FreeOSMemory()
		return
	}
	runtime.GC()
}
