package uninstall_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bound is how long one sequence of commands may take. Deleting a namespace takes the most, some ten seconds on an idle machine.
const bound = 3 * time.Minute

// commands are the sequences of docs/uninstall.md.
type commands struct{ keep, install, remove string }

func documented(t *testing.T) commands {
	t.Helper()

	keep, remove := blocks(t, "## Keep everything", 2), blocks(t, "## Remove everything", 1)

	return commands{keep: keep[0], install: keep[1], remove: remove[0]}
}

// blocks are the blocks of shell commands below a heading of docs/uninstall.md.
func blocks(t *testing.T, heading string, count int) (all []string) {
	t.Helper()

	page, err := os.ReadFile(filepath.Join(root, "docs", "uninstall.md"))
	if err != nil {
		t.Fatal(err)
	}

	_, section, found := strings.Cut(string(page), heading+"\n")
	if !found {
		t.Fatalf("docs/uninstall.md has no heading %q", heading)
	}

	section, _, _ = strings.Cut(section, "\n## ")

	for {
		_, rest, found := strings.Cut(section, "```shell\n")
		if !found && len(all) != count {
			t.Fatalf("docs/uninstall.md has %d blocks of commands below %q, want %d", len(all), heading, count)
		}

		if !found {
			return all
		}

		block, rest, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("a block of commands below %q has no end", heading)
		}

		all = append(all, block)
		section = rest
	}
}

// shell runs commands at the root of the repository as a cluster administrator does, and fails the test if they take longer than
// the bound. It returns what they print and the error of the last one.
func shell(t *testing.T, script string) (output string, err error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()

	command := exec.CommandContext(ctx, "bash", "-c", script)
	command.Dir = root
	command.WaitDelay = time.Second // a kubectl that the shell has started is killed with the control plane at the latest
	command.Env = append(os.Environ(),
		"KUBECONFIG="+filepath.Join(dir, "kubeconfig"), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))

	printed, err := command.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("not within %s:\n%s\nprinted:\n%s", bound, script, printed)
	}

	return string(printed), err
}

// mustShell runs commands of which none may fail.
func mustShell(t *testing.T, script string) {
	t.Helper()

	if output, err := shell(t, "set -euo pipefail\n"+script); err != nil {
		t.Fatalf("%v:\n%s\nprinted:\n%s", err, script, output)
	}
}

// eventually tries until the attempt succeeds, and fails the test with what it last said.
func eventually(t *testing.T, what string, attempt func() error) {
	t.Helper()

	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()

	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()

	for {
		err := attempt()
		if err == nil {
			return
		}

		select {
		case <-deadline.C:
			t.Fatalf("not within a minute: %s: %v", what, err)
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
