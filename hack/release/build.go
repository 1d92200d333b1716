package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/keyturn/keyturn/hack/release/archive"
)

// platform is an operating system and an architecture as Go names them.
type platform struct{ system, architecture string }

func (p platform) String() string { return p.system + "_" + p.architecture }

const plugin = "kubectl-account"

// architectures of the images.
func architectures() []string { return []string{"amd64", "arm64"} }

// platforms of the plugin.
func platforms() []platform {
	var all []platform

	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, architecture := range architectures() {
			all = append(all, platform{system, architecture})
		}
	}

	return all
}

// buildPrograms builds the servers and their hash-worker for Linux, and the plugin for every platform.
func (r *release) buildPrograms(ctx context.Context) error {
	for _, p := range platforms() {
		packages := []string{"./cmd/" + plugin}
		if p.system == "linux" {
			packages = append(packages, "./cmd/operator", "./cmd/login", "./cmd/directory", "./cmd/hash-worker")
		}

		say("  for %s", p)

		if err := r.build(ctx, p, packages); err != nil {
			return fmt.Errorf("building for %s: %w", p, err)
		}
	}

	return nil
}

func (r *release) build(ctx context.Context, p platform, packages []string) error {
	args := []string{
		"build", "-trimpath", "-buildvcs=false",
		"-ldflags", fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s", r.version, r.source.commit),
		"-o", filepath.Join(r.programs, p.String()) + string(filepath.Separator),
	}
	command := exec.CommandContext(ctx, "go", append(args, packages...)...)
	command.Dir = r.source.root
	// What a person has set for their own builds must not change a release.
	command.Env = append(os.Environ(), "GOOS="+p.system, "GOARCH="+p.architecture,
		"CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr

	return command.Run()
}

// program returns the path of a program that was built.
func (r *release) program(p platform, name string) string {
	if p.system == "windows" {
		name += ".exe"
	}

	return filepath.Join(r.programs, p.String(), name)
}

// archivePlugins packs kubectl account for each platform, with the license.
func (r *release) archivePlugins(context.Context) error {
	license, err := archive.Read(filepath.Join(r.source.root, "LICENSE"), "LICENSE", 0o644)
	if err != nil {
		return err
	}

	for _, p := range platforms() {
		path := r.program(p, plugin)

		program, err := archive.Read(path, filepath.Base(path), 0o755)
		if err != nil {
			return err
		}

		target := filepath.Join(r.dist, fmt.Sprintf("%s_%s_%s", plugin, r.version, p))
		files := []archive.File{program, license}

		if p.system == "windows" {
			err = archive.Zip(target+".zip", r.source.time, files)
		} else {
			err = archive.TarGzip(target+".tar.gz", r.source.time, files)
		}

		if err != nil {
			return err
		}
	}

	return nil
}
