package certificate

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// SetupWithManager adds the controller to a manager. It has one request for all events, since each reconciliation looks at all objects.
// The cache holds the metadata of the Secrets in Keyturn's own namespace.
func SetupWithManager(mgr ctrl.Manager, secrets cache.Cache, namespace string, now clock.PassiveClock) error {
	r := &Reconciler{live: mgr.GetAPIReader(), writer: mgr.GetClient(), namespace: namespace, clock: now}
	one := func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: SecretName}}}
	}
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return o.GetNamespace() == namespace && (o.GetName() == SecretName || o.GetName() == AuthorityName)
	})
	metadata := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	// A new installation has none of the objects, and so no event that would begin the first reconciliation.
	first := make(chan event.TypedGenericEvent[client.Object], 1)
	first <- event.TypedGenericEvent[client.Object]{Object: metadata}
	enqueue := handler.TypedEnqueueRequestsFromMapFunc[client.Object](one)
	return ctrl.NewControllerManagedBy(mgr).
		Named("certificate").
		WatchesRawSource(source.TypedChannel(first, enqueue)).
		WatchesRawSource(source.TypedKind(secrets, client.Object(metadata), enqueue, ours)).
		Watches(&corev1.ConfigMap{}, enqueue, builder.WithPredicates(ours)).
		Complete(r)
}
