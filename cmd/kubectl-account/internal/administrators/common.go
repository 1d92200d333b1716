package administrators

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
)

// common is what all commands have.
type common struct {
	environment Environment
	config      *genericclioptions.ConfigFlags
}

func (c *common) out() io.Writer { return c.environment.Streams.Out }

// tell writes a line on the standard error, for people.
func (c *common) tell(format string, args ...any) {
	fmt.Fprintln(c.environment.Streams.ErrOut, printable(fmt.Sprintf(format, args...)))
}

// errReported means that the command failed, and that what went wrong has been printed.
var errReported = errors.New("failed")

// each runs a command for each name. One that fails does not keep the others from their turn.
func (c *common) each(cmd *cobra.Command, names []string, do func(name string) error) error {
	failed := false
	for _, name := range names {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if err := do(name); err != nil {
			if len(names) == 1 {
				return err
			}
			failed = true
			c.tell("%s", message(err))
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// writing has the flags of commands that write.
type writing struct {
	print *genericclioptions.PrintFlags
	// printer is made by check, once: it separates objects in YAML.
	printer printers.ResourcePrinter
	dryRun  string
	wait    bool
	// timeout of the wait.
	timeout time.Duration
}

// defaultTimeout is how long the operator is waited for. It acts within a second, unless it is being started anew.
const defaultTimeout = 30 * time.Second

// unsetDryRun is the value of a --dry-run without one, as in kubectl.
const unsetDryRun = "unchanged"

func (w *writing) addFlags(cmd *cobra.Command, done string) {
	w.print = genericclioptions.NewPrintFlags(done)
	w.print.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&w.dryRun, "dry-run", dryRunNone, `Must be "none", "server", or "client". If client strategy, only print the object that would be sent, without sending it. If server strategy, submit server-side request without persisting the resource.`)
	flags.Lookup("dry-run").NoOptDefVal = unsetDryRun
	flags.BoolVar(&w.wait, "wait", true, "If true, wait until the operator has applied what was written.")
	flags.DurationVar(&w.timeout, "timeout", defaultTimeout, "The length of time to wait before giving up.")
	complete(cmd, "dry-run", dryRunNone, dryRunServer, dryRunClient)
	complete(cmd, "output", w.print.AllowedFormats()...)
}

// check checks the flags. A value of --dry-run and its text are kubectl's.
func (w *writing) check(c *common) error {
	switch w.dryRun {
	case unsetDryRun:
		c.tell("W --dry-run is deprecated and can be replaced with --dry-run=client.")
		w.dryRun = dryRunClient
	case dryRunNone, dryRunClient, dryRunServer:
	default:
		return usagef(`Invalid dry-run value (%s). Must be "none", "server", or "client".`, w.dryRun)
	}
	if w.timeout <= 0 {
		return usagef("--timeout must be longer than 0s")
	}
	if suffix := map[string]string{dryRunClient: "%s (dry run)", dryRunServer: "%s (server dry run)"}[w.dryRun]; suffix != "" {
		if err := w.print.Complete(suffix); err != nil {
			return err
		}
	}
	var err error
	if w.printer, err = w.print.ToPrinter(); err != nil {
		return &usageError{err}
	}
	return nil
}

// asked are the options of a request that writes, if it is sent.
func (w *writing) asked() []string {
	if w.dryRun == dryRunServer {
		return []string{metav1.DryRunAll}
	}
	return nil
}

// written prints what has become of an object.
func (w *writing) written(c *common, object runtime.Object) error {
	return w.printer.PrintObj(object, c.out())
}

// printsYAML tells whether the output is YAML, which can have comments.
func (w *writing) printsYAML() bool { return *w.print.OutputFormat == "yaml" }

// printsObjects tells whether objects are put out, and not what became of them.
func (w *writing) printsObjects() bool {
	return *w.print.OutputFormat != "" || *w.print.TemplatePrinterFlags.TemplateArgument != ""
}
