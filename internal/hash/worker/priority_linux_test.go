package worker

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// statOf returns the fields of a process or thread from the third one on (proc(5)): the second one, a name, may hold spaces.
func statOf(path string) []string {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil // It has ended.
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// TestWorkersYield: every thread of a worker has the lower priority.
func TestWorkersYield(t *testing.T) {
	const parent, nice = 4 - 3, 19 - 3
	started(t, 2)
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	workers := 0
	for _, path := range all {
		if fields := statOf(path); len(fields) <= nice || fields[parent] != strconv.Itoa(os.Getpid()) {
			continue
		}
		workers++
		threads, err := filepath.Glob(filepath.Join(filepath.Dir(path), "task", "*", "stat"))
		if err != nil || len(threads) == 0 {
			t.Fatalf("threads of a worker: %q, %v", threads, err)
		}
		for _, thread := range threads {
			if fields := statOf(thread); len(fields) > nice && fields[nice] != strconv.Itoa(niceness) {
				t.Errorf("%s: nice %s, want %d", thread, fields[nice], niceness)
			}
		}
	}
	if workers != 2 {
		t.Errorf("found %d workers, want 2", workers)
	}
}
