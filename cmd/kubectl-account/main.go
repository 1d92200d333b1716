package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/keyturn/keyturn/cmd/kubectl-account/internal/administrators"
)

// Exit codes. That of an interruption is the shell's: 128 and the number of the signal.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// version of the build, set by the linker.
var version = "unknown"

// errUsage means that the command line is wrong. The message has been printed.
var errUsage = errors.New("usage")

// program has what the commands use of their environment: tests replace it.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	// terminal opens the person's terminal. The error is errNoTerminal.
	terminal func() (terminal, error)
	sessions store
	// browse opens an address in the person's browser.
	browse func(address string) error
	// checkTimeout and browserTimeout are the constants, unless a test has set others.
	checkTimeout, browserTimeout time.Duration
}

func main() {
	// All signals that end a program: a terminal that does not show what is typed has to be restored first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	p := &program{
		stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, terminal: openConsole, browse: openBrowser,
		checkTimeout: checkTimeout, browserTimeout: browserTimeout,
	}
	args := os.Args[1:]
	if strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") == administrators.CompletionProgram {
		args = administrators.Completion(args)
	}
	code := p.run(ctx, args)
	stop()
	os.Exit(code)
}

// run runs one command and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	if administrators.Handles(args) {
		return administrators.Run(ctx, p.forAdministrators(), args)
	}
	err := p.command(ctx, args)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(p.stderr)
		return exitInterrupted
	}
	fmt.Fprintln(p.stderr, err)
	return exitFailed
}

func (p *program) command(ctx context.Context, args []string) error {
	if p.asksForHelp(args) {
		fmt.Fprintf(p.stdout, "%s", p.help())
		return nil
	}
	run := p.find(args)
	if run == nil {
		return p.unknown(args)
	}
	s := &settings{}
	flags := s.flags()
	err := flags.Parse(args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(p.stdout, "%s", p.help())
		return nil
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err == nil && s.byBrowser() && args[0] != "login" {
		err = errors.New("--browser and --no-launch-browser are for login")
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "kubectl account %s: %v. See kubectl account --help.\n", args[0], err)
		return errUsage
	}
	if err := s.complete(p.getenv); err != nil {
		return err
	}
	to, err := s.connect(p.now)
	if err != nil {
		return err
	}
	return run(ctx, to, s)
}

// forAdministrators is the environment of the commands for administrators.
func (p *program) forAdministrators() administrators.Environment {
	environment := administrators.Environment{
		Streams:     genericiooptions.IOStreams{In: os.Stdin, Out: p.stdout, ErrOut: p.stderr},
		Terminal:    func() (io.WriteCloser, error) { return p.screen() },
		PersonFlags: (&settings{}).flags(),
	}
	for _, c := range p.people() {
		environment.Person = append(environment.Person, c.PersonCommand)
	}
	return environment
}

// screen is the person's terminal, to write on.
func (p *program) screen() (io.WriteCloser, error) {
	t, err := p.terminal()
	if err != nil {
		return nil, err
	}
	return &screen{t}, nil
}

type screen struct{ terminal }

func (s *screen) Write(text []byte) (int, error) {
	s.say("%s", strings.TrimSuffix(string(text), "\n"))
	return len(text), nil
}
