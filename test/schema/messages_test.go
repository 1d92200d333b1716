package schema_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The words of the API server, so that the tables need to hold only what differs.

func tooSmall(field string, value, limit int) string {
	return fmt.Sprintf("%s: Invalid value: %d: %s in body should be greater than or equal to %d",
		field, value, strings.TrimPrefix(field, "status."), limit)
}

func tooBig(field string, value, limit int) string {
	return fmt.Sprintf("%s: Invalid value: %d: %s in body should be less than or equal to %d",
		field, value, strings.TrimPrefix(field, "status."), limit)
}

func tooShort(field, value string, limit int) string {
	return fmt.Sprintf("%s: Invalid value: %q: %s in body should be at least %d chars long",
		field, value, strings.TrimPrefix(field, "status."), limit)
}

func tooLong(field string, limit int) string {
	return fmt.Sprintf("%s: Too long: may not be more than %d bytes", field, limit)
}

func tooFew(field string, value, limit int) string {
	return fmt.Sprintf("%s: Invalid value: %d: %s in body should have at least %d items", field, value, field, limit)
}

func tooMany(field string, value, limit int) string {
	return fmt.Sprintf("%s: Too many: %d: must have at most %d items", field, value, limit)
}

func unsupported(field, value string, values ...string) string {
	return fmt.Sprintf(`%s: Unsupported value: %q: supported values: "%s"`,
		field, value, strings.Join(values, `", "`))
}

func duplicate(field, value string) string {
	return fmt.Sprintf("%s: Duplicate value: %s", field, value)
}

func required(field string) string { return field + ": Required value" }

// rule is the message of a CEL rule.
func rule(field, message string) string { return fmt.Sprintf("%s: Invalid value: %s", field, message) }

// valueRule is the message of a CEL rule on a string, which the API server quotes.
func valueRule(field, value, message string) string {
	return fmt.Sprintf("%s: Invalid value: %q: %s", field, value, message)
}

// refusals are what the API server says is wrong, each as people read it, sorted.
func refusals(t *testing.T, err error) []string {
	t.Helper()

	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) {
		t.Fatalf("got %v, want a refusal by the schema", err)
	}

	var all []string

	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Field != "<nil>" { // "some validation rules were not checked"
			all = append(all, cause.Field+": "+cause.Message)
		}
	}

	slices.Sort(all)

	return all
}

func list(n int, item string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+", ", n), ", ") + "]"
}

// numbered is a YAML list of n different items, made of a format with one %d.
func numbered(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}

	return "[" + strings.Join(items, ", ") + "]"
}
