package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/hack/release/archive"
	"github.com/keyturn/keyturn/hack/release/image"
)

// written makes an image of the login server that is for both architectures.
func written(t *testing.T) string {
	t.Helper()

	folder := t.TempDir()
	programs := []archive.File{{Name: "login", Mode: 0o755, Content: []byte("a program")}}

	if _, err := image.Write(folder, image.Description{
		Repository: "registry.example/keyturn-login", Title: "keyturn-login", Version: "v0.1.0", Commit: "0123456789abcdef",
		Created: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), Entrypoint: "/login",
	}, []image.Platform{{Architecture: "amd64", Programs: programs}, {Architecture: "arm64", Programs: programs}}); err != nil {
		t.Fatal(err)
	}

	return folder
}

// TestCheckConfig: an image that says what is expected passes, and each difference is found.
func TestCheckConfig(t *testing.T) {
	folder := filepath.Join(written(t), "keyturn-login")

	for what, tt := range map[string]struct{ version, commit, program, architecture, complaint string }{
		"as expected":          {"v0.1.0", "0123456789abcdef", "login", "arm64", ""},
		"another version":      {"v0.2.0", "0123456789abcdef", "login", "arm64", "version"},
		"another commit":       {"v0.1.0", "fedcba9876543210", "login", "arm64", "commit"},
		"another program":      {"v0.1.0", "0123456789abcdef", "operator", "arm64", "entrypoint"},
		"another architecture": {"v0.1.0", "0123456789abcdef", "login", "amd64", "architecture"},
	} {
		img, err := fromLayout(folder, "arm64")
		if err != nil {
			t.Fatal(err)
		}

		err = expected{version: tt.version, commit: tt.commit}.checkConfig(img, tt.program, tt.architecture)
		if (err == nil) != (tt.complaint == "") || (err != nil && !strings.Contains(err.Error(), tt.complaint)) {
			t.Errorf("%s: checkConfig() = %v", what, err)
		}
	}

	if _, err := fromLayout(folder, "riscv64"); err == nil {
		t.Error("fromLayout() finds an architecture that is not there")
	}
}

// TestSameConfig: an archive that has another image than the layout is found.
func TestSameConfig(t *testing.T) {
	folder := filepath.Join(written(t), "keyturn-login")

	first, err := fromLayout(folder, "amd64")
	if err != nil {
		t.Fatal(err)
	}

	second, err := fromLayout(folder, "arm64")
	if err != nil {
		t.Fatal(err)
	}

	if err := sameConfig(first, first); err != nil {
		t.Error(err)
	}

	if err := sameConfig(first, second); err == nil {
		t.Error("sameConfig() of two images = nil")
	}
}

// TestCheckBeginsWithTheChecksums: nothing is started out of a release whose files are not those of its checksums.
func TestCheckBeginsWithTheChecksums(t *testing.T) {
	dist := t.TempDir()
	if err := archive.WriteChecksums(dist); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(dist, "more"), nil, 0o644); err != nil {
		t.Fatal(err)
	}

	if err := (expected{}).check(t.Context(), dist); !errors.Is(err, archive.ErrChecksums) {
		t.Errorf("check() = %v", err)
	}
}

// TestUnpack: the files of an image are unpacked with their modes.
func TestUnpack(t *testing.T) {
	img, err := fromLayout(filepath.Join(written(t), "keyturn-login"), "amd64")
	if err != nil {
		t.Fatal(err)
	}

	root := t.TempDir()
	if err := unpack(img, root); err != nil {
		t.Fatal(err)
	}

	for name, mode := range map[string]os.FileMode{"login": 0o755, "etc/ssl/certs": 0o755 | os.ModeDir, image.CertificatesName: 0o644} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}

		if info.Mode() != mode {
			t.Errorf("%s has the mode %v, want %v", name, info.Mode(), mode)
		}
	}
}
