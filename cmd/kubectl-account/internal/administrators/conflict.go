package administrators

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// byHand are the field managers of kubectl commands with which somebody has set a field once. Nothing sets it back.
var byHand = []string{"kubectl-patch", "kubectl-edit"}

// byKubectl are those and the managers of what kubectl creates and applies, by hand or in a pipeline.
var byKubectl = append([]string{"kubectl", "kubectl-client-side-apply", "kubectl-create"}, byHand...)

// isSetByHand tells whether a field could not be written because it was set by hand, and nothing else manages it.
func isSetByHand(err error) bool {
	managers := managersOf(err)
	return len(managers) > 0 && !slices.ContainsFunc(managers, func(m string) bool { return !slices.Contains(byHand, m) })
}

// isOutdated tells whether an object could not be written because it has been changed since it was read.
func isOutdated(err error) bool { return apierrors.IsConflict(err) && len(managersOf(err)) == 0 }

var quotedManager = regexp.MustCompile(`conflict with "([^"]*)"`)

// managersOf returns which other field managers own what was to be written; none where the error is not about that.
func managersOf(err error) []string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.Status().Details == nil {
		return nil
	}
	var managers []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := "unknown"
		if found := quotedManager.FindStringSubmatch(cause.Message); found != nil {
			manager = found[1]
		}
		managers = append(managers, manager)
	}
	slices.Sort(managers)
	return slices.Compact(managers)
}

// isOfOtherType tells whether a Secret could not be written because there is one of another type.
func isOfOtherType(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.Status().Details != nil && slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return strings.TrimPrefix(c.Field, ".") == "type"
	})
}

// ownedError says that others own a field, so that nothing was written.
func ownedError(what string, managers []string, hint string) error {
	quoted := make([]string, len(managers))
	for i, manager := range managers {
		quoted[i] = fmt.Sprintf("%q", manager)
	}
	err := fmt.Errorf("%s is managed by %s, which would write back its own value. Nothing was changed", what, strings.Join(quoted, " and "))
	return hintf(err, "%s", hint)
}
