//go:build node

package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/test/node/load"
)

// saturation is how long everybody logs in as fast as they can.
const saturation = 10 * time.Second

// usage of a Pod.
type usage struct {
	cpu time.Duration
	// memory is the most that was in use at once, files that were read included.
	memory int64
}

// testUsage logs people in as fast as the servers let them, each twice at the same time, and compares what the Pods use with their limits.
func testUsage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), saturation)
	defer cancel()

	all := pods(t, "")
	before := map[string]usage{}

	for _, pod := range all {
		used, err := usageOf(pod)
		must(t, err)

		before[pod.Name] = used
	}

	began := time.Now()
	report := load.Saturate(ctx, loginURL(t), slices.Concat(people, people))
	took := time.Since(began)

	figure("people who log in without a pause", "%d at once: %.0f logins a second, %d of %d failed, slowest %d ms", 2*len(people),
		float64(len(report))/took.Seconds(), len(report.Failed()), len(report), report.Slowest().Milliseconds())

	if reasons := report.Reasons(began); reasons != "" {
		t.Errorf("logins failed:\n%s", indent(reasons))
	}

	for _, pod := range all {
		used, err := usageOf(pod)
		must(t, err)

		limits := pod.Spec.Containers[0].Resources.Limits
		figure("meanwhile "+pod.Name, "%.2f of %s processors, at most %d of %d MiB of memory", (used.cpu-before[pod.Name].cpu).Seconds()/took.Seconds(),
			limits.Cpu(), used.memory>>20, limits.Memory().Value()>>20)

		if used.memory >= limits.Memory().Value() {
			t.Errorf("%s has used all of its memory", pod.Name)
		}
	}

	mustHaveNoRestarts(t)
}

// usageOf reads what the container of a Pod has used since it started.
func usageOf(pod corev1.Pod) (used usage, err error) {
	groups, err := controlGroups(pod)
	for _, group := range groups {
		err = errors.Join(err, used.read(group))
	}

	return used, err
}

// controlGroups are those of a Pod's container, one in each hierarchy: version 2 has one, version 1 has one for each controller.
func controlGroups(pod corev1.Pod) (groups []string, err error) {
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")

	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == id {
			groups = append(groups, path)
		}

		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has ended meanwhile
		}

		return err
	})
	if err == nil && len(groups) == 0 {
		err = fmt.Errorf("found no control group of %s", pod.Name)
	}

	return groups, err
}

// read reads what there is in one control group.
func (u *usage) read(group string) error {
	for name, take := range map[string]func(int64){
		"memory.peak":               func(n int64) { u.memory = n },
		"memory.max_usage_in_bytes": func(n int64) { u.memory = n },
		"cpuacct.usage":             func(n int64) { u.cpu = time.Duration(n) },
		"cpu.stat": func(n int64) {
			if n > 0 {
				u.cpu = time.Duration(n) * time.Microsecond
			}
		},
	} {
		content, err := os.ReadFile(filepath.Join(group, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err != nil {
			return err
		}

		text := strings.TrimSpace(string(content))
		if name == "cpu.stat" {
			_, text, _ = strings.Cut(text, "usage_usec ") // version 1 has only what was held back there
			text, _, _ = strings.Cut(text+"\n0", "\n")
		}

		if text == "" {
			continue
		}

		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}

		take(number)
	}

	return nil
}
