package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

var errChartRegistry = fmt.Errorf("values.yaml of the chart does not name the registry %s, which REGISTRY is to replace", defaultRegistry)

// packChart packs charts/keyturn, with the version and the registry of the release.
func (r *release) packChart(ctx context.Context) error {
	if err := os.CopyFS(r.chart, os.DirFS(filepath.Join(r.source.root, "charts", "keyturn"))); err != nil {
		return fmt.Errorf("copying the chart: %w", err)
	}

	if err := setRegistry(filepath.Join(r.chart, "values.yaml"), r.registry); err != nil {
		return err
	}

	// helm archives files with the times that they have.
	if err := setTimes(r.chart, r.source.time); err != nil {
		return err
	}

	command := exec.CommandContext(ctx, r.helm, "package", r.chart,
		"--version", strings.TrimPrefix(r.version, "v"), "--app-version", r.version, "--destination", r.dist)
	// helm says where the archive is; that is said at the end.
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("helm package: %w\n%s", err, output)
	}

	return nil
}

// setRegistry replaces the registry in the values of the chart.
func setRegistry(values, registry string) error {
	content, err := os.ReadFile(filepath.Clean(values))
	if err != nil {
		return err
	}

	if !strings.Contains(string(content), defaultRegistry) {
		return errChartRegistry
	}

	return os.WriteFile(values, []byte(strings.ReplaceAll(string(content), defaultRegistry, registry)), 0o644)
}

// setTimes gives everything in a folder one time.
func setTimes(folder string, to time.Time) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()

	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, root.Chtimes(path, to, to))
	})
}
