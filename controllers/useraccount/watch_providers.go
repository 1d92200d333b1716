package useraccount

import (
	"context"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/provider"
)

// providerChanged passes the events by which what a provider declares changes, or which providers there are; also the beginning of a
// deletion. A test of the connection changes the status alone.
func providerChanged() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, gone.Predicate())
}

// ofProvider enqueues the accounts of a provider. Where there are more providers than count, one that is created or deleted decides about
// others, so the accounts of all of them are enqueued.
func (r *Reconciler) ofProvider(ctx context.Context, changed client.Object) []reconcile.Request {
	requests := r.list(ctx, catalog.OfProvider(changed.GetName()))
	providers := &v1alpha1.IdentityProviderList{}
	if err := r.client.List(ctx, providers, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Identity providers could not be listed from the cache")
		return requests
	}
	if len(providers.Items) < provider.MaxProviders {
		return requests
	}
	for i := range providers.Items {
		if name := providers.Items[i].Name; name != changed.GetName() {
			requests = append(requests, r.list(ctx, catalog.OfProvider(name))...)
		}
	}
	return requests
}

// subjectChanged passes the events by which an account begins or ceases to declare a subject.
func subjectChanged() predicate.Predicate {
	return predicate.Or[client.Object](gone.Predicate(), predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, isAccount := e.ObjectOld.(*v1alpha1.UserAccount)
			after, areAccounts := e.ObjectNew.(*v1alpha1.UserAccount)
			return isAccount && areAccounts && !apiequality.Semantic.DeepEqual(before.Spec.Authentication, after.Spec.Authentication)
		},
	})
}

// ofSubject enqueues, of the accounts that declare the same subject at the same provider, the first two: the one that has the subject now,
// and the one that may have had it before. The others stand as before. It is called with an account as it was, and with the same one as it is.
func (r *Reconciler) ofSubject(ctx context.Context, obj client.Object) []reconcile.Request {
	a, ok := obj.(*v1alpha1.UserAccount)
	if !ok || a.Spec.Authentication.ProviderRef == nil || a.Spec.Authentication.Subject == "" {
		return nil
	}
	declared := a.Spec.Authentication
	accounts := &v1alpha1.UserAccountList{}
	err := r.client.List(ctx, accounts, client.InNamespace(a.Namespace), catalog.OfSubject(declared.ProviderRef.Name, declared.Subject), client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Accounts could not be listed from the cache")
		return nil
	}
	all := make([]*v1alpha1.UserAccount, len(accounts.Items))
	for i := range accounts.Items {
		all[i] = &accounts.Items[i]
	}
	var requests []reconcile.Request
	for range 2 {
		if first := provider.FirstOfSubject(all); first != nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(first)})
			all = slices.DeleteFunc(all, func(other *v1alpha1.UserAccount) bool { return other == first })
		}
	}
	return requests
}
