package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrExited says that a process ended although nobody asked it to. Its wrapper names the process, how it ended and
// its log file.
var ErrExited = errors.New("ended on its own")

// pollInterval is the pause between two readiness probes: short beside the start of any of our processes.
const pollInterval = 25 * time.Millisecond

// logTailLines is how much of a log an error quotes: enough for the reason, little enough to read.
const logTailLines = 8

// Command describes a process to start.
type Command struct {
	// Name is what messages call the process.
	Name string
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string
	// Env is the whole environment; nil means this process's own.
	Env []string
	// LogFile takes standard output and error. It is emptied first and readable by its owner alone; its folder must
	// exist.
	LogFile string
}

// Process is a running or ended child. Its methods may be called from several goroutines.
type Process struct {
	command Command
	pid     int
	process *os.Process
	done    chan struct{}
	err     error // how it ended; read after done is closed
}

// Start starts a process in a process group of its own, so that a Ctrl-C meant for the parent lets the parent end its
// children in order.
func Start(command Command) (*Process, error) {
	log, err := os.OpenFile(command.LogFile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", command.Name, err)
	}
	defer log.Close()

	cmd := exec.Command(command.Path, command.Args...) //nolint:noctx // it outlives the call that starts it: Stop ends it
	cmd.Env = command.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()

	p := &Process{command: command, done: make(chan struct{})}
	started := make(chan error, 1)

	go p.run(cmd, started)

	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Name, err)
	}

	return p, nil
}

// run starts the process and waits for it, all on one locked thread: the kernel ties the child's life to the thread
// that made it, not to the whole parent, so this thread has to last as long.
func (p *Process) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := cmd.Start(); err != nil {
		started <- err

		return
	}

	p.process, p.pid = cmd.Process, cmd.Process.Pid
	started <- nil

	_ = cmd.Wait() // the state below shows more than its error
	p.err = fmt.Errorf("%s %w (%s), see its log %s", p.command.Name, ErrExited, cmd.ProcessState, p.command.LogFile)
	close(p.done)
}

// Name is the name given in the Command.
func (p *Process) Name() string { return p.command.Name }

// LogFile is where the output goes.
func (p *Process) LogFile() string { return p.command.LogFile }

// Pid is the process ID.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the process has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended, an ErrExited with the last lines of its log; nil while it runs. It does not know
// whether somebody asked for the end.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}

	if tail := logTail(p.command.LogFile); tail != "" {
		return fmt.Errorf("%w:\n%s", p.err, tail)
	}

	return p.err
}

// WaitReady calls probe until it answers nil. It gives up when the process ends (ErrExited) or when ctx does; the error
// then holds what the probe last said.
func (p *Process) WaitReady(ctx context.Context, probe func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()

	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}

		select {
		case <-p.done:
			return p.Err()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w), see its log %s; last answer: %w",
				p.command.Name, context.Cause(ctx), p.command.LogFile, err)
		case <-ticker.C:
		}
	}
}

// Stop asks the process to end (SIGTERM), kills it after grace, and returns when it is gone. It is no error if it had
// ended before.
func (p *Process) Stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)

	timer := time.NewTimer(grace)
	defer timer.Stop()

	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
	}
}

// Kill ends the process at once (SIGKILL) and returns when it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal leaves out errors: the only one there can be is that the process has ended, which done reports.
func (p *Process) signal(s os.Signal) { _ = p.process.Signal(s) }

// logTail returns the last lines of a log, indented, without reading more of it than they can take.
func logTail(path string) string {
	const window = 8 << 10

	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return ""
	}
	defer file.Close()

	info, err := file.Stat()
	if err != nil {
		return ""
	}

	buffer := make([]byte, min(window, info.Size()))
	if _, err := file.ReadAt(buffer, info.Size()-int64(len(buffer))); err != nil {
		return ""
	}

	lines := strings.Split(strings.TrimSpace(string(buffer)), "\n")
	lines = lines[max(0, len(lines)-logTailLines):]

	return "    " + strings.Join(lines, "\n    ")
}
