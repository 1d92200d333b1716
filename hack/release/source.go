package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source is what is released.
type source struct {
	// root of the repository.
	root string
	// commit is the full hash, with "-dirty" behind it where the working tree has something else.
	commit string
	// time of the commit; what the release has of times is this one.
	time time.Time
}

var errUncommitted = errors.New("the working tree has changes that are not committed, and a release names the commit that it was made from; " +
	"commit or stash them, or say ALLOW_UNCOMMITTED=1 to try a release")

// epochVariable replaces the time of the commit: https://reproducible-builds.org/specs/source-date-epoch/.
const epochVariable = "SOURCE_DATE_EPOCH"

// readSource reads what git knows of the folder that it is run in.
func readSource(ctx context.Context, folder string, allowUncommitted bool) (source, error) {
	root, err := git(ctx, folder, "rev-parse", "--show-toplevel")
	if err != nil {
		return source{}, err
	}

	commit, err := git(ctx, folder, "rev-parse", "HEAD")
	if err != nil {
		return source{}, err
	}

	changes, err := git(ctx, root, "status", "--porcelain")
	if err != nil {
		return source{}, err
	}

	if changes != "" {
		if !allowUncommitted {
			return source{}, fmt.Errorf("%w:\n%s", errUncommitted, changes)
		}

		commit += "-dirty"
	}

	seconds := os.Getenv(epochVariable)
	if seconds == "" {
		if seconds, err = git(ctx, folder, "show", "--no-patch", "--format=%ct", "HEAD"); err != nil {
			return source{}, err
		}
	}

	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("%s has to be seconds since 1970: %w", epochVariable, err)
	}

	return source{root: root, commit: commit, time: time.Unix(epoch, 0).UTC()}, nil
}

func git(ctx context.Context, folder string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...)
	command.Stderr = os.Stderr

	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}

	return strings.TrimRight(string(output), "\n"), nil
}
