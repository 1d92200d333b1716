package process

import "syscall"

// attributes has the kernel kill the child when the parent dies in whatever way. SIGKILL, because a child that is still
// shutting down would hold its ports against the next run; what our processes write survives it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
