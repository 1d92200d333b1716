package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// Stdout is the path that stands for standard output.
	Stdout = "-"
	// maxWaiting is how many lines may wait to be written. At about 400 bytes each, they take 2 MiB at most.
	maxWaiting = 4096
	// closeTimeout is how long writing the last lines may take. A pipe that nobody reads would keep the process from ending.
	closeTimeout = 2 * time.Second
)

// Log is a stream of lines. It is safe for concurrent use. The methods of a nil Log do nothing.
type Log struct {
	server string
	to     io.WriteCloser
	lines  chan []byte

	stopped chan struct{}

	mu     sync.RWMutex
	closed bool

	written, dropped prometheus.Counter
}

// Open opens the audit log of a server: Stdout, or a file, to which it appends. A new file is readable for its owner alone.
func Open(path, server string, registry prometheus.Registerer) (*Log, error) {
	to := os.Stdout
	if path == Stdout {
		// By default, Go ends a program when nobody reads its standard output any more. This one loses lines, and counts them.
		signal.Ignore(syscall.SIGPIPE)
	} else {
		var err error
		if to, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return nil, fmt.Errorf("open the audit log: give --audit-log a file that can be written, or - for standard output: %w", err)
		}
	}
	return newLog(to, server, registry), nil
}

func newLog(to io.WriteCloser, server string, registry prometheus.Registerer) *Log {
	l := &Log{
		server: server, to: to,
		lines: make(chan []byte, maxWaiting), stopped: make(chan struct{}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyturn_audit_lines_written_total",
			Help: "Lines written to the audit log.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyturn_audit_lines_dropped_total",
			Help: "Lines of the audit log that could not be written, or came faster than they could be.",
		}),
	}
	registry.MustRegister(l.written, l.dropped)
	go l.run()
	return l
}

// write hands a line to the goroutine that writes. It never blocks.
func (l *Log) write(line Line) {
	if l == nil {
		return
	}
	line.Server, line.Time = l.server, line.Time.UTC().Round(0)
	text, err := json.Marshal(line)
	if err != nil { // Never: a line has nothing but text and times.
		l.dropped.Inc()
		return
	}
	l.mu.RLock() // Close waits for the lock, so that it writes this line, too.
	defer l.mu.RUnlock()
	if l.closed {
		l.dropped.Inc()
		return
	}
	select {
	case l.lines <- append(text, '\n'):
	default:
		l.dropped.Inc()
	}
}

// run writes all lines that are waiting, in one go, and waits for the next, until Close.
func (l *Log) run() {
	defer close(l.stopped)
	out := batch{buffer: bufio.NewWriterSize(l.to, 64<<10), log: l}
	for line := range l.lines {
		out.add(line)
		if len(l.lines) == 0 {
			out.flush()
		}
	}
}

// Close writes the lines that are waiting, for closeTimeout at most, and closes the stream.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	if !l.closed {
		close(l.lines)
	}
	l.closed = true
	l.mu.Unlock()
	select {
	case <-l.stopped:
		_ = l.to.Close()
	case <-time.After(closeTimeout):
		slog.Warn("The last lines of the audit log were not taken in time", "waiting", len(l.lines))
	}
}

// batch is a number of lines on their way into the stream.
type batch struct {
	buffer *bufio.Writer
	log    *Log
	// lines in the buffer.
	lines int
	// failed tells that the last flush has failed.
	failed bool
}

func (b *batch) add(line []byte) {
	if b.buffer.Available() < len(line) {
		b.flush()
	}
	if b.failed && b.lines == 0 {
		_ = b.buffer.WriteByte('\n') // The stream may end in a part of a line.
	}
	_, _ = b.buffer.Write(line) // flush returns the error.
	b.lines++
}

// flush writes the lines to the stream. Where that fails, they are lost; the next flush tries again with the lines after them.
func (b *batch) flush() {
	if b.lines == 0 {
		return
	}
	err := b.buffer.Flush()
	if err != nil {
		b.buffer.Reset(b.log.to)
		b.log.dropped.Add(float64(b.lines))
	} else {
		b.log.written.Add(float64(b.lines))
	}
	if err != nil && !b.failed {
		slog.Error("The audit log cannot be written; logins go on, and lines are lost until it can", "error", err)
	}
	b.failed, b.lines = err != nil, 0
}
