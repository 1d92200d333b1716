//go:build node

package isolation

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Enter makes the inside of the namespaces a machine of its own: its mounts are nobody else's, /proc shows its processes, and
// folders in which the programs of a node keep state at fixed places are empty.
func Enter() error {
	// What is mounted here is not to appear outside; inside, Pods are to see what is mounted for them.
	for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", propagation|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("taking mounts apart: %w", err)
		}
	}

	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}

	for _, path := range append([]string{"/run", "/var/log"}, stateFolders...) {
		if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("mounting an empty %s: %w", path, err)
		}
	}

	return nil
}
