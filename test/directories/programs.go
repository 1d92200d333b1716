package directories

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing says that a program is not installed. Its wrapper names the program, and the target that installs it.
var ErrMissing = errors.New("is not installed: run `make directory-servers`")

// program returns the path of an installed program. Debian has servers in folders that the PATH of an ordinary user lacks.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}

	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}

	return "", fmt.Errorf("%s %w", name, ErrMissing)
}

// run runs a program to its end and returns its output. What it takes from input, a password for example, is in no error.
func run(ctx context.Context, env []string, input, name string, args ...string) (string, error) {
	path, err := program(name)
	if err != nil {
		return "", err
	}

	var stderr bytes.Buffer

	command := exec.CommandContext(ctx, path, args...)
	command.Env = append(os.Environ(), env...)
	command.Stdin = strings.NewReader(input)
	command.Stderr = &stderr

	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", name, err, strings.TrimSpace(string(output)+stderr.String()))
	}

	return string(output), nil
}
