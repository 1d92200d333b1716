package oidcprovider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// install writes the server's scripts into dir, with a link to the npm package that they use, and returns the path of Node.js.
func install(ctx context.Context, dir string) (node string, err error) {
	root, err := repository()
	if err != nil {
		return "", err
	}

	hack := filepath.Join(root, "hack")
	command := exec.CommandContext(ctx, filepath.Join(hack, "npm-packages"), filepath.Join(hack, "oidc-provider"))
	command.Stderr = os.Stderr

	packages, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("providing the npm package oidc-provider: %w", err)
	}

	if node, err = exec.LookPath("node"); err != nil {
		return "", fmt.Errorf("npm is installed and Node.js is not: %w", err)
	}

	if err := writeScripts(dir); err != nil {
		return "", fmt.Errorf("writing the scripts of the provider: %w", err)
	}

	// Node.js looks for packages beside the scripts.
	link := filepath.Join(dir, "node_modules")
	if err := os.RemoveAll(link); err != nil {
		return "", fmt.Errorf("removing the link of an earlier provider: %w", err)
	}

	if err := os.Symlink(filepath.Join(strings.TrimSpace(string(packages)), "node_modules"), link); err != nil {
		return "", fmt.Errorf("linking the npm packages: %w", err)
	}

	return node, nil
}

func writeScripts(dir string) error {
	entries, err := fs.ReadDir(scripts, "server")
	if err != nil {
		return err
	}

	for _, entry := range entries {
		content, err := fs.ReadFile(scripts, "server/"+entry.Name())
		if err != nil {
			return err
		}

		if err := os.WriteFile(filepath.Join(dir, entry.Name()), content, 0o600); err != nil {
			return err
		}
	}

	return nil
}

// repository is the root of the repository that the working directory is in.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}

	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "npm-packages")); err == nil {
			return dir, nil
		}

		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in Keyturn's repository, which has hack/npm-packages")
		}

		dir = parent
	}
}
