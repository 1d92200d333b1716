//go:build node

package isolation

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
)

// insideVariable tells the program that it runs in the namespaces.
const insideVariable = "KEYTURN_NODE_INSIDE"

// exitInterrupted is the exit code after an interrupt, as shells have it: 128 and the number of the signal.
const exitInterrupted = 128 + int(syscall.SIGINT)

// Inside reports whether this process is the one in the namespaces.
func Inside() bool { return os.Getenv(insideVariable) != "" }

// Run runs this program once more, with the same arguments and further variables of the environment, in the namespaces, and returns
// its exit code. An interrupt kills it, and everything that it has started. The control group is the one below which the node
// puts those of its containers: it is removed at the end.
func Run(controlGroup string, environment ...string) (code int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding this program: %w", err)
	}

	state, err := keepState()
	if err != nil {
		return 0, err
	}

	defer func() { err = errors.Join(err, state.restore(), removeControlGroup(controlGroup)) }()

	if err := makeControlGroup(controlGroup); err != nil {
		return 0, err
	}

	command := exec.Command(program, os.Args[1:]...) //nolint:noctx // an interrupt ends it, see below
	command.Env = slices.Concat(os.Environ(), environment, []string{insideVariable + "=yes"})
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Setpgid:    true,            // a Ctrl-C is for this process alone
		Pdeathsig:  syscall.SIGKILL, // and if this process is killed, all is over
	}

	return wait(command)
}

// wait starts the command and waits for it on one locked thread: the kernel ties the child's life to the thread that made it.
func wait(command *exec.Cmd) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)

	defer signal.Stop(interrupts)

	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("starting in namespaces of its own: %w", err)
	}

	ended := make(chan struct{})
	interrupted := make(chan bool, 1)

	go func() {
		select {
		case <-interrupts:
			interrupted <- true

			_ = command.Process.Kill() // it can only have ended by itself
		case <-ended:
			interrupted <- false
		}
	}()

	// It is the first process of its namespace: when it has ended, so have all others there.
	err := command.Wait()
	close(ended)

	if <-interrupted {
		return exitInterrupted, nil
	}

	if exit, isExit := errors.AsType[*exec.ExitError](err); isExit {
		return max(1, exit.ExitCode()), nil
	}

	return 0, err
}
