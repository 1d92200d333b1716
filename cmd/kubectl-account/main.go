package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
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

const usage = `Usage: kubectl account COMMAND [flags]

  login    Log in, or go on with the session there is. kubectl runs it as a credential plugin.
  whoami   Tell who is logged in, and who that is in Kubernetes.
  passwd   Change the password.
  logout   End the session.

Where the login server is comes from the flags, the environment (KEYTURN_SERVER, KEYTURN_NAMESPACE, KEYTURN_USERNAME,
KEYTURN_CERTIFICATE_AUTHORITY), or the kubeconfig's user, where that logs in with this program.

Flags:
%s
For administrators of accounts, by the rights that they have in the cluster (kubectl account COMMAND --help tells the flags):

%s  completion      Print a script that completes commands in a shell.
`

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
	// checkTimeout is the constant, unless a test has set another.
	checkTimeout time.Duration
}

func main() {
	// All signals that end a program: a terminal that does not show what is typed has to be restored first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	p := &program{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, terminal: openConsole, checkTimeout: checkTimeout}
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
	commands := map[string]func(context.Context, *server, *settings) error{
		"login": p.login, "whoami": p.whoami, "passwd": p.passwd, "logout": p.logout,
	}
	s := &settings{}
	flags := s.flags()
	help := func() string { return fmt.Sprintf(usage, flags.FlagUsages(), administrators.Usage()) }
	isHelp := len(args) == 1 && slices.Contains([]string{"help", "--help", "-h"}, args[0])
	if !isHelp && (len(args) == 0 || commands[args[0]] == nil) {
		fmt.Fprintf(p.stderr, "%s", help())
		return errUsage
	}
	err := flags.Parse(args[1:])
	if isHelp || errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(p.stdout, "%s", help())
		return nil
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
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
	return commands[args[0]](ctx, to, s)
}

// forAdministrators is the environment of the commands for administrators.
func (p *program) forAdministrators() administrators.Environment {
	return administrators.Environment{
		Streams:  genericiooptions.IOStreams{In: os.Stdin, Out: p.stdout, ErrOut: p.stderr},
		Terminal: func() (io.WriteCloser, error) { return p.screen() },
		Person: []administrators.PersonCommand{
			{Name: "login", Short: "Log in, or go on with the session there is"},
			{Name: "whoami", Short: "Tell who is logged in, and who that is in Kubernetes"},
			{Name: "passwd", Short: "Change the password"},
			{Name: "logout", Short: "End the session"},
		},
		PersonFlags: (&settings{}).flags(),
	}
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
