package administration

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/sessions"
)

const (
	// DefaultLimit is how many accounts a page of a list has, if nobody asks for another number.
	DefaultLimit = 50
	// MaxLimit is the greatest number that can be asked for.
	MaxLimit = 500
	// AllNamespaces stands for the accounts of all namespaces in a query.
	AllNamespaces = "*"
)

// Query says which accounts to list.
type Query struct {
	// Namespace of the accounts, or AllNamespaces.
	Namespace string
	// Search is a part of a username, of the name of a UserAccount, of a display name or of an e-mail address; case does not count.
	Search string
	// Standing that the accounts have; empty for any.
	Standing v1alpha1.Standing
	// Limit is how many accounts are returned at most; 0 for DefaultLimit.
	Limit int
	// After is the last account of the page before; zero for the first page.
	After Target
}

// List is a page of accounts.
type List struct {
	// Accounts, ordered by namespace and name, as the watch has them: their status may be some seconds old. They must not be changed.
	Accounts []*v1alpha1.UserAccount
	// HasMore tells that there are more accounts after the last one.
	HasMore bool
}

// actionVerbs are the verbs of actions.
var actionVerbs = []permission.Verb{permission.ResetPassword, permission.Unlock, permission.SignOut, permission.RequireChange}

// MayList tells whether the actor may list the accounts of a namespace, or of AllNamespaces. Errors: ErrUnavailable.
func (s *Service) MayList(ctx context.Context, session sessions.Session, namespace string) (bool, error) {
	actor, ok := actorOf(session.Account, session.Groups, session.Claims.AccountID)
	if !ok {
		return false, nil
	}
	return s.allowed(ctx, actor, permission.Question{Verb: permission.List, Namespace: scope(namespace)})
}

// scope is the namespace of a question; empty for AllNamespaces.
func scope(namespace string) string {
	if namespace == AllNamespaces {
		return ""
	}
	return namespace
}

// List returns a page of accounts from the watch. It asks the API server for nothing but what the actor may do. Errors:
// NotPermittedError, ErrOverloaded, ErrUnavailable.
func (s *Service) List(ctx context.Context, session sessions.Session, q Query) (List, error) {
	leave, err := s.admission.enter(ctx, session.Claims.AccountID, false)
	if err != nil {
		return List{}, err
	}
	defer leave()
	allowed, err := s.MayList(ctx, session, q.Namespace)
	if err != nil {
		return List{}, err
	}
	if !allowed {
		return List{}, &NotPermittedError{Verb: permission.List, Reason: ReasonRole}
	}
	list := List{}
	list.Accounts, list.HasMore = q.choose(s.Watched.InNamespace(scope(q.Namespace)))
	return list, nil
}

// Permitted returns the verbs of actions that the actor has for all accounts of a namespace, or of AllNamespaces. Errors: ErrUnavailable.
func (s *Service) Permitted(ctx context.Context, session sessions.Session, namespace string) ([]permission.Verb, error) {
	actor, ok := actorOf(session.Account, session.Groups, session.Claims.AccountID)
	if !ok {
		return nil, nil
	}
	return s.permittedVerbs(ctx, actor, Target{Namespace: scope(namespace)})
}

// permittedVerbs returns the verbs of actions that the actor has for a target; without a name, for all accounts of its namespace.
func (s *Service) permittedVerbs(ctx context.Context, actor permission.Actor, t Target) ([]permission.Verb, error) {
	allowed := make([]bool, len(actionVerbs))
	group, ctx := errgroup.WithContext(ctx)
	for i, verb := range actionVerbs {
		group.Go(func() (err error) {
			allowed[i], err = s.allowed(ctx, actor, permission.Question{Verb: verb, Namespace: t.Namespace, Name: t.Name})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var permitted []permission.Verb
	for i, verb := range actionVerbs {
		if allowed[i] {
			permitted = append(permitted, verb)
		}
	}
	return permitted, nil
}

// choose returns the accounts of one page, in order, and whether there are more. Of all that it looks at it keeps the first ones, as many
// as the page has and one: to sort thousands of accounts for each page takes most of the time.
func (q Query) choose(accounts iter.Seq[*v1alpha1.UserAccount]) ([]*v1alpha1.UserAccount, bool) {
	limit := min(cmp.Or(q.Limit, DefaultLimit), MaxLimit)
	search := strings.ToLower(q.Search)
	first := make([]*v1alpha1.UserAccount, 0, limit+1)
	for a := range accounts {
		isLate := len(first) > limit && inOrder(a, first[limit]) > 0
		if isLate || a.DeletionTimestamp != nil || !q.isAfter(a) || (q.Standing != "" && a.Status.Standing != q.Standing) || !matches(a, search) {
			continue
		}
		if len(first) > limit {
			first = first[:limit]
		}
		i, _ := slices.BinarySearchFunc(first, a, inOrder)
		first = slices.Insert(first, i, a)
	}
	return first[:min(len(first), limit)], len(first) > limit
}

// inOrder compares accounts by their place in a list.
func inOrder(a, b *v1alpha1.UserAccount) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// isAfter tells whether an account comes after the page before.
func (q Query) isAfter(a *v1alpha1.UserAccount) bool {
	return cmp.Or(strings.Compare(a.Namespace, q.After.Namespace), strings.Compare(a.Name, q.After.Name)) > 0
}

// matches tells whether a text in lower case is a part of what an account is called.
func matches(a *v1alpha1.UserAccount, search string) bool {
	if search == "" {
		return true
	}
	for _, text := range []string{a.Name, a.Spec.Username, a.Spec.DisplayName, a.Spec.Email} {
		if strings.Contains(strings.ToLower(text), search) {
			return true
		}
	}
	return false
}
