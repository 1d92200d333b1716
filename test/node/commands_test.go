//go:build node

package node_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane/process"
)

// commandTimeout is how long one sequence of commands may take.
const commandTimeout = 3 * time.Minute

func kubeconfig() string { return filepath.Join(dir, "kubeconfig") }

func environment() []string {
	return append(os.Environ(), "KUBECONFIG="+kubeconfig(), "HOME="+dir, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
}

// shell runs commands at the root of the repository as a cluster administrator does, and fails the test if one of them fails or if
// they take too long. It returns what they print.
func shell(t *testing.T, script string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()

	command := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+script)
	command.Dir = root
	command.WaitDelay = time.Second
	command.Env = environment()

	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (%v):\n%s\nprinted:\n%s", err, ctx.Err(), script, printed)
	}

	return string(printed)
}

// background runs a command of which a page of the documentation says that it goes on in another terminal, until the test ends.
func background(t *testing.T, command string) {
	t.Helper()

	p, err := process.Start(process.Command{
		Name: "a command in the background", Path: "/bin/bash", Args: []string{"-c", "exec " + strings.TrimSpace(command)}, Env: environment(),
		LogFile: filepath.Join(dir, "logs", "background.log"),
	})
	must(t, err)
	t.Cleanup(p.Kill)
}

// documented returns the blocks of shell commands below a heading of a page of the documentation.
func documented(t *testing.T, page, heading string) (blocks []string) {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	must(t, err)

	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no heading %q", page, heading)
	}

	section, _, _ = strings.Cut(section, "\n## ")

	for {
		_, rest, found := strings.Cut(section, "```shell\n")
		if !found {
			return blocks
		}

		block, rest, _ := strings.Cut(rest, "```")
		blocks, section = append(blocks, block), rest
	}
}

// apply applies manifests on the server side. The arguments are kubectl's.
func apply(t *testing.T, args string) {
	t.Helper()
	shell(t, "kubectl apply --server-side "+args)
}

// eventually tries until the attempt succeeds, and fails the test with what it last said. It returns how long it took.
func eventually(t *testing.T, what string, within time.Duration, attempt func() error) time.Duration {
	t.Helper()

	began := time.Now()

	deadline := time.NewTimer(within)
	defer deadline.Stop()

	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()

	for {
		err := attempt()
		if err == nil {
			return time.Since(began)
		}

		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %s: %v", within, what, err)
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// indent is for texts of several lines.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
