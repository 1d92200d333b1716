package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
)

// maxSearch bounds what is searched for, in characters.
const maxSearch = 256

// standings are the values that a list can be filtered by.
var standings = []v1alpha1.Standing{
	v1alpha1.StandingActive, v1alpha1.StandingChangeRequired, v1alpha1.StandingResetRequired, v1alpha1.StandingExpired,
	v1alpha1.StandingLocked, v1alpha1.StandingDisabled, v1alpha1.StandingNoPassword,
}

// readQuery reads which accounts to list; own is the namespace of those who name none.
func readQuery(r *http.Request, own string) (administration.Query, *httpkit.Problem) {
	values := r.URL.Query()
	q := administration.Query{
		Namespace: cmp.Or(strings.ToLower(strings.TrimSpace(values.Get("namespace"))), own),
		Search:    strings.TrimSpace(values.Get("search")), Standing: v1alpha1.Standing(values.Get("standing")),
	}
	if q.Namespace != administration.AllNamespaces && len(validation.IsDNS1123Label(q.Namespace)) > 0 {
		return q, badQuery("namespace")
	}
	if utf8.RuneCountInString(q.Search) > maxSearch {
		return q, badQuery("search", "n", maxSearch)
	}
	if q.Standing != "" && !slices.Contains(standings, q.Standing) {
		return q, badQuery("standing", "values", joined(standings))
	}
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > administration.MaxLimit {
			return q, badQuery("limit", "n", administration.MaxLimit)
		}
		q.Limit = n
	}
	if after := values.Get("continue"); after != "" {
		namespace, name, found := strings.Cut(after, "/")
		if !found {
			return q, badQuery("continue")
		}
		q.After = administration.Target{Namespace: namespace, Name: name}
	}
	return q, nil
}

// badQuery is the problem of a parameter that makes no sense.
func badQuery(parameter string, values ...any) *httpkit.Problem {
	return problem(http.StatusBadRequest, httpkit.InvalidRequest, parameter, values...)
}

func joined[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return strings.Join(texts, ", ")
}

// continueOf returns the parameter of the page after a list; empty for the last one.
func continueOf(list administration.List) string {
	if !list.HasMore {
		return ""
	}
	last := list.Accounts[len(list.Accounts)-1]
	return last.Namespace + "/" + last.Name
}
