// Package helm has the real Helm for tests of the chart. It installs nothing by itself.
package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Build returns the path of the Helm of hack/tools/helm, absolute. It is built if it is missing. root is the repository.
func Build(ctx context.Context, root string) (string, error) {
	command := exec.CommandContext(ctx, "go", "run", "./hack/provision", "tool", "helm")
	command.Dir, command.Stderr = root, os.Stderr

	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("building helm: %w", err)
	}

	return string(bytes.TrimSpace(path)), nil
}
