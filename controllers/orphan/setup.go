package orphan

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

// Options of the controller.
type Options struct {
	// Credentials caches the Secrets of the credentials' namespace.
	Credentials cache.Cache
	// CredentialNamespace is where credentials are kept.
	CredentialNamespace string
	// Catalog looks up accounts from the cache, and LiveCatalog past it.
	Catalog, LiveCatalog *catalog.Catalog
	// Grace is how long a credential outlives its account.
	Grace time.Duration
	// Clock tells the time.
	Clock clock.PassiveClock
	// OnWrite, if there is one, is called for every write of a credential.
	OnWrite func(ctx context.Context, before, after *credential.Record)
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	r := &Reconciler{
		cached: o.Catalog,
		live:   o.LiveCatalog,
		store:  &credential.Store{Reader: o.Credentials, Writer: mgr.GetClient(), Namespace: o.CredentialNamespace, OnWrite: o.OnWrite},
		grace:  o.Grace,
		clock:  o.Clock,
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("credential"). // Its metrics bear this name.
		Watches(&v1alpha1.UserAccount{}, handler.EnqueueRequestsFromMapFunc(r.ofAccount), builder.WithPredicates(gone.Predicate())).
		WatchesRawSource(source.TypedKind(o.Credentials, client.Object(&corev1.Secret{}), &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// ofAccount names the credential of an account that was deleted.
func (r *Reconciler) ofAccount(_ context.Context, obj client.Object) []reconcile.Request {
	name := credential.NameOfObject(obj)
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: r.store.Namespace, Name: name}}}
}
