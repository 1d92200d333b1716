package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/hack/release/archive"
)

// TestCheckVersion: only complete semantic versions name a release.
func TestCheckVersion(t *testing.T) {
	for version, ok := range map[string]bool{
		"v0.1.0": true, "v1.20.3": true, "v1.0.0-rc.1": true, "v1.0.0-alpha": true,
		"": false, "0.1.0": false, "v1": false, "v1.2": false, "v1.2.3.4": false, "v01.2.3": false, "v1.0.0+build": false,
		"511b7c2-dirty": false, "latest": false, "v1.0.0 ": false, "v1.0.0-": false,
	} {
		err := checkVersion(version)
		if (err == nil) != ok || (!ok && !errors.Is(err, errVersion)) {
			t.Errorf("checkVersion(%q) = %v", version, err)
		}
	}
}

// repository makes a git repository with one commit, of 2026-11-29T12:00:00Z.
func repository(t *testing.T) string {
	t.Helper()

	folder := t.TempDir()
	write(t, filepath.Join(folder, "file"), "content")

	for _, args := range [][]string{{"init", "-q"}, {"add", "file"}, {"commit", "-q", "-m", "Begin"}} {
		command := exec.CommandContext(t.Context(), "git", append([]string{"-C", folder}, args...)...)

		command.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-11-29T12:00:00Z", "GIT_CONFIG_GLOBAL=/dev/null")
		for _, role := range []string{"AUTHOR", "COMMITTER"} {
			command.Env = append(command.Env, "GIT_"+role+"_NAME=Jo", "GIT_"+role+"_EMAIL=jo@example.org")
		}

		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, output)
		}
	}

	return folder
}

// TestReadSource: a release is of the commit and has its time, or the one that is set.
func TestReadSource(t *testing.T) {
	t.Setenv(epochVariable, "")

	folder := repository(t)

	found, err := readSource(t.Context(), folder, false)
	must(t, err)

	if want := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC); len(found.commit) != 40 || !found.time.Equal(want) {
		t.Errorf("readSource() = %+v, want a full hash and the time %v", found, want)
	}

	t.Setenv(epochVariable, "1700000000")

	found, err = readSource(t.Context(), folder, false)
	must(t, err)

	if found.time.Unix() != 1700000000 {
		t.Errorf("the time is %v", found.time)
	}

	t.Setenv(epochVariable, "yesterday")

	if _, err := readSource(t.Context(), folder, false); err == nil || !strings.Contains(err.Error(), epochVariable) {
		t.Errorf("readSource() = %v", err)
	}
}

// TestUncommitted: what is not committed is refused, and where it is allowed the release does not claim to be the commit.
func TestUncommitted(t *testing.T) {
	for what, file := range map[string]string{"a changed file": "file", "a new file": "new"} {
		folder := repository(t)
		write(t, filepath.Join(folder, file), "changed")

		if _, err := readSource(t.Context(), folder, false); !errors.Is(err, errUncommitted) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: readSource() = %v", what, err)
		}

		found, err := readSource(t.Context(), folder, true)
		must(t, err)

		if !strings.HasSuffix(found.commit, "-dirty") {
			t.Errorf("%s: the commit is %q", what, found.commit)
		}
	}
}

// TestPrepare: an earlier release is deleted, complete or not, and nothing else.
func TestPrepare(t *testing.T) {
	for what, tt := range map[string]struct {
		name, content string
		ok            bool
	}{
		"complete":            {archive.ChecksumsName, "1  data.yaml\n2  directory.yaml\n3  guard.yaml\n4  install.yaml\n5  servers.yaml\n", true},
		"incomplete":          {incompleteName, incompleteText, true},
		"somebody's":          {"thesis.doc", "", false},
		"somebody's sums":     {archive.ChecksumsName, "1  debian.iso\n", false},
		"somebody's mark":     {incompleteName, "", false},
		"sums of another one": {archive.ChecksumsName, "1  install.yaml\n", false},
	} {
		dist := filepath.Join(t.TempDir(), "dist")
		must(t, os.MkdirAll(filepath.Join(dist, "images"), 0o755))
		write(t, filepath.Join(dist, tt.name), tt.content)

		err := prepare(dist)
		if tt.ok {
			must(t, err)
		} else if !errors.Is(err, errNotARelease) {
			t.Errorf("%s: prepare() = %v", what, err)
		}

		if exists(filepath.Join(dist, "images")) == tt.ok {
			t.Errorf("%s: the folder is as it should not be", what)
		}
	}

	fresh := filepath.Join(t.TempDir(), "a", "b")
	must(t, prepare(fresh))

	if !exists(filepath.Join(fresh, incompleteName)) {
		t.Error("the release that is being made is not marked as incomplete")
	}
}

// TestFinish: a complete release has checksums and is not marked any more.
func TestFinish(t *testing.T) {
	r := release{options: options{dist: t.TempDir()}}
	must(t, prepare(r.dist))
	write(t, filepath.Join(r.dist, "install.yaml"), "")
	must(t, r.finish(t.Context()))

	if content := read(t, filepath.Join(r.dist, archive.ChecksumsName)); !strings.HasSuffix(content, "  install.yaml\n") || strings.Count(content, "\n") != 1 {
		t.Errorf("the checksums are %q", content)
	}
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()

	content, err := os.ReadFile(path)
	must(t, err)

	return string(content)
}
