package audit

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stream is a stream in memory that can fail or block.
type stream struct {
	mu sync.Mutex
	bytes.Buffer
	// refuse, where set, is the error of every write.
	refuse error
	// blocked, where set, has every write wait until it is closed.
	blocked chan struct{}
}

func (s *stream) Write(p []byte) (int, error) {
	if s.blocked != nil {
		<-s.blocked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return 0, s.refuse
	}
	return s.Buffer.Write(p)
}

func (s *stream) Close() error { return nil }

func (s *stream) failing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func (s *stream) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
}

func TestLogWritesAllBeforeItCloses(t *testing.T) {
	to := &stream{}
	l := newLog(to, "login", prometheus.NewRegistry())
	for range 2000 {
		l.write(Line{Event: EventAttempt, Outcome: OutcomeRefused})
	}
	l.Close()
	l.Close()
	if got := len(to.lines()); got != 2000 {
		t.Errorf("%d lines, want 2000", got)
	}
	if got := testutil.ToFloat64(l.written); got != 2000 {
		t.Errorf("%v counted as written", got)
	}
	l.write(Line{})
	if got := testutil.ToFloat64(l.dropped); got != 1 {
		t.Errorf("%v counted as dropped after the end, want 1", got)
	}
}

// TestLogWritesWhatCameLast: lines that come while others are being written are written, too.
func TestLogWritesWhatCameLast(t *testing.T) {
	for range 20 { // What the writer sees first is left to chance.
		synctest.Test(t, func(t *testing.T) {
			to := &stream{blocked: make(chan struct{})}
			l := newLog(to, "login", prometheus.NewRegistry())
			l.write(Line{Reason: "first"})
			synctest.Wait()
			l.write(Line{Reason: "last"})
			go l.Close()
			synctest.Wait()
			close(to.blocked)
			<-l.stopped
			if got := len(to.lines()); got != 2 {
				t.Fatalf("%d lines, want 2", got)
			}
		})
	}
}

// TestLogCountsEveryLine: each line is counted as written or as lost, also those that come while the log is being closed.
func TestLogCountsEveryLine(t *testing.T) {
	const writers, each = 8, 50
	for range 200 {
		to := &stream{}
		l := newLog(to, "login", prometheus.NewRegistry())
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range each {
					l.write(Line{Event: EventAttempt})
				}
			})
		}
		l.Close()
		all.Wait()
		if written, dropped := testutil.ToFloat64(l.written), testutil.ToFloat64(l.dropped); written+dropped != writers*each {
			t.Fatalf("%v written and %v dropped of %d", written, dropped, writers*each)
		}
	}
}

// TestLogNeverBlocks: a pipe that nobody reads delays neither a login nor the end of the process.
func TestLogNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stream{blocked: make(chan struct{})}
		l := newLog(to, "login", prometheus.NewRegistry())
		for range 3 * maxWaiting {
			l.write(Line{Event: EventAttempt})
			synctest.Wait() // The writer gets as far as it can.
		}
		if got := testutil.ToFloat64(l.dropped); got == 0 || got > 2*maxWaiting {
			t.Errorf("%v lines dropped, want those beyond the bound", got)
		}
		began := time.Now()
		l.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("the end took %s", took)
		}
		close(to.blocked)
	})
}

// TestStdoutThatNobodyReads: the program goes on when nobody reads its standard output any more.
func TestStdoutThatNobodyReads(t *testing.T) {
	const child = "KEYTURN_AUDIT_CHILD"
	if os.Getenv(child) != "" {
		l, err := Open(Stdout, "login", prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		for testutil.ToFloat64(l.dropped) == 0 {
			l.write(Line{Event: EventAttempt})
			runtime.Gosched()
		}
		os.Exit(0)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStdoutThatNobodyReads$")
	command.Env, command.Stdout = append(os.Environ(), child+"=1"), writer
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err != nil {
		t.Errorf("the program has ended: %v", err)
	}
	_ = writer.Close()
}

// TestLogGoesOnAfterAFault: after a failed write the log counts the lines that were lost, and writes the next.
func TestLogGoesOnAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stream{}
		l := newLog(to, "login", prometheus.NewRegistry())
		write := func(reason string) { l.write(Line{Reason: reason}); synctest.Wait() }
		write("first")
		to.failing(errors.New("no space left"))
		write("lost")
		write("lost")
		to.failing(nil)
		write("last")
		l.Close()
		if text := to.String(); strings.Contains(text, "lost") || !strings.Contains(text, "first") || !strings.Contains(text, "\n{") || !strings.Contains(text, "last") {
			t.Errorf("holds %s", text)
		}
		if written, dropped := testutil.ToFloat64(l.written), testutil.ToFloat64(l.dropped); written != 2 || dropped != 2 {
			t.Errorf("%v written and %v dropped, want 2 and 2", written, dropped)
		}
	})
}

// TestOpen: a new file is readable for its owner alone, lines are appended, and the file can be truncated while it is open, as log
// rotation does.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(reasons ...string) {
		t.Helper()
		l, err := Open(path, "operator", prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		for _, reason := range reasons {
			l.write(Line{Reason: reason})
		}
		l.Close()
	}
	write("one")
	write("two")
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || !bytes.Contains(text, []byte(`"reason":"one"`)) {
		t.Errorf("holds %s (%v)", text, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write("three")
	if text, err = os.ReadFile(path); err != nil || text[0] != '{' {
		t.Errorf("after it was cut off it holds %q (%v)", text, err)
	}
	_, err = Open(filepath.Join(path, "no-folder"), "operator", prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "--audit-log") {
		t.Errorf("answered %v, want what to do", err)
	}
}
