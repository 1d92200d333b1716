package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/permission"
)

// maxSearchBytes bounds what is searched for.
const maxSearchBytes = 256

// standings are the values that a list can be filtered by.
var standings = []v1alpha1.Standing{
	v1alpha1.StandingActive, v1alpha1.StandingChangeRequired, v1alpha1.StandingResetRequired, v1alpha1.StandingExpired,
	v1alpha1.StandingLocked, v1alpha1.StandingDisabled, v1alpha1.StandingNoPassword,
}

// readQuery reads which accounts to list; own is the namespace of those who name none.
func readQuery(r *http.Request, own string) (administration.Query, *httpkit.Problem) {
	values := r.URL.Query()
	q := administration.Query{
		Namespace: cmp.Or(strings.TrimSpace(values.Get("namespace")), own),
		Search:    strings.TrimSpace(values.Get("search")), Standing: v1alpha1.Standing(values.Get("standing")),
	}
	if q.Namespace != administration.AllNamespaces && len(validation.IsDNS1123Label(q.Namespace)) > 0 {
		return q, httpkit.Invalid("The namespace must be the name of one, or * for all.")
	}
	if len(q.Search) > maxSearchBytes {
		return q, httpkit.Invalid("Search for at most " + strconv.Itoa(maxSearchBytes) + " bytes.")
	}
	if q.Standing != "" && !slices.Contains(standings, q.Standing) {
		return q, httpkit.Invalid("The standing must be one of: " + joined(standings) + ".")
	}
	if limit := values.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 || n > administration.MaxLimit {
			return q, httpkit.Invalid("The limit must be a number from 1 to " + strconv.Itoa(administration.MaxLimit) + ".")
		}
		q.Limit = n
	}
	if after := values.Get("continue"); after != "" {
		namespace, name, found := strings.Cut(after, "/")
		if !found {
			return q, httpkit.Invalid("Give the continue of the answer before, as it is.")
		}
		q.After = administration.Target{Namespace: namespace, Name: name}
	}
	return q, nil
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

// apiList serves GET /api/v1/accounts.
func (c *console) apiList(w http.ResponseWriter, r *http.Request) {
	session, err := c.session(r, metrics.EntryAPI)
	if err != nil {
		refusalOf(err).Write(w)
		return
	}
	q, refusal := readQuery(r, session.Account.Namespace)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	list, err := c.Service.List(r.Context(), session, q)
	if err != nil {
		refusal := refusalOf(err)
		c.record(r, session, string(permission.List), administration.Target{Namespace: q.Namespace}, refusal)
		refusal.Write(w)
		return
	}
	answer := listAnswer{Accounts: make([]accountAnswer, len(list.Accounts)), Continue: continueOf(list)}
	for i, a := range list.Accounts {
		answer.Accounts[i] = watched(a)
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", answer)
}

// apiGet serves GET /api/v1/accounts/{namespace}/{name}.
func (c *console) apiGet(w http.ResponseWriter, r *http.Request) {
	session, err := c.session(r, metrics.EntryAPI)
	if err != nil {
		refusalOf(err).Write(w)
		return
	}
	d, refusal := c.find(r, session, targetOf(r))
	if refusal != nil {
		refusal.Write(w)
		return
	}
	answer := detailsAnswer{
		accountAnswer: live(d), Actions: d.Actions, Requirements: d.Requirements,
		ResetAt: seconds(d.Credential.Acted.Reset.Time), ResetBy: d.Credential.Acted.Reset.By,
	}
	if answer.Actions == nil {
		answer.Actions = []administration.Action{}
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", answer)
}
