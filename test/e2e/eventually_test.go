package e2e_test

import (
	"errors"
	"testing"
	"time"
)

// patience is how long anything may take that takes well under a second on an idle machine.
const patience = 30 * time.Second

// lookInterval is the pause between two looks.
const lookInterval = 20 * time.Millisecond

// eventually tries until the attempt succeeds, and fails the test with what it last said.
func eventually(t *testing.T, what string, attempt func() error) {
	t.Helper()
	within(t, patience, what, attempt)
}

func within(t *testing.T, limit time.Duration, what string, attempt func() error) {
	t.Helper()
	lookEvery(t, lookInterval, limit, what, attempt)
}

// guessInterval is the pause between two looks of which each may count as a wrong password: ten of them lock an account.
const guessInterval = 3 * time.Second

// lookEvery tries at an interval until the attempt succeeds or the limit has passed.
func lookEvery(t *testing.T, interval, limit time.Duration, what string, attempt func() error) {
	t.Helper()

	deadline := time.NewTimer(limit)
	defer deadline.Stop()

	tick := time.NewTicker(interval)
	defer tick.Stop()

	for {
		err := attempt()
		if err == nil {
			return
		}

		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %s: %v", limit, what, err)
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// errTooEarly says that what is waited for has not come yet.
var errTooEarly = errors.New("not yet")
