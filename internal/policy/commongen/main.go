// Command commongen makes the list of common passwords that package policy embeds, from the frequency data of a Go module whose exact
// version and checksum are in go.mod and go.sum: the same input gives the same bytes.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// source is the module. Each line of its data/passwords.txt has a password and how often it was seen, the most common one first.
const source = "github.com/trustelem/zxcvbn"

// shortest is the length of the shortest password worth listing: a policy may ask for fewer than the usual 8 characters, but hardly for
// fewer than 4.
const shortest = 4

func main() {
	log.SetFlags(0)
	out := flag.String("out", "common.txt", "the file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		log.Fatalf("commongen: %v", err)
	}
}

func run(out string) error {
	dir, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", source).Output()
	if err != nil {
		return fmt.Errorf("find module %s (run go mod download first): %w", source, err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "data", "passwords.txt"))
	if err != nil {
		return err
	}
	list, err := compile(data)
	if err != nil {
		return err
	}
	return os.WriteFile(out, list, 0o644) //nolint:gosec // a source file, which everybody may read
}

// compile returns the passwords of the frequency data in lower case, sorted by bytes, each once, each followed by a newline.
func compile(data []byte) ([]byte, error) {
	var words []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if word, _, _ := strings.Cut(lines.Text(), " "); len(word) >= shortest {
			words = append(words, strings.ToLower(word))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	slices.Sort(words)
	return []byte(strings.Join(slices.Compact(words), "\n") + "\n"), nil
}
