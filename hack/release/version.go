package main

import (
	"errors"
	"fmt"

	"golang.org/x/mod/semver"
)

var errVersion = errors.New("the release needs a version vMAJOR.MINOR.PATCH, which may have a pre-release such as -rc.1: " +
	"make release VERSION=v0.1.0")

// checkVersion returns errVersion for what is no semantic version. Build metadata ("+...") is refused too: a tag of an image cannot bear it.
func checkVersion(version string) error {
	if version == "" {
		return errVersion
	}

	// The canonical form completes v1 to v1.0.0 and drops build metadata.
	if semver.Canonical(version) != version {
		return fmt.Errorf("VERSION %q: %w", version, errVersion)
	}

	return nil
}
