//go:build node

package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
	"github.com/keyturn/keyturn/test/node/archive"
	"github.com/keyturn/keyturn/test/node/cluster"
)

const (
	// distVariable names the folder of the release.
	distVariable = "KEYTURN_DIST"
	// previousVariable names the revision from which the test upgrades.
	previousVariable = "KEYTURN_PREVIOUS"
	// previousDefault is the last state of main before there were releases.
	previousDefault = "511b7c2"
	// pauseVariable has the test wait after a failure, for who wants to look at the node.
	pauseVariable = "KEYTURN_NODE_PAUSE"
	// previousTag is that of the images that are built from it.
	previousTag = "previous"
	// networkPlugins is where Debian has the programs of the container network.
	networkPlugins = "/usr/lib/cni"
)

// servers are those that there are images of.
var servers = []string{"operator", "login"}

// dist is the folder of the release.
func dist() string {
	if set := os.Getenv(distVariable); set != "" {
		return set
	}

	return filepath.Join(root, "dist")
}

func previous() string {
	if set := os.Getenv(previousVariable); set != "" {
		return set
	}

	return previousDefault
}

// prepare builds, while there is a network, what the tests need beside the release.
func prepare(ctx context.Context, dir string) error {
	for _, name := range append(binaries.All(), binaries.Node()...) {
		if _, err := binaries.Find(name); err != nil {
			return err
		}
	}

	if err := prepareCommands(ctx, filepath.Join(dir, "bin")); err != nil {
		return err
	}

	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		return err
	}

	for _, server := range servers {
		if err := takeImage(server, images); err != nil {
			return err
		}
	}

	say("Building the image that holds Pods")

	pause := filepath.Join(dir, "pause")
	if err := build(ctx, ".", pause, "./pause"); err != nil {
		return err
	}

	if err := archive.Write(pause+".tar", archive.Image{Name: cluster.SandboxImage, Programs: []string{pause}}); err != nil {
		return err
	}

	if err := os.Rename(pause+".tar", filepath.Join(images, "pause.tar")); err != nil {
		return err
	}

	return preparePrevious(ctx, dir, images)
}

// prepareCommands makes a folder with the commands that administrators use.
func prepareCommands(ctx context.Context, folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}

	kubectl, err := binaries.Find(binaries.Kubectl)
	if err != nil {
		return err
	}

	provision := exec.CommandContext(ctx, "go", "run", "./hack/provision", "tool", "helm")
	provision.Dir, provision.Stderr = root, os.Stderr

	helm, err := provision.Output()
	if err != nil {
		return fmt.Errorf("building helm: %w", err)
	}

	return errors.Join(
		os.Symlink(kubectl, filepath.Join(folder, "kubectl")),
		os.Symlink(strings.TrimSpace(string(helm)), filepath.Join(folder, "helm")),
	)
}

// takeImage puts an image of the release among the others.
func takeImage(server, images string) error {
	name := "keyturn-" + server + "-linux-" + runtime.GOARCH + ".tar"

	path, err := filepath.Abs(filepath.Join(dist(), "images", name))
	if err != nil {
		return err
	}

	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: run make release first, or say in %s where the release is", path, distVariable)
	}

	return os.Symlink(path, filepath.Join(images, name))
}

// build builds a program, or several into a folder, with the build tag of this test.
func build(ctx context.Context, in, into string, packages ...string) error {
	command := exec.CommandContext(ctx, "go", append([]string{"build", "-tags", "node", "-trimpath", "-ldflags", "-s -w", "-o", into}, packages...)...)
	command.Dir = in
	command.Env = append(os.Environ(), "CGO_ENABLED=0")

	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", strings.Join(packages, ", "), err, output)
	}

	return nil
}

// preparePrevious builds the images of the previous state, and a kustomization of its manifests that names them.
func preparePrevious(ctx context.Context, dir, images string) error {
	say("Building the images of %s, from which the test upgrades", previous())

	source := filepath.Join(dir, "previous", "source")
	if err := os.MkdirAll(source, 0o700); err != nil {
		return err
	}

	checkOut := exec.CommandContext(ctx, "bash", "-c", `set -euo pipefail; git archive "$1" | tar -x -C "$2"`, "bash", previous(), source)
	checkOut.Dir = root

	if output, err := checkOut.CombinedOutput(); err != nil {
		return fmt.Errorf("reading the revision %s (a shallow clone lacks it; %s names another): %w\n%s", previous(), previousVariable, err, output)
	}

	programs := filepath.Join(dir, "previous", "bin")
	if err := build(ctx, source, programs+string(filepath.Separator), "./cmd/operator", "./cmd/login", "./cmd/hash-worker"); err != nil {
		return err
	}

	var overlay strings.Builder

	overlay.WriteString("resources: [source/config/default]\nimages:\n")

	for _, server := range servers {
		name := "localhost/keyturn-" + server

		err := archive.Write(filepath.Join(images, "previous-"+server+".tar"), archive.Image{
			Name: name + ":" + previousTag, Programs: []string{filepath.Join(programs, server), filepath.Join(programs, "hash-worker")},
		})
		if err != nil {
			return err
		}

		// Before there were releases the name had no registry.
		for _, former := range []string{"keyturn-", "ghcr.io/keyturn/keyturn-"} {
			fmt.Fprintf(&overlay, "- {name: %s%s, newName: %s, newTag: %s}\n", former, server, name, previousTag)
		}
	}

	return os.WriteFile(filepath.Join(dir, "previous", "kustomization.yaml"), []byte(overlay.String()), 0o600)
}
