// Package lock keeps two processes from doing the same thing at once: two builds of one binary, two local clusters on
// one folder. The kernel ends a lock with the process that holds it, so a killed one leaves none behind.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrHeld says that another process holds the lock. Its wrapper names the process.
var ErrHeld = errors.New("held by another process")

// Lock is a held lock.
type Lock struct{ file *os.File }

// Try takes the lock at path or returns ErrHeld. The file, whose folder must exist, then holds the process ID of the
// holder; it stays when the lock is gone.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}

	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()

		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}

		holder, _ := os.ReadFile(filepath.Clean(path)) // for the message only

		return nil, fmt.Errorf("%s is %w (process %s)", path, ErrHeld, strings.TrimSpace(string(holder)))
	}

	if err := errors.Join(file.Truncate(0), writePID(file)); err != nil {
		return nil, errors.Join(fmt.Errorf("writing to the lock: %w", err), file.Close())
	}

	return &Lock{file}, nil
}

// Wait takes the lock at path. While another process holds it, waiting is called once and then the lock is tried until
// ctx ends.
func Wait(ctx context.Context, path string, waiting func(error)) (*Lock, error) {
	held, err := Try(path)
	if !errors.Is(err, ErrHeld) {
		return held, err
	}

	waiting(err)

	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}

		if held, err = Try(path); !errors.Is(err, ErrHeld) {
			return held, err
		}
	}
}

// Release gives the lock up.
func (l *Lock) Release() error { return l.file.Close() }

func writePID(file *os.File) error {
	_, err := fmt.Fprintln(file, os.Getpid())

	return err
}
