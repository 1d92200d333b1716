package worker

import (
	"os"
	"strconv"
	"syscall"
)

// niceness of workers. A quarter of a core is left to each at least, while one other thread of their container wants all of it.
const niceness = 5

// yieldToOthers has this process go after others where the CPU is short: a hash takes long anyway, while a session check, a
// health check or an answer to a flood takes a moment. Where it may not, it goes on as it is.
func yieldToOthers() {
	// To Linux each thread is a process in this; those that are begun later are as the one that begins them.
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
