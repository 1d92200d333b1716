package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: 1/100 s on every architecture that Linux runs Go on.
const tick = 10 * time.Millisecond

// usage is CPU time by process name; machine is that of the whole machine.
type usage map[string]time.Duration

const machine = "the machine"

// usageOf reads the CPU time that processes, several under one name, have used since they started.
func usageOf(pids map[string][]int) (usage, error) {
	used := usage{}
	for name, all := range pids {
		for _, pid := range all {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				return nil, fmt.Errorf("reading the CPU time of %s (this needs Linux): %w", name, err)
			}
			took, err := processTime(stat)
			if err != nil {
				return nil, fmt.Errorf("reading the CPU time of %s: %w", name, err)
			}
			used[name] += took
		}
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, fmt.Errorf("reading the CPU time of the machine (this needs Linux): %w", err)
	}
	used[machine], err = machineTime(stat)
	return used, err
}

// withChildren returns a process and those that it has started. Each of its threads lists its own, see proc(5).
func withChildren(pid int) ([]int, error) {
	all := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		return nil, fmt.Errorf("process %d is not there, or its children are not listed", pid)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue // That thread has ended.
		}
		if err != nil {
			return nil, err
		}
		for child := range strings.FieldsSeq(string(text)) {
			number, err := strconv.Atoi(child)
			if err != nil {
				return nil, err
			}
			all = append(all, number)
		}
	}
	return all, nil
}

// processTime reads user and system time from a process's stat, see proc(5). The program's name may contain anything,
// so fields count from the last bracket.
func processTime(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%d fields, want 13 or more", len(fields))
	}
	return ticks(string(fields[11]), string(fields[12]))
}

// machineTime reads the busy time of all CPUs from the first line of /proc/stat: user, nice, system, then idle and
// waiting, which do not count, then interrupts. Time that a host took away counts as busy: it was not ours to use.
func machineTime(stat []byte) (time.Duration, error) {
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("unknown first line %q", line)
	}
	return ticks(fields[1], fields[2], fields[3], fields[6], fields[7], fields[8])
}

func ticks(numbers ...string) (time.Duration, error) {
	var sum time.Duration
	for _, number := range numbers {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading a CPU time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// since returns what was used after an earlier reading.
func (u usage) since(earlier usage) usage {
	used := usage{}
	for name, t := range u {
		used[name] = t - earlier[name]
	}
	return used
}

// add sums up two usages.
func (u usage) add(other usage) usage {
	sum := maps.Clone(other)
	for name, t := range u {
		sum[name] += t
	}
	return sum
}

// ours is the CPU time of the processes, the rest of the machine left out.
func (u usage) ours() time.Duration {
	var sum time.Duration
	for name, t := range u {
		if name != machine {
			sum += t
		}
	}
	return sum
}

// others is the CPU time of all other processes of the machine.
func (u usage) others() time.Duration { return max(0, u[machine]-u.ours()) }

// shares lists shares, largest first, of what the machine could have done in a time; the last one is the other
// processes of the machine.
func (u usage) shares(capacity time.Duration) string {
	share := func(t time.Duration) string {
		return fmt.Sprintf("%.1f%%", 100*t.Seconds()/capacity.Seconds())
	}
	names := slices.SortedFunc(maps.Keys(u), func(a, b string) int { return int(u[b] - u[a]) })
	parts := make([]string, 0, len(names))
	for _, name := range names {
		if name != machine {
			parts = append(parts, name+" "+share(u[name]))
		}
	}
	return strings.Join(append(parts, "others on the machine "+share(u.others())), ", ")
}

// memory is resident memory in MiB: the most so far, what it is now, and of that the pages of files, which are the
// program's own.
type memory struct{ Peak, Now, File float64 }

// memoryOf reads the resident memory of a process and of those that it has started, all from one program. The pages of
// that program are in memory once, and counted once.
func memoryOf(pid int) (all memory, err error) {
	pids, err := withChildren(pid)
	if err != nil {
		return memory{}, fmt.Errorf("reading resident memory (this needs Linux): %w", err)
	}
	for i, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return memory{}, fmt.Errorf("reading resident memory: %w", err)
		}
		m, err := residentMemory(status)
		if err != nil {
			return memory{}, err
		}
		if i > 1 {
			m = memory{Peak: m.Peak - m.File, Now: m.Now - m.File}
		}
		all = memory{Peak: all.Peak + m.Peak, Now: all.Now + m.Now, File: all.File + m.File}
	}
	return all, nil
}

// residentMemory reads VmHWM, VmRSS and RssFile, see proc_pid_status(5).
func residentMemory(status []byte) (m memory, err error) {
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		var into *float64
		switch fields[0] {
		case "VmHWM:":
			into = &m.Peak
		case "VmRSS:":
			into = &m.Now
		case "RssFile:":
			into = &m.File
		default:
			continue
		}
		kib, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return memory{}, fmt.Errorf("reading resident memory: %w", err)
		}
		*into = kib / 1024
	}
	if m.Peak == 0 || m.Now == 0 {
		return memory{}, fmt.Errorf("no resident memory in the status of the process")
	}
	return m, nil
}
