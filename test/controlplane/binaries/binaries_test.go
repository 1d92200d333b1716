package binaries_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

func TestFind(t *testing.T) {
	assets, cacheHome := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cacheHome)

	cache, err := binaries.CacheDir()
	if err != nil {
		t.Fatal(err)
	}

	write(t, filepath.Join(assets, "etcd"), 0o755)
	write(t, filepath.Join(assets, "kubectl"), 0o644)
	write(t, filepath.Join(cache, "etcd"), 0o755)
	write(t, filepath.Join(cache, "kube-apiserver"), 0o755)
	write(t, filepath.Join(cache, "kubectl"), 0o755)

	tests := map[string]struct {
		assets string
		name   binaries.Name
		want   string
		err    error
	}{
		"assets go first":              {assets, binaries.Etcd, filepath.Join(assets, "etcd"), nil},
		"no assets set":                {"", binaries.Etcd, filepath.Join(cache, "etcd"), nil},
		"missing from the assets":      {assets, binaries.APIServer, filepath.Join(cache, "kube-apiserver"), nil},
		"not executable in the assets": {assets, binaries.Kubectl, filepath.Join(cache, "kubectl"), nil},
		"in neither":                   {assets, binaries.ControllerManager, "", binaries.ErrNotBuilt},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv(binaries.AssetsVariable, tt.assets)

			got, err := binaries.Find(tt.name)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Find(%s) = %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
			}

			if err != nil && !strings.Contains(err.Error(), "make control-plane") {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}

// TestMissingProgramOfANode: who lacks a program of a node is told the target that builds it.
func TestMissingProgramOfANode(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())

	for _, name := range binaries.Node() {
		if _, err := binaries.Find(name); !errors.Is(err, binaries.ErrNotBuilt) || !strings.Contains(err.Error(), "make node-test") {
			t.Errorf("Find(%s) = %v, want ErrNotBuilt and what to do", name, err)
		}
	}
}

func TestCacheRoot(t *testing.T) {
	tests := map[string]struct{ xdg, want string }{
		"set":      {"/somewhere/cache", "/somewhere/cache/keyturn"},
		"unset":    {"", "/home/jo/.cache/keyturn"},
		"relative": {"cache", "/home/jo/.cache/keyturn"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", "/home/jo")
			t.Setenv("XDG_CACHE_HOME", tt.xdg)

			if got, err := binaries.CacheRoot(); got != tt.want || err != nil {
				t.Errorf("CacheRoot() = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestVersionsAreThoseOfTheModule(t *testing.T) {
	module, err := os.ReadFile(filepath.FromSlash("../../../hack/controlplane/go.mod"))
	if err != nil {
		t.Fatal(err)
	}

	for _, line := range []string{
		"\tk8s.io/kubernetes " + binaries.KubernetesVersion + " ",
		"\tgo.etcd.io/etcd/server/v3 " + binaries.EtcdVersion + " ",
	} {
		if !strings.Contains(string(module), line) {
			t.Errorf("hack/controlplane/go.mod has no line %q; keep it and this package at one version", line)
		}
	}
}

func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte("#!/bin/true\n"), mode); err != nil {
		t.Fatal(err)
	}
}
