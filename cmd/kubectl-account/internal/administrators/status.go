package administrators

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/pager"
)

// statusWide is the format of a table with more columns.
const statusWide = "wide"

// statusCommand shows how accounts stand.
type statusCommand struct {
	*common

	print         *genericclioptions.PrintFlags
	allNamespaces bool
	selector      string
	noHeaders     bool
}

func newStatus(c *common) *cobra.Command {
	s := &statusCommand{common: c, print: genericclioptions.NewPrintFlags("")}
	cmd := &cobra.Command{
		Use: "status [NAME...]", Short: "Show how accounts stand",
		Long: "Show how accounts stand, a line each. One account that is named is described, with what an administrator can do next.",
		Example: "  " + commandName + " status -n acme\n  " + commandName + " status ada -n acme\n  " +
			commandName + " status -A -l team=platform -o wide",
		ValidArgsFunction: c.completeNames(noLimit),
		RunE:              s.run,
	}
	s.print.AddFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "If present, list the accounts across all namespaces.")
	flags.StringVarP(&s.selector, "selector", "l", "", "Selector (label query) to filter on, supports '=', '==', '!=', 'in', 'notin'. (e.g. -l key1=value1,key2=value2)")
	flags.BoolVar(&s.noHeaders, "no-headers", false, "When using the default output format, don't print headers (default print headers).")
	complete(cmd, "output", append(s.print.AllowedFormats(), statusWide)...)
	flags.Lookup("output").Usage = fmt.Sprintf("Output format. One of: (%s).", strings.Join(append(s.print.AllowedFormats(), statusWide), ", "))
	return cmd
}

func (s *statusCommand) run(cmd *cobra.Command, names []string) error {
	switch {
	case len(names) > 0 && s.allNamespaces:
		return usagef("a resource cannot be retrieved by name across all namespaces")
	case len(names) > 0 && s.selector != "":
		return usagef("name cannot be provided when a selector is specified")
	}
	if format := *s.print.OutputFormat; format != "" && format != statusWide {
		if _, err := s.print.ToPrinter(); err != nil {
			return &usageError{withWide(err)}
		}
	}
	k, err := s.connect()
	if err != nil {
		return err
	}
	if s.allNamespaces {
		k.namespace = metav1.NamespaceAll
	}
	var found []*account
	if len(names) == 0 {
		if found, err = s.list(cmd.Context(), k); err != nil {
			return err
		}
		return s.show(k, found, false)
	}
	failure := s.each(cmd, names, func(name string) error {
		a, err := k.get(cmd.Context(), name)
		found = append(found, a)
		return err
	})
	found = slices.DeleteFunc(found, func(a *account) bool { return a == nil })
	if len(found) == 0 {
		return failure
	}
	if err := s.show(k, found, len(names) == 1); err != nil {
		return err
	}
	return failure
}

// withWide adds the format of this command to the list of those that are allowed.
func withWide(err error) error {
	if unknown, ok := errors.AsType[genericclioptions.NoCompatiblePrinterError](err); ok {
		unknown.AllowedFormats = append(unknown.AllowedFormats, statusWide)
		return unknown
	}
	return err
}

// list reads all accounts, page by page.
func (s *statusCommand) list(ctx context.Context, k *cluster) ([]*account, error) {
	var found []*account
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return k.accounts().List(ctx, options)
	})
	err := pages.EachListItem(ctx, metav1.ListOptions{LabelSelector: s.selector}, func(item runtime.Object) error {
		object, ok := item.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("the API server lists a %T", item)
		}
		a, err := read(object)
		found = append(found, a)
		return err
	})
	if err != nil {
		return nil, k.explain(err)
	}
	return found, nil
}

// show prints accounts: one that was named as it is, others as a list.
func (s *statusCommand) show(k *cluster, found []*account, single bool) error {
	format := *s.print.OutputFormat
	switch {
	case (format == "" || format == statusWide) && !s.templateGiven():
		if single && format == "" {
			return s.describe(found[0], k.clock.now())
		}
		if len(found) == 0 {
			s.tell("%s", nothingFound(k.namespace))
			return nil
		}
		return s.table(found, format == statusWide, k.clock.now())
	}
	printer, err := s.print.ToPrinter()
	if err != nil {
		return &usageError{err}
	}
	if single {
		return printer.PrintObj(found[0].object, s.out())
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}}}
	for _, a := range found {
		list.Items = append(list.Items, *a.object)
	}
	return printer.PrintObj(list, s.out())
}

// templateGiven tells whether --template is given, which chooses a format by itself.
func (s *statusCommand) templateGiven() bool {
	return *s.print.TemplatePrinterFlags.TemplateArgument != ""
}

// nothingFound is what kubectl says.
func nothingFound(namespace string) string {
	if namespace == metav1.NamespaceAll {
		return "No resources found"
	}
	return fmt.Sprintf("No resources found in %s namespace.", namespace)
}
