//go:build node

package isolation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// stateFolders are where the programs of a node keep what no option moves elsewhere.
var stateFolders = []string{"/var/lib/cni", "/var/lib/kubelet"}

// settings are those of the kernel that kubelet changes for the whole machine.
var settings = []string{
	"/proc/sys/kernel/keys/root_maxbytes", "/proc/sys/kernel/keys/root_maxkeys", "/proc/sys/kernel/panic",
	"/proc/sys/kernel/panic_on_oops", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom",
}

// state is what was there before.
type state struct {
	settings map[string][]byte
	// folders are those that were missing.
	folders []string
}

// keepState notes the kernel's settings, and makes the folders that are missing: a mount needs them.
func keepState() (*state, error) {
	s := &state{settings: map[string][]byte{}}

	for _, path := range settings {
		value, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a setting of the kernel: %w", err)
		}

		s.settings[path] = value
	}

	for _, path := range stateFolders {
		switch err := os.Mkdir(path, 0o755); {
		case err == nil:
			s.folders = append(s.folders, path)
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("making a folder to mount: %w", err)
		}
	}

	return s, nil
}

// restore puts settings back, and removes the folders, which are empty.
func (s *state) restore() error {
	var all error

	for path, value := range s.settings {
		if now, err := os.ReadFile(filepath.Clean(path)); err != nil || !bytes.Equal(now, value) {
			all = errors.Join(all, os.WriteFile(path, value, 0o600))
		}
	}

	for _, path := range s.folders {
		all = errors.Join(all, os.Remove(path))
	}

	return all
}

// hierarchies are the folders of the control groups' hierarchies: one of version 2, or one for each controller.
func hierarchies() ([]string, error) {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{root}, nil
	}

	lists, err := filepath.Glob(filepath.Join(root, "*", "cgroup.procs"))
	if err != nil || len(lists) == 0 {
		return nil, fmt.Errorf("found no control groups below %s: %w", root, errors.Join(err, fs.ErrNotExist))
	}

	for i, list := range lists {
		lists[i] = filepath.Dir(list)
	}

	return lists, nil
}

// makeControlGroup makes a control group in every hierarchy. Kubelet takes over no other.
func makeControlGroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}

	for _, hierarchy := range all {
		if err := os.Mkdir(filepath.Join(hierarchy, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making a control group: %w", err)
		}
	}

	return nil
}

// removeControlGroup removes a control group and those below it. Their processes have ended.
func removeControlGroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}

	var failed error
	for _, hierarchy := range all {
		failed = errors.Join(failed, removeGroups(filepath.Join(hierarchy, name)))
	}

	return failed
}

// removeGroups removes a folder and those in it, and leaves out files, which are the kernel's. The kernel lets go of a group a little
// later than of its last process.
func removeGroups(dir string) error {
	const attempts, pause = 50, 20 * time.Millisecond

	var groups []string

	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}

		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}

		return err
	})

	for _, group := range slices.Backward(groups) {
		failed := os.Remove(group)
		for attempt := 1; failed != nil && !errors.Is(failed, fs.ErrNotExist) && attempt < attempts; attempt++ {
			<-time.After(pause)

			failed = os.Remove(group)
		}

		if !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}

	return err
}
