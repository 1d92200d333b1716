//go:build unix && !linux

package process

import "syscall"

// attributes can only set the process group here: other kernels do not tie a child's life to its parent's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
