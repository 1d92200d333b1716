package keyring

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/internal/token"
)

// SetupWithManager adds the controller to a manager.
func SetupWithManager(mgr ctrl.Manager, secrets cache.Cache, namespace string, now clock.PassiveClock) error {
	r := &Reconciler{
		live: mgr.GetAPIReader(), writer: mgr.GetClient(), clock: now,
		key: types.NamespacedName{Namespace: namespace, Name: token.SecretName},
	}
	// A new installation has no ring, and so no event that would begin the first reconciliation.
	first := make(chan event.TypedGenericEvent[client.Object], 1)
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = namespace, token.SecretName
	first <- event.TypedGenericEvent[client.Object]{Object: secret}
	return ctrl.NewControllerManagedBy(mgr).
		Named("keyring").
		WatchesRawSource(source.TypedChannel(first, &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.TypedKind(secrets, client.Object(&corev1.Secret{}), &handler.EnqueueRequestForObject{},
			predicate.NewPredicateFuncs(func(o client.Object) bool { return client.ObjectKeyFromObject(o) == r.key }))).
		Complete(r)
}
