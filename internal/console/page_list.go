package console

import (
	"net/http"
	"net/url"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/ui"
)

// listView is what the list shows.
type listView struct {
	Namespace, Search string
	IsAll             bool
	Standings         []standingOption
	// Count says how many accounts there are on the page. Everything is the address of the list without search and filter; empty
	// where nothing is left out.
	Count, Everything string
	Rows              []row
	// Next is the address of the next page, and First that of the first one; empty where there is none, or this is it.
	Next, First string
}

// standingOption is an option of the filter.
type standingOption struct {
	Value, Text string
	Selected    bool
}

// row is an account in the list.
type row struct {
	Address, Username, Name, Namespace string
	Standing, Reason, Class            string
	Expires, LastLogin                 *ui.Instant
	IsOwn                              bool
	Menu                               []menuItem
}

// list serves GET /admin.
func (c *console) list(w http.ResponseWriter, r *http.Request) {
	session, ok := c.pageSession(w, r, listPage)
	if !ok {
		return
	}
	q, refusal := readQuery(r, session.Account.Namespace)
	if refusal != nil {
		c.refusePage(w, r, refusal, listPage)
		return
	}
	q.Limit = 0 // Pages of the list have one size.
	list, err := c.Service.List(r.Context(), session, q)
	if err != nil {
		refusal := refusalOf(err)
		c.record(r, session, string(permission.List), administration.Target{Namespace: q.Namespace}, refusal)
		c.refuseList(w, r, q.Namespace == session.Account.Namespace, refusal)
		return
	}
	permitted, err := c.Service.Permitted(r.Context(), session, q.Namespace)
	if err != nil {
		permitted = nil // The log says why. The list has no menus then; an account's page asks again.
	}
	c.UI.Render(w, r, http.StatusOK, "admin-list", newListView(c.UI.Text(r), q, list, permitted, session.Account.UID))
}

// refuseList shows a refusal of the list. Its link back leads to the list of the own organisation, or away from it if that was refused.
func (c *console) refuseList(w http.ResponseWriter, r *http.Request, isOwn bool, refusal *httpkit.Problem) {
	back := listPage
	if isOwn {
		back = "/"
	}
	c.UI.ShowProblem(w, r, refusal, problemPage, back)
}

// newListView returns what the list shows of a page of accounts.
func newListView(t *ui.Text, q administration.Query, list administration.List, permitted []permission.Verb, own types.UID) listView {
	view := listView{Namespace: q.Namespace, Search: q.Search, IsAll: q.Namespace == administration.AllNamespaces}
	view.Standings = []standingOption{{Text: t.Say("admin.standing.any")}}
	for _, s := range standings {
		view.Standings = append(view.Standings, standingOption{string(s), t.Say("standing." + string(s)), s == q.Standing})
	}
	for _, a := range list.Accounts {
		view.Rows = append(view.Rows, newRow(t, a, permitted, a.UID == own))
	}
	if q.After != (administration.Target{}) {
		view.First = listAddress(q, "")
	}
	if next := continueOf(list); next != "" {
		view.Next = listAddress(q, next)
	}
	if q.Search != "" || q.Standing != "" {
		view.Everything = listAddress(administration.Query{Namespace: q.Namespace}, "")
	}
	view.Count = countText(t, len(view.Rows), view.First != "" || view.Next != "")
	return view
}

// countText says how many accounts there are: on the page, where there are more pages.
func countText(t *ui.Text, n int, isPart bool) string {
	switch {
	case n == 0:
		return t.Say("admin.none")
	case isPart:
		return t.Say("admin.count.page", "n", n)
	default:
		return t.Say("admin.count", "n", n)
	}
}

// listAddress returns the address of a page of the list.
func listAddress(q administration.Query, after string) string {
	values := url.Values{"namespace": {q.Namespace}}
	for name, value := range map[string]string{"search": q.Search, "standing": string(q.Standing), "continue": after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return listPage + "?" + values.Encode()
}

func newRow(t *ui.Text, a *v1alpha1.UserAccount, permitted []permission.Verb, isOwn bool) row {
	answer := watched(a)
	target := administration.Target{Namespace: a.Namespace, Name: a.Name}
	rw := row{
		Address: addressOf(target, ""), Username: answer.Username, Name: answer.DisplayName, Namespace: answer.Namespace,
		Standing: standingText(t, answer.Standing), Reason: reasonText(t, answer.Standing, answer.Reason), Class: standingClass(answer.Standing),
		Expires: ui.NewInstant(t, answer.PasswordExpiresAt), LastLogin: ui.NewInstant(t, answer.LastSuccessAt), IsOwn: isOwn,
	}
	for _, action := range offeredBy(a, permitted, isOwn) {
		rw.Menu = append(rw.Menu, newMenuItem(t, target, action))
	}
	return rw
}

// withoutCredential are the reasons of accounts that have no credential to act on.
var withoutCredential = []v1alpha1.StandingReason{
	v1alpha1.ReasonCredentialNotFound, v1alpha1.ReasonUsernameNotAccepted, v1alpha1.ReasonCredentialInvalid,
}

// offeredBy returns the actions that the menu of a row offers, by what the watch knows of the account. The account's page and the action
// itself look live.
func offeredBy(a *v1alpha1.UserAccount, permitted []permission.Verb, isOwn bool) []administration.Action {
	var mustChange v1alpha1.MustChangeReason
	if a.Status.Password != nil {
		mustChange = a.Status.Password.MustChangeReason
	}
	if slices.Contains(withoutCredential, a.Status.StandingReason) {
		return nil
	}
	hasPassword := a.Status.Password != nil
	var offered []administration.Action
	for _, verb := range permitted {
		action := administration.Action(verb)
		switch {
		case isOwn && verb != permission.SignOut:
			continue
		case verb == permission.ResetPassword && a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal:
			continue
		case verb == permission.RequireChange && mustChange == v1alpha1.MustChangeRequested:
			action = administration.ActionWithdrawChange
		case verb == permission.RequireChange && (!hasPassword || mustChange != ""):
			continue
		}
		offered = append(offered, action)
	}
	return offered
}
