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

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// commandTimeout is how long one sequence of commands may take.
const commandTimeout = 3 * time.Minute

func kubeconfig() string { return filepath.Join(dir, "kubeconfig") }

// shell runs commands at the root of the repository as a cluster administrator does, and fails the test if one of them fails or if
// they take too long. It returns what they print.
func shell(t *testing.T, script string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()

	kubectl, err := binaries.Find(binaries.Kubectl)
	must(t, err)

	command := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+script)
	command.Dir = root
	command.WaitDelay = time.Second
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig(), "HOME="+dir, "PATH="+filepath.Dir(kubectl)+":"+os.Getenv("PATH"))

	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (%v):\n%s\nprinted:\n%s", err, ctx.Err(), script, printed)
	}

	return string(printed)
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
