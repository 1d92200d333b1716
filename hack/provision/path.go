package main

import (
	"context"
	"path/filepath"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// providePath builds one binary of the control plane if it is missing and returns its path: for what needs kubectl alone, and not the rest,
// which takes much longer to build.
func providePath(ctx context.Context, name string) (string, error) {
	for _, b := range controlPlane() {
		if b.name != name {
			continue
		}

		if path, err := binaries.Find(binaries.Name(name)); err == nil {
			return path, nil
		}

		dir, err := binaries.CacheDir()
		if err != nil {
			return "", err
		}

		return filepath.Join(dir, name), b.build(ctx, dir)
	}

	return "", errUsage
}
