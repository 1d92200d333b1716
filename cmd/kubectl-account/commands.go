package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyturn/keyturn/cmd/kubectl-account/internal/administrators"
)

const usage = `Usage: kubectl account COMMAND [flags]

%s
Where the login server is comes from the flags, the environment (KEYTURN_SERVER, KEYTURN_NAMESPACE, KEYTURN_USERNAME,
KEYTURN_CERTIFICATE_AUTHORITY), or the kubeconfig's user, where that logs in with this program.

Flags:
%s
For administrators of accounts, by the rights that they have in the cluster (kubectl account COMMAND --help tells the flags):

%s  completion      Print a script that completes commands in a shell.
`

// command of people.
type command struct {
	administrators.PersonCommand

	run func(context.Context, *server, *settings) error
}

// people lists the commands of people.
func (p *program) people() []command {
	return []command{
		{administrators.PersonCommand{Name: "login", Short: "Log in, or go on with the session there is. kubectl runs it as a credential plugin"}, p.login},
		{administrators.PersonCommand{Name: "whoami", Short: "Tell who is logged in, and who that is in Kubernetes"}, p.whoami},
		{administrators.PersonCommand{Name: "passwd", Short: "Change the password"}, p.passwd},
		{administrators.PersonCommand{Name: "logout", Short: "End the session"}, p.logout},
	}
}

// find returns what runs the command that a command line begins with; nil where there is none.
func (p *program) find(args []string) func(context.Context, *server, *settings) error {
	for _, c := range p.people() {
		if len(args) > 0 && args[0] == c.Name {
			return c.run
		}
	}
	return nil
}

// asksForHelp tells whether a command line asks for help, about all or about a command of people.
func (p *program) asksForHelp(args []string) bool {
	if len(args) == 1 {
		return slices.Contains([]string{"help", "--help", "-h"}, args[0])
	}
	return len(args) > 1 && args[0] == "help" && p.find(args[1:]) != nil
}

// help is the text about all commands.
func (p *program) help() string {
	var people strings.Builder
	for _, c := range p.people() {
		fmt.Fprintf(&people, administrators.UsageLine, c.Name, c.Short)
	}
	return fmt.Sprintf(usage, people.String(), (&settings{}).flags().FlagUsages(), administrators.Usage())
}

// unknown says that a command line begins with no command, and which commands come close. As in kubectl, that is a failure where one for
// administrators comes close; otherwise it is a wrong command line.
func (p *program) unknown(args []string) error {
	if len(args) == 0 {
		fmt.Fprintf(p.stderr, "%s", p.help())
		return errUsage
	}
	if args[0] == "help" {
		args = args[1:]
	}
	if strings.HasPrefix(args[0], "-") {
		fmt.Fprintf(p.stderr, "%s\nerror: a command is expected before %q\n", p.help(), args[0])
		return errUsage
	}
	text := fmt.Sprintf("error: unknown command %q for \"kubectl account\"", args[0])
	nearest, forAdministrators := administrators.Nearest(p.forAdministrators(), args[0])
	if len(nearest) == 0 {
		fmt.Fprintf(p.stderr, "%s\n%s\n", p.help(), text)
		return errUsage
	}
	text += "\n\nDid you mean this?\n\t" + strings.Join(nearest, "\n\t")
	if forAdministrators {
		return errors.New(text)
	}
	fmt.Fprintln(p.stderr, text)
	return errUsage
}
