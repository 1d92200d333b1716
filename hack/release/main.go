package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keyturn/keyturn/hack/release/archive"
)

// defaultRegistry is the one that the manifests and the chart name.
const defaultRegistry = "ghcr.io/keyturn"

// options are what the command line says.
type options struct {
	version, registry, dist       string
	kubectl, cyclonedxGomod, helm string
	allowUncommitted              bool
}

// release is one release in the making.
type release struct {
	options
	source source
	// programs has a folder for each platform, with the programs built for it. overlay and chart are for what is put together there.
	programs, overlay, chart string
}

func main() {
	o := options{}
	flag.StringVar(&o.version, "version", "", "version of the release, such as v0.1.0")
	flag.StringVar(&o.registry, "registry", defaultRegistry, "where the images will be")
	flag.StringVar(&o.dist, "dist", "", "folder to write the release to; an earlier release in it is deleted")
	flag.StringVar(&o.kubectl, "kubectl", "kubectl", "path of kubectl")
	flag.StringVar(&o.cyclonedxGomod, "cyclonedx-gomod", "cyclonedx-gomod", "path of cyclonedx-gomod")
	flag.StringVar(&o.helm, "helm", "helm", "path of helm")
	flag.BoolVar(&o.allowUncommitted, "allow-uncommitted", false, "release what is not committed, to try a release")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run makes the release.
func run(ctx context.Context, o options) (err error) {
	if err := checkVersion(o.version); err != nil {
		return err
	}

	found, err := readSource(ctx, ".", o.allowUncommitted)
	if err != nil {
		return err
	}

	if err := prepare(o.dist); err != nil {
		return err
	}

	scratch, err := os.MkdirTemp("", "keyturn-release-")
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	return (&release{
		options: o, source: found,
		programs: filepath.Join(scratch, "programs"), overlay: filepath.Join(scratch, "overlay"), chart: filepath.Join(scratch, "chart"),
	}).make(ctx)
}

// make makes the parts of the release, one after the other.
func (r *release) make(ctx context.Context) error {
	say("Releasing Keyturn %s, commit %s of %s", r.version, r.source.commit, r.source.time.Format(time.RFC3339))

	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"Building the programs", r.buildPrograms},
		{"Writing the images", r.writeImages},
		{"Writing the lists of modules", r.writeSBOMs},
		{"Writing the manifests", r.writeManifests},
		{"Packing the chart", r.packChart},
		{"Packing kubectl account", r.archivePlugins},
		{"Copying the health check of Argo CD", r.copyHealthCheck},
		{"Writing the checksums", r.finish},
	} {
		began := time.Now()

		say("%s ...", step.what)

		if err := step.do(ctx); err != nil {
			return err
		}

		say("  done in %s", time.Since(began).Round(time.Millisecond))
	}

	say("The release is in %s", r.dist)

	return nil
}

// incompleteName is a file that a release has while it is being made, and incompleteText what it says.
const incompleteName, incompleteText = "INCOMPLETE", "A release of Keyturn is being made here.\n"

var errNotARelease = errors.New("is not empty and has no release in it; choose another folder with DIST=, or empty it")

// prepare empties the folder. It deletes nothing but a release.
func prepare(dist string) error {
	if dist == "" {
		return errors.New("say with -dist where to write the release")
	}

	entries, err := os.ReadDir(dist)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	if len(entries) > 0 && !isRelease(dist) {
		return fmt.Errorf("%s %w", dist, errNotARelease)
	}

	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dist, entry.Name())); err != nil {
			return err
		}
	}

	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(dist, incompleteName), []byte(incompleteText), 0o644)
}

// isRelease tells whether a folder has a release in it, complete or not: by the checksums of all its manifests, or by the mark of one that is
// being made.
func isRelease(dist string) bool {
	if mark, err := os.ReadFile(filepath.Join(dist, incompleteName)); err == nil && string(mark) == incompleteText {
		return true
	}

	checksums, err := os.ReadFile(filepath.Join(dist, archive.ChecksumsName))

	return err == nil && !slices.ContainsFunc(parts(), func(p part) bool { return !strings.Contains(string(checksums), "  "+p.file+"\n") })
}

// finish writes the checksums: a release that has them is complete.
func (r *release) finish(context.Context) error {
	mark := filepath.Join(r.dist, incompleteName)
	if err := os.Remove(mark); err != nil {
		return err
	}

	if err := archive.WriteChecksums(r.dist); err != nil {
		return errors.Join(err, os.WriteFile(mark, []byte(incompleteText), 0o644))
	}

	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)

	return err == nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
