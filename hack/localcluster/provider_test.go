package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/oidcprovider"
)

// TestMustRun: a sample provider needs a local cluster that runs, and says so where there is none.
func TestMustRun(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")

	for _, without := range []string{dir, missing} {
		err := runProvider(t.Context(), settings{dir: without, loginAddress: "127.0.0.1:8080"})
		if !errors.Is(err, errNoCluster) || !strings.Contains(err.Error(), "make run") {
			t.Errorf("runProvider() on %s = %v, want errNoCluster with what to do", without, err)
		}
	}

	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is made: %v", err)
	}

	held, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()

	if err := mustRun(dir); err != nil {
		t.Errorf("mustRun() beside a running cluster = %v", err)
	}

	other, err := lock.Try(filepath.Join(dir, providerLockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()

	if err := runProvider(t.Context(), settings{dir: dir, loginAddress: "127.0.0.1:8080"}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("a second runProvider() = %v, want ErrHeld", err)
	}
}

// TestProviderIntroduction: the text has the address, who has an account and who has none, and commands that a shell can read.
func TestProviderIntroduction(t *testing.T) {
	p := &sampleProvider{settings: settings{dir: "/home/a b/.local", loginURL: "http://127.0.0.1:8080"}}

	text, err := p.introduction()
	if err != nil {
		t.Fatal(err)
	}

	password := oidcprovider.SamplePeople()[0].Password

	for _, want := range []string{
		"Open http://127.0.0.1:8080 and",
		"  dorothy / " + password + " has an account", "http://127.0.0.1:8080/change-password\n",
		"  linus / " + password + " has none",
		"  export KUBECONFIG='/home/a b/.local/kubeconfig'\n", "/home/a b/.local/provider/ca.crt",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}
