package worker

import (
	"os"
	"strconv"
	"syscall"
)

// niceness of workers. A worker still gets a quarter of a core while one other thread of its container wants all of it.
const niceness = 5

// yieldToOthers lowers the CPU priority of this process, if the system allows it: a hash takes long anyway, while a session check, a
// health check or the answer to a flood takes a moment.
func yieldToOthers() {
	// Linux has a priority for each thread. A new thread inherits it.
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, niceness)
		}
	}
}
