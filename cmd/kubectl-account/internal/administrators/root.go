package administrators

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Exit codes, as kubectl has them. That of an interruption is the shell's: 128 and the number of the signal.
const (
	exitFailed      = 1
	exitInterrupted = 130
)

// Names of the program: its file, and what people type.
const (
	programName = "kubectl-account"
	commandName = "kubectl account"
)

// CompletionProgram is the name under which kubectl runs the program to complete what follows kubectl account.
const CompletionProgram = "kubectl_complete-account"

// PersonCommand is a command of people. It is only known here to be completed, and to be listed.
type PersonCommand struct {
	Name, Short string
}

// Environment is what the commands use of the process.
type Environment struct {
	Streams genericiooptions.IOStreams
	// Terminal opens the person's terminal, on which passwords are shown.
	Terminal func() (io.WriteCloser, error)
	// Person lists the commands of people, which run elsewhere, and PersonFlags their flags.
	Person      []PersonCommand
	PersonFlags *pflag.FlagSet
}

// verbs and what cobra adds to them.
var (
	verbs = []string{"status", "create", "reset", "unlock", "require-change", "sign-out"}
	tools = []string{"completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}
)

// UsageLine is the format of a command in a list of them: its name, and what it does.
const UsageLine = "  %-15s %s.\n"

// Usage lists the commands, a line each.
func Usage() string {
	var b strings.Builder
	root := newRoot(Environment{})
	for _, verb := range verbs {
		for _, command := range root.Commands() {
			if command.Name() == verb {
				fmt.Fprintf(&b, UsageLine, verb, command.Short)
			}
		}
	}
	return b.String()
}

// Handles tells whether a command line is for this package: it names one of its commands, after flags or not, or asks for help about one.
func Handles(args []string) bool {
	switch {
	case len(args) == 0:
		return false
	case strings.HasPrefix(args[0], "-"):
		return slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(verbs, arg) })
	case args[0] == "help":
		return len(args) > 1 && (slices.Contains(verbs, args[1]) || slices.Contains(tools, args[1]))
	}
	return slices.Contains(verbs, args[0]) || slices.Contains(tools, args[0])
}

// maxDistance is how many letters may differ: as many as in kubectl.
const maxDistance = 2

// Nearest returns the commands, those of people among them, that somebody may have meant who typed another word, and whether one is of
// this package.
func Nearest(environment Environment, word string) (names []string, ours bool) {
	if word == "" { // All commands begin so.
		return nil, false
	}
	root := newRoot(environment)
	root.SuggestionsMinimumDistance = maxDistance
	names = root.SuggestionsFor(word)
	return names, slices.ContainsFunc(names, func(name string) bool { return slices.Contains(verbs, name) })
}

// Completion returns the command line that completes another, as CompletionProgram is asked to.
func Completion(args []string) []string { return append([]string{cobra.ShellCompRequestCmd}, args...) }

// Run runs a command and returns the exit code.
func Run(ctx context.Context, environment Environment, args []string) int {
	root := newRoot(environment)
	root.SetArgs(args)
	root.SetIn(environment.Streams.In)
	root.SetOut(environment.Streams.Out)
	root.SetErr(environment.Streams.ErrOut)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(environment.Streams.ErrOut)
		return exitInterrupted
	case !errors.Is(err, errReported):
		text := message(err)
		if usage, ok := errors.AsType[*usageError](err); ok {
			text = fmt.Sprintf("error: %v\nSee '%s --help' for usage.", usage, command.CommandPath())
		}
		fmt.Fprintln(environment.Streams.ErrOut, printable(text))
	}
	return exitFailed
}

// usageError means that the command line is wrong.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// newRoot makes the command that all others are below.
func newRoot(environment Environment) *cobra.Command {
	root := &cobra.Command{
		Use: programName, Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: commandName},
		Short:         "Accounts of people",
		Long:          "Accounts of people who log in with Keyturn. " + commandName + " help tells about the commands for people themselves.",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	config := genericclioptions.NewConfigFlags(true)
	// --server is the login server for people's commands. With --server and --certificate-authority left out here, nobody sends an
	// administrator's credentials there by mistake. The kubeconfig says where the API server is.
	config.APIServer, config.TLSServerName, config.CAFile = nil, nil, nil
	config.CacheDir = nil // Nothing is looked up in it.
	config.AddFlags(root.PersistentFlags())
	c := &common{environment: environment, config: config}
	root.AddCommand(newStatus(c), newCreate(c), newReset(c))
	for _, r := range requests {
		root.AddCommand(newRequest(c, r))
	}
	for _, person := range environment.Person {
		root.AddCommand(newPerson(environment, person))
	}
	c.completeFlags(root)
	return root
}

// newPerson makes a command that only completes.
func newPerson(environment Environment, person PersonCommand) *cobra.Command {
	return &cobra.Command{
		Use: person.Name, Short: person.Short,
		// Flags before the command lead here.
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("%s comes before its flags", cmd.CommandPath())
		},
		DisableFlagParsing: true, // Its flags are not those of the commands here.
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			var flags []string
			environment.PersonFlags.VisitAll(func(flag *pflag.Flag) {
				if name := "--" + flag.Name; begun != "" && strings.HasPrefix(name, begun) {
					flags = append(flags, name+"\t"+flag.Usage)
				}
			})
			return flags, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
