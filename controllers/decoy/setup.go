package decoy

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/internal/credential"
)

// SetupWithManager adds the controller to a manager. It has one request for all events, since each reconciliation looks at all decoys.
func SetupWithManager(mgr ctrl.Manager, decoys cache.Cache, namespace string) error {
	r := &Reconciler{
		cached: decoys,
		store:  &credential.Store{Writer: mgr.GetClient(), Namespace: namespace},
	}
	enqueue := handler.TypedEnqueueRequestsFromMapFunc[client.Object](oneRequest(namespace))
	// A new installation has no decoys, and so no event that would begin the first reconciliation.
	first := make(chan event.TypedGenericEvent[client.Object], 1)
	first <- event.TypedGenericEvent[client.Object]{Object: secretMetadata()}
	return ctrl.NewControllerManagedBy(mgr).
		Named("decoy").
		WatchesRawSource(source.TypedChannel(first, enqueue)).
		WatchesRawSource(source.TypedKind(decoys, client.Object(secretMetadata()), enqueue, gone.Predicate())).
		Complete(r)
}

func oneRequest(namespace string) handler.MapFunc {
	return func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: "decoys"}}}
	}
}

func secretMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
}
