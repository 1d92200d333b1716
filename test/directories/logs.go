package directories

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// logs are the log files of a server: one for each of its starts.
type logs struct {
	dir, name string

	mu     sync.Mutex
	starts int
}

// next returns the path of the log file of another start.
func (l *logs) next() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.starts++

	return l.path(l.starts)
}

func (l *logs) path(start int) string {
	return filepath.Join(l.dir, fmt.Sprintf("%s-%d.log", l.name, start))
}

// lines returns the lines of each start. A line that the server has not written to its end is left out.
func (l *logs) lines() ([][]string, error) {
	l.mu.Lock()
	starts := l.starts
	l.mu.Unlock()

	lines := make([][]string, 0, starts)

	for start := 1; start <= starts; start++ {
		content, err := os.ReadFile(l.path(start))
		if errors.Is(err, os.ErrNotExist) { // it is about to start
			continue
		}

		if err != nil {
			return nil, fmt.Errorf("reading the log of %s: %w", l.name, err)
		}

		complete := content[:bytes.LastIndexByte(content, '\n')+1]
		lines = append(lines, strings.Split(string(complete), "\n"))
	}

	return lines, nil
}
