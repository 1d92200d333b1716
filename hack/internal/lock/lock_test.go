package lock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/keyturn/keyturn/hack/internal/lock"
)

func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")

	// A leftover of a longer process ID, as a killed holder leaves it.
	if err := os.WriteFile(path, []byte("12345678901234567890\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	held, err := lock.Try(path)
	if err != nil {
		t.Fatal(err)
	}

	_, err = lock.Try(path)
	if !errors.Is(err, lock.ErrHeld) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("Try() = %v, want ErrHeld with the holder", err)
	}

	if err := held.Release(); err != nil {
		t.Fatal(err)
	}

	again, err := lock.Try(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}

	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")

	held, err := lock.Try(path)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())

	_, err = lock.Wait(ctx, path, func(error) { cancel() })
	if !errors.Is(err, context.Canceled) || !errors.Is(err, lock.ErrHeld) {
		t.Errorf("Wait() = %v, want the cancellation and ErrHeld", err)
	}

	second, err := lock.Wait(t.Context(), path, func(error) {
		if err := held.Release(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
}
