package useraccount

import (
	"context"

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
// others, so the accounts of all of them are enqueued. The limit of wrong passwords of a directory binds all accounts of the namespaces that it allows
// or did allow, so all accounts are enqueued.
func (r *Reconciler) ofProvider(ctx context.Context, changed client.Object) []reconcile.Request {
	if p, ok := changed.(*v1alpha1.IdentityProvider); ok && provider.IsDirectory(p) {
		return r.list(ctx)
	}
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

// subjectChanged passes the events by which an account begins or ceases to declare a subject, or a name in a directory.
func subjectChanged() predicate.Predicate {
	return predicate.Or[client.Object](gone.Predicate(), predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, isAccount := e.ObjectOld.(*v1alpha1.UserAccount)
			after, areAccounts := e.ObjectNew.(*v1alpha1.UserAccount)
			return isAccount && areAccounts && !apiequality.Semantic.DeepEqual(before.Spec.Authentication, after.Spec.Authentication)
		},
	})
}

// ofSubject enqueues the accounts that an account may keep from their person, or does no longer. The others that declare the same stand as before. It is
// called with an account as it was, and with the same one as it is.
func (r *Reconciler) ofSubject(ctx context.Context, obj client.Object) []reconcile.Request {
	a, ok := obj.(*v1alpha1.UserAccount)
	if !ok {
		return nil
	}
	rivals, err := r.catalog.Rivals(ctx, a)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Accounts could not be listed from the cache")
		return nil
	}
	var requests []reconcile.Request
	for _, rival := range rivals {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rival)})
	}
	return requests
}

// ofNamespace enqueues the accounts of a namespace whose labels have changed, and those of other namespaces that they may keep from their person in a
// directory, or do no longer, since by its labels the namespace may use the directory or not.
func (r *Reconciler) ofNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	accounts := &v1alpha1.UserAccountList{}
	if err := r.client.List(ctx, accounts, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Accounts could not be listed from the cache")
		return nil
	}
	var requests []reconcile.Request
	for i := range accounts.Items {
		a := &accounts.Items[i]
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(a)})
		requests = append(requests, r.ofSubject(ctx, a)...)
	}
	return requests
}
