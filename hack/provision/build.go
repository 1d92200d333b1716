package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/keyturn/keyturn/hack/internal/lock"
)

// progressInterval is how often a long build says that it goes on.
const progressInterval = 30 * time.Second

// binary is one program to build.
type binary struct {
	name, version string
	module, pkg   string // the folder of the module that requires it, and its package
	ldflags, tags string
	takes         string // how long a build takes with cold caches on two cores, to tell the person who waits
}

// build builds the binary into dir unless it is there. It gets its name in one step, when it is complete. Of two builds at once the
// second waits for the first.
func (b binary) build(ctx context.Context, dir string) error {
	target := filepath.Join(dir, b.name)
	if exists(target) {
		return nil
	}

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the cache folder: %w", err)
	}

	held, err := lock.Wait(ctx, filepath.Join(dir, "."+b.name+".lock"), func(error) {
		say("Waiting for another build of %s %s ...", b.name, b.version)
	})
	if err != nil {
		return fmt.Errorf("building %s: %w", b.name, err)
	}
	defer held.Release()

	if exists(target) {
		return nil
	}

	say("Building %s %s from source, this takes %s the first time ...", b.name, b.version, b.takes)

	began := time.Now()
	// One name for all attempts, which the lock allows: what an interrupted one left is overwritten.
	partial := filepath.Join(dir, "."+b.name+".partial")

	if err := b.compile(ctx, partial, began); err != nil {
		return fmt.Errorf("building %s %s: %w", b.name, b.version, err)
	}

	if err := os.Rename(partial, target); err != nil {
		return fmt.Errorf("putting %s in its place: %w", b.name, err)
	}

	say("Built %s in %s: %s", b.name, time.Since(began).Round(time.Second), target)

	return nil
}

// compile runs the go command, and reports progress.
func (b binary) compile(ctx context.Context, output string, began time.Time) error {
	command := exec.CommandContext(ctx, "go", "build", "-C", b.module, "-trimpath", "-tags", b.tags, "-ldflags", b.ldflags,
		"-o", output, b.pkg)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }

	if err := command.Start(); err != nil {
		return err
	}

	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()

	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()

	for {
		select {
		case err := <-ended:
			return err
		case <-ticker.C:
			say("... still building %s, %s so far", b.name, time.Since(began).Round(time.Second))
		}
	}
}

func exists(path string) bool {
	info, err := os.Stat(path)

	return err == nil && info.Mode().IsRegular()
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
