package administrators

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// completionTimeout is how long a completion may take: somebody waits at a prompt.
const completionTimeout = 3 * time.Second

// noLimit of names.
const noLimit = 0

// atLeastOneName refuses a command line without a name.
func atLeastOneName(cmd *cobra.Command, names []string) error {
	if len(names) == 0 {
		return usagef("%s needs the NAME of an account, or several", cmd.CommandPath())
	}
	return nil
}

// oneName refuses a command line without exactly one name.
func oneName(cmd *cobra.Command, names []string) error {
	if len(names) != 1 {
		return usagef("%s needs the NAME of one account", cmd.CommandPath())
	}
	return nil
}

// complete has the values of a flag completed from a list.
func complete(cmd *cobra.Command, flag string, values ...string) {
	of := func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return beginningWith(begun, values), cobra.ShellCompDirectiveNoFileComp
	}
	// It only fails where there is no such flag, or where its values are completed already.
	if err := cmd.RegisterFlagCompletionFunc(flag, of); err != nil {
		panic(err)
	}
}

// beginningWith returns those that begin with what is typed.
func beginningWith(begun string, values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool { return !strings.HasPrefix(value, begun) })
}

// completeFlags has the values of the flags of all commands completed.
func (c *common) completeFlags(root *cobra.Command) {
	ofNamespaces := func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return c.completeObjects(cmd, begun, func(k *cluster) dynamic.ResourceInterface { return k.client.Resource(namespaces) })
	}
	ofContexts := func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		config, err := c.config.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginningWith(begun, slices.Sorted(maps.Keys(config.Contexts))), cobra.ShellCompDirectiveNoFileComp
	}
	for flag, values := range map[string]cobra.CompletionFunc{"namespace": ofNamespaces, "context": ofContexts} {
		if err := root.RegisterFlagCompletionFunc(flag, values); err != nil {
			panic(err) // As in complete.
		}
	}
}

// completeNames has names of accounts completed, each once, and no more than a limit.
func (c *common) completeNames(limit int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if limit != noLimit && len(given) >= limit {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, directive := c.completeObjects(cmd, begun, (*cluster).accounts)
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(given, name) }), directive
	}
}

// completePolicies has the name of a policy completed.
func (c *common) completePolicies(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return c.completeObjects(cmd, begun, func(k *cluster) dynamic.ResourceInterface { return k.client.Resource(policyResource) })
}

// completeObjects lists names that begin with what is typed. What cannot be listed is not completed, and nothing is said about it.
func (c *common) completeObjects(cmd *cobra.Command, begun string, of func(*cluster) dynamic.ResourceInterface) ([]string, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	k, err := c.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, err := of(k).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	return beginningWith(begun, names), cobra.ShellCompDirectiveNoFileComp
}
