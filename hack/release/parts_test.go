package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a release whose programs are there.
func sample(t *testing.T) *release {
	t.Helper()

	r := &release{
		options:  options{version: "v0.1.0", registry: "registry.example/team", dist: t.TempDir()},
		source:   source{root: t.TempDir(), commit: "0123456789abcdef", time: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)},
		programs: t.TempDir(), overlay: t.TempDir(),
	}
	write(t, filepath.Join(r.source.root, "LICENSE"), "the license")

	for _, p := range platforms() {
		must(t, os.Mkdir(filepath.Join(r.programs, p.String()), 0o755))

		for _, name := range []string{plugin, "operator", "login", "directory", worker} {
			write(t, r.program(p, name), name+" for "+p.String())
		}
	}

	return r
}

// TestArchivePlugins: there is an archive for each platform, with the program of the platform and the license in it.
func TestArchivePlugins(t *testing.T) {
	r := sample(t)
	must(t, r.archivePlugins(t.Context()))

	for _, p := range platforms() {
		contents := map[string]string{}

		if path := filepath.Join(r.dist, "kubectl-account_v0.1.0_"+p.String()); p.system == "windows" {
			readZip(t, path+".zip", contents)
		} else {
			readTarGzip(t, path+".tar.gz", contents)
		}

		program := plugin
		if p.system == "windows" {
			program += ".exe"
		}

		if len(contents) != 2 || contents[program] != plugin+" for "+p.String() || contents["LICENSE"] != "the license" {
			t.Errorf("the archive for %s has %v", p, contents)
		}
	}

	if entries, err := os.ReadDir(r.dist); err != nil || len(entries) != 6 {
		t.Errorf("there are %d archives: %v", len(entries), err)
	}
}

func readTarGzip(t *testing.T, path string, contents map[string]string) {
	t.Helper()

	file, err := os.Open(path)
	must(t, err)

	defer file.Close()

	compressed, err := gzip.NewReader(file)
	must(t, err)

	for files := tar.NewReader(compressed); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}

		must(t, err)

		content, err := io.ReadAll(files)
		must(t, err)

		contents[header.Name] = string(content)
	}
}

func readZip(t *testing.T, path string, contents map[string]string) {
	t.Helper()

	files, err := zip.OpenReader(path)
	must(t, err)

	defer func() { must(t, files.Close()) }()

	for _, entry := range files.File {
		file, err := entry.Open()
		must(t, err)

		content, err := io.ReadAll(file)
		must(t, err)

		contents[entry.Name] = string(content)
	}
}

// TestWriteImages: each server has a layout and an archive for each architecture.
func TestWriteImages(t *testing.T) {
	r := sample(t)
	must(t, r.writeImages(t.Context()))

	entries, err := os.ReadDir(filepath.Join(r.dist, "images"))
	must(t, err)

	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}

	want := []string{
		"keyturn-directory", "keyturn-directory-linux-amd64.tar", "keyturn-directory-linux-arm64.tar",
		"keyturn-login", "keyturn-login-linux-amd64.tar", "keyturn-login-linux-arm64.tar",
		"keyturn-operator", "keyturn-operator-linux-amd64.tar", "keyturn-operator-linux-arm64.tar",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the images are %v, want %v", got, want)
	}
}

// TestCheckImages: manifests that name another image than those of the release, or lack one, are refused.
func TestCheckImages(t *testing.T) {
	r := sample(t)

	const login, operator = "      - image: registry.example/team/keyturn-login:v0.1.0\n", "        image: registry.example/team/keyturn-operator:v0.1.0\n"

	const directory = "        image: registry.example/team/keyturn-directory:v0.1.0\n"

	for manifests, ok := range map[string]bool{
		login + operator:             true,
		login:                        false,
		login + operator + directory: false,
		login + "        image: keyturn-operator:latest\n":   false,
		login + operator + "        image: busybox:latest\n": false,
	} {
		if err := r.checkImages(manifests, []string{"operator", "login"}); (err == nil) != ok || (!ok && !errors.Is(err, errImages)) {
			t.Errorf("checkImages(%q) = %v", manifests, err)
		}
	}
}

// TestParts: a file that is applied or deleted by itself starts exactly the servers that belong to it.
func TestParts(t *testing.T) {
	want := map[string][]string{
		"install.yaml": {"operator", "login"}, "servers.yaml": {"operator", "login"}, "data.yaml": nil, "guard.yaml": nil, "directory.yaml": {"directory"},
	}

	for _, p := range parts() {
		runs, known := want[p.file]
		if !known || !slices.Equal(runs, p.runs) {
			t.Errorf("%s runs %v, want %v", p.file, p.runs, runs)
		}

		delete(want, p.file)
	}

	if len(want) > 0 {
		t.Errorf("these parts are missing: %v", want)
	}
}

// TestOverlay: the overlay names config/default by a relative path, as kustomize asks.
func TestOverlay(t *testing.T) {
	r := sample(t)
	must(t, os.MkdirAll(filepath.Join(r.source.root, "config", "default"), 0o755))

	must(t, r.writeOverlay("default"))

	_, base, _ := strings.Cut(read(t, filepath.Join(r.overlay, "kustomization.yaml")), "resources:\n- ")
	base, _, _ = strings.Cut(base, "\n")

	if !strings.HasPrefix(base, "../") || !exists(filepath.Join(r.overlay, base)) {
		t.Errorf("the overlay stands on %q", base)
	}
}

// TestSetRegistry: the chart takes the images from the registry of the release.
func TestSetRegistry(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	write(t, values, "# Where the images are.\nimage:\n  registry: ghcr.io/keyturn\n")
	must(t, setRegistry(values, "registry.example/team"))

	if got, want := read(t, values), "# Where the images are.\nimage:\n  registry: registry.example/team\n"; got != want {
		t.Errorf("the values are %q, want %q", got, want)
	}

	if err := setRegistry(values, "other.example"); !errors.Is(err, errChartRegistry) {
		t.Errorf("setRegistry() of values that name no registry to replace = %v", err)
	}
}

// TestWithoutToolHashes: the hashes of the tool are taken out of a list, and those of the modules are kept.
func TestWithoutToolHashes(t *testing.T) {
	const list = `{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
  "metadata": {"tools": [{"vendor": "CycloneDX", "name": "cyclonedx-gomod", "hashes": [{"alg": "MD5", "content": "of-the-tool"}]}]},
  "components": [{"type": "library", "name": "example.org/module", "version": "v1.0.0", "hashes": [{"alg": "SHA-256", "content": "of-the-module"}]}]}`

	got, err := withoutToolHashes([]byte(list))
	must(t, err)

	if text := string(got); strings.Contains(text, "of-the-tool") || !strings.Contains(text, "of-the-module") || !strings.Contains(text, "cyclonedx-gomod") {
		t.Errorf("the list is %s", text)
	}
}
