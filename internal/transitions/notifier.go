package transitions

import (
	"context"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// Listener is called for each transition, with the account that it is about: nil where that is gone, or another one has its
// name by now. ctx is that of the write. A listener must not block, nor change the account.
type Listener func(ctx context.Context, transition account.Transition, a *v1alpha1.UserAccount)

// Notifier computes the transitions of writes and hands them to listeners.
type Notifier struct {
	Catalog   *catalog.Catalog
	Clock     clock.PassiveClock
	Listeners []Listener
}

// Wrote hands the transitions of one write of a credential to all listeners. It is for credential.Store's OnWrite.
func (n *Notifier) Wrote(ctx context.Context, before, after *credential.Record) {
	var was, is account.Credential
	latest := before
	if before != nil {
		was = before.Credential
	}
	if after != nil {
		is, latest = after.Credential, after
	}
	if latest.IsDecoy() {
		return
	}
	a := n.accountOf(ctx, latest)
	for _, transition := range n.rules(ctx, a, latest.Owner.Namespace).Transitions(was, is) {
		about := a
		if transition.Owner != latest.Owner {
			about = n.accountOf(ctx, before) // The credential has passed from one account to another.
		}
		for _, listener := range n.Listeners {
			listener(ctx, transition, about)
		}
	}
}

// accountOf returns the account that a credential belongs to; nil where there is none.
func (n *Notifier) accountOf(ctx context.Context, record *credential.Record) *v1alpha1.UserAccount {
	a, err := n.Catalog.Account(ctx, record.Owner.Namespace, record.Owner.Name)
	if err != nil || !record.BelongsTo(a) {
		return nil
	}
	return a
}

// rules returns the rules that decide whether the account is locked: by the policy of the namespace if the account is gone, and by the
// default policy if none can be known. The other transitions are the same under any policy.
func (n *Notifier) rules(ctx context.Context, a *v1alpha1.UserAccount, namespace string) account.Rules {
	spec := &v1alpha1.UserAccountSpec{}
	resolved, err := n.Catalog.NamespacePolicy(ctx, namespace)
	if a != nil {
		spec = &a.Spec
		resolved, err = n.Catalog.PolicyFor(ctx, a)
	}
	if err != nil {
		resolved.Policy = policy.Default()
	}
	return account.NewRules(spec, resolved.Policy, n.Clock.Now())
}
