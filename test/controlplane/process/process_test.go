package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane/process"
)

// parentVariable makes the test binary play a parent that starts a child, prints its process ID and hangs.
const parentVariable = "KEYTURN_TEST_PARENT_LOG"

func TestMain(m *testing.M) {
	if log := os.Getenv(parentVariable); log != "" {
		child, err := process.Start(process.Command{Name: "child", Path: "/bin/sleep", Args: []string{"600"}, LogFile: log})
		if err != nil {
			panic(err)
		}

		fmt.Println(child.Pid())
		<-child.Done()
		os.Exit(1)
	}

	os.Exit(m.Run())
}

func start(t *testing.T, script string) *process.Process {
	t.Helper()

	p, err := process.Start(process.Command{
		Name: "sample", Path: "/bin/sh", Args: []string{"-c", script}, LogFile: filepath.Join(t.TempDir(), "sample.log"),
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(p.Kill)

	return p
}

func TestExitIsReportedWithItsLog(t *testing.T) {
	p := start(t, "echo first; echo the reason >&2; exit 3")
	<-p.Done()

	err := p.Err()
	if !errors.Is(err, process.ErrExited) {
		t.Fatalf("Err() = %v, want ErrExited", err)
	}

	for _, part := range []string{"sample", "exit status 3", p.LogFile(), "the reason"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
}

func TestErrIsNilWhileRunning(t *testing.T) {
	p := start(t, "exec sleep 600")
	if err := p.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func TestStartOfAMissingProgram(t *testing.T) {
	_, err := process.Start(process.Command{
		Name: "nothing", Path: "/no/such/program", LogFile: filepath.Join(t.TempDir(), "log"),
	})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start() = %v, want ErrNotExist", err)
	}
}

func TestStop(t *testing.T) {
	tests := map[string]struct {
		script string
		grace  time.Duration
		want   string
	}{
		"asks first":         {"trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done", time.Minute, "exit status 7"},
		"kills the stubborn": {"trap '' TERM; echo up; while :; do sleep 0.01; done", 50 * time.Millisecond, "killed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.script)
			waitForOutput(t, p)
			p.Stop(tt.grace)

			if err := p.Err(); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Err() = %v, want %q", err, tt.want)
			}

			p.Stop(time.Minute) // ended before: returns at once
		})
	}
}

func TestWaitReady(t *testing.T) {
	t.Run("ready", func(t *testing.T) {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)

		if err := start(t, "exec sleep 600").WaitReady(t.Context(), process.HTTPReady(server.Client(), server.URL)); err != nil {
			t.Error(err)
		}
	})

	t.Run("ends", func(t *testing.T) {
		err := start(t, "exit 1").WaitReady(t.Context(), func(context.Context) error { return errors.New("refused") })
		if !errors.Is(err, process.ErrExited) {
			t.Errorf("WaitReady() = %v, want ErrExited", err)
		}
	})

	t.Run("too slow", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()

		refused := errors.New("refused")

		err := start(t, "exec sleep 600").WaitReady(ctx, func(context.Context) error { return refused })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, refused) {
			t.Errorf("WaitReady() = %v, want the deadline and what the probe last said", err)
		}
	})
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a child's life to its parent's")
	}

	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"="+filepath.Join(t.TempDir(), "child.log"))

	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}

	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}

	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	_ = parent.Wait()

	eventually(t, "the child is gone", func() bool { return !running(pid) })
}

// running is false for a process that is gone and for one that only waits to be reaped.
func running(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
	}

	_, rest, _ := strings.Cut(string(status), ") ")

	return !strings.HasPrefix(rest, "Z")
}

func waitForOutput(t *testing.T, p *process.Process) {
	t.Helper()
	eventually(t, "output", func() bool {
		log, err := os.ReadFile(p.LogFile())

		return err == nil && len(log) > 0
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()

	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)

	defer tick.Stop()

	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}
