package administrators

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// column of the table of accounts.
type column struct {
	name string
	wide bool
	cell func(a *account, now time.Time) string
}

var columns = []column{
	{name: "Name", cell: func(a *account, _ time.Time) string { return a.Name }},
	{name: "Username", cell: func(a *account, _ time.Time) string { return a.Username() }},
	{name: "Standing", cell: func(a *account, _ time.Time) string { return string(a.Status.Standing) }},
	{name: "Reason", cell: func(a *account, _ time.Time) string { return string(a.Status.StandingReason) }},
	{name: "Password-Expires", cell: func(a *account, _ time.Time) string {
		if a.Status.Password == nil {
			return ""
		}
		return instant(a.Status.Password.ExpirationTime)
	}},
	{name: "Locked-Until", cell: func(a *account, _ time.Time) string {
		if a.Status.Login == nil {
			return ""
		}
		return instant(a.Status.Login.LockedUntilTime)
	}},
	{name: "Last-Login", cell: func(a *account, now time.Time) string {
		if a.Status.Login == nil {
			return ""
		}
		return age(a.Status.Login.LastSuccessTime, now)
	}},
	{name: "Failures", cell: func(a *account, _ time.Time) string {
		if a.Status.Login == nil {
			return "0"
		}
		return strconv.Itoa(int(a.Status.Login.Failures))
	}},
	{name: "Policy", wide: true, cell: func(a *account, _ time.Time) string { return a.Status.PolicyName }},
	{name: "Must-Change-Reason", wide: true, cell: func(a *account, _ time.Time) string {
		if a.Status.Password == nil {
			return ""
		}
		return string(a.Status.Password.MustChangeReason)
	}},
}

// instant formats a time in the way of the API, which has no offset to guess at.
func instant(t *v1alpha1.Instant) string {
	if t == nil || t.IsUnreadable() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// age formats how long ago a time was, as kubectl does.
func age(t *v1alpha1.Instant, now time.Time) string {
	if t == nil || t.IsUnreadable() {
		return ""
	}
	return duration.HumanDuration(max(0, now.Sub(t.Time.Time)))
}

// table prints a line for each account. What accounts call themselves stands in none: it may be of any width, or written to mislead.
func (s *statusCommand) table(found []*account, wide bool, now time.Time) error {
	table := &metav1.Table{}
	shown := columns
	if s.allNamespaces {
		shown = append([]column{{name: "Namespace", cell: func(a *account, _ time.Time) string { return a.Namespace }}}, columns...)
	}
	for _, c := range shown {
		definition := metav1.TableColumnDefinition{Name: c.name, Type: "string"}
		if c.wide {
			definition.Priority = 1
		}
		table.ColumnDefinitions = append(table.ColumnDefinitions, definition)
	}
	for _, a := range found {
		row := metav1.TableRow{}
		for _, c := range shown {
			row.Cells = append(row.Cells, c.cell(a, now))
		}
		table.Rows = append(table.Rows, row)
	}
	return printers.NewTablePrinter(printers.PrintOptions{NoHeaders: s.noHeaders, Wide: wide}).PrintObj(table, s.out())
}
