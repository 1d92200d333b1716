//go:build node

package node_test

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// measured is what the tests have measured, in the order in which they did.
var measured struct {
	sync.Mutex

	rows [][2]string
}

// figure notes what a test has measured, for the table at the end.
func figure(what, format string, values ...any) {
	said := fmt.Sprintf(format, values...)
	say("%s: %s", what, said)

	measured.Lock()
	defer measured.Unlock()

	measured.rows = append(measured.rows, [2]string{what, said})
}

func printFigures(to io.Writer) {
	measured.Lock()
	defer measured.Unlock()

	fmt.Fprintln(to, "\nWhat was measured on the node:")

	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range measured.rows {
		fmt.Fprintf(table, "  %s\t%s\n", row[0], row[1])
	}

	_ = table.Flush() // a table that cannot be written is missed
}
