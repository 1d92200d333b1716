package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/internal/installation"
)

// server is one of Keyturn's, which can be killed and started again. Each start has a log of its own.
type server struct {
	name, path, dir string
	args            []string
	readyURL        string

	mu      sync.Mutex
	starts  int
	process *process.Process
}

var (
	allLogs   []string
	allLogsMu sync.Mutex
)

// newServer prepares a server that runs under a token of its own ServiceAccount.
func newServer(ctx context.Context, dir, name, health string, args ...string) (*server, error) {
	kubeconfig := filepath.Join(dir, name+".kubeconfig")
	if err := installation.Kubeconfig(ctx, plane, name, kubeconfig); err != nil {
		return nil, err
	}

	s := &server{name: name, path: filepath.Join(dir, name), dir: dir, readyURL: "http://" + health + "/readyz"}
	s.args = append(append([]string{"--kubeconfig=" + kubeconfig}, s.always()...), args...)

	return s, nil
}

// always are the arguments that a server of these tests has unless it is given others.
func (s *server) always() []string {
	if filepath.Base(s.path) == "directory" {
		return nil // it has no audit log
	}

	arguments := []string{"--audit-log=" + s.auditLog()}

	if filepath.Base(s.path) == "login" {
		// All people of the tests have one address, and fail more often than those of an office do.
		arguments = append(arguments, "--address-failures-per-minute=0")
	}

	return arguments
}

// auditLog is the file of a server's audit log, of all its lives.
func (s *server) auditLog() string { return filepath.Join(s.dir, s.name+"-audit.log") }

// replica is another server of the same kind, with further arguments. Its port of health is its own.
func (s *server) replica(t *testing.T, name string, healthFlag string, args ...string) *server {
	t.Helper()

	port, err := controlplane.FreePort(0)
	if err != nil {
		t.Fatal(err)
	}

	health := controlplane.Address(port)
	r := s.sibling(name, health, append([]string{healthFlag + "=" + health}, args...)...)

	t.Cleanup(r.kill)

	return r
}

// sibling prepares another server of the same kind, under the same token.
func (s *server) sibling(name, health string, args ...string) *server {
	r := &server{name: name, path: s.path, dir: s.dir, readyURL: "http://" + health + "/readyz"}
	r.args = append(append([]string{s.args[0]}, r.always()...), args...)

	return r
}

// launch starts the server without waiting for it.
func (s *server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.starts++
	logFile := filepath.Join(s.dir, fmt.Sprintf("%s-%02d.log", s.name, s.starts))

	// It is there even if the server does not get to it: the search for leaks reads it.
	audit, err := os.OpenFile(s.auditLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}

	if err := audit.Close(); err != nil {
		return err
	}

	allLogsMu.Lock()

	allLogs = append(allLogs, logFile)
	if !slices.Contains(allLogs, s.auditLog()) {
		allLogs = append(allLogs, s.auditLog())
	}

	allLogsMu.Unlock()

	s.process, err = process.Start(process.Command{Name: s.name, Path: s.path, Args: s.args, LogFile: logFile})

	return err
}

func (s *server) waitReady(ctx context.Context) error {
	return s.process.WaitReady(ctx, process.HTTPReady(&http.Client{Timeout: 5 * time.Second}, s.readyURL))
}

// start starts the server and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	if err := s.launch(); err != nil {
		t.Fatal(err)
	}

	if err := s.waitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server as a crash would.
func (s *server) kill() {
	if s == nil || s.process == nil {
		return
	}

	s.process.Kill()
}

// isRunning fails the test if the server has ended on its own.
func (s *server) isRunning(t *testing.T) {
	t.Helper()

	if err := s.process.Err(); err != nil {
		t.Fatal(err)
	}
}

// logs returns what all servers have written in all their lives.
func logs() (map[string][]byte, error) {
	allLogsMu.Lock()
	defer allLogsMu.Unlock()

	content := make(map[string][]byte, len(allLogs))

	for _, path := range allLogs {
		log, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, err
		}

		content[path] = log
	}

	return content, nil
}
