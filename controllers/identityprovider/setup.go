package identityprovider

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	indexProvider = "spec.authentication.providerRef.name"

	// countDelay is how late a provider's number of accounts may be, so that one write shows what many accounts have changed.
	countDelay = 5 * time.Second
)

// Options are those of the controller.
type Options struct {
	// Namespace of the providers' Secrets and certificates.
	Namespace string
	// Connections are those that are tested.
	Connections *Connections
	// CheckKeytab looks at the keytabs of directories.
	CheckKeytab KeytabFunc
	// Sweep says what the sweep has found out, and Swept names the providers about which it says something else now.
	Sweep SweepFunc
	Swept <-chan event.GenericEvent
	// LoginReplicas is how many login servers there are.
	LoginReplicas int
	// Registry is given the metric.
	Registry prometheus.Registerer
	Clock    clock.PassiveClock
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.UserAccount{}, indexProvider, providersOf); err != nil {
		return fmt.Errorf("index accounts by %s: %w", indexProvider, err)
	}
	r := &Reconciler{
		client: mgr.GetClient(), source: provider.Source{Reader: mgr.GetClient(), Namespace: o.Namespace},
		connections: o.Connections, checkKeytab: o.CheckKeytab, sweep: o.Sweep, loginReplicas: o.LoginReplicas,
		written: writetracker.New(), events: mgr.GetEventRecorder("keyturn-directory"), ready: newReadyGauge(o.Registry), clock: o.Clock,
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("identityprovider").
		// More workers than tests run at once, so that none that has nothing to test waits for others that do not answer.
		WithOptions(controller.Options{MaxConcurrentReconciles: provider.MaxProviders}).
		For(&v1alpha1.IdentityProvider{}).
		Watches(&v1alpha1.IdentityProvider{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(numberChanged())).
		Watches(&v1alpha1.UserAccount{}, countHandler{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.withSecret), builder.WithPredicates(inNamespace(o.Namespace))).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.withConfigMap), builder.WithPredicates(inNamespace(o.Namespace))).
		WatchesRawSource(source.Channel(o.Swept, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// providersOf returns the name of the provider that an account names, if any. An account that is being deleted counts no more.
func providersOf(obj client.Object) []string {
	if name := providerOf(obj); name != "" && obj.GetDeletionTimestamp() == nil {
		return []string{name}
	}
	return nil
}

func providerOf(obj client.Object) string {
	if a, ok := obj.(*v1alpha1.UserAccount); ok && a.Spec.Authentication.ProviderRef != nil {
		return a.Spec.Authentication.ProviderRef.Name
	}
	return ""
}

// numberChanged passes the events after which other providers may count, or count no more.
func numberChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return (e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil) || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
		},
	}
}

// inNamespace passes the events of one namespace. The server's cache has Secrets of another one as well: the credentials.
func inNamespace(namespace string) predicate.Predicate {
	return predicate.NewPredicateFuncs(func(object client.Object) bool { return object.GetNamespace() == namespace })
}

// all enqueues all providers.
func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.requests(ctx, func(*v1alpha1.IdentityProvider) bool { return true })
}

// withSecret enqueues the providers that name a Secret.
func (r *Reconciler) withSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.requests(ctx, func(p *v1alpha1.IdentityProvider) bool {
		return slices.Contains(provider.SecretNames(p), secret.GetName())
	})
}

// withConfigMap enqueues the providers that name a ConfigMap.
func (r *Reconciler) withConfigMap(ctx context.Context, configMap client.Object) []reconcile.Request {
	return r.requests(ctx, func(p *v1alpha1.IdentityProvider) bool {
		return slices.Contains(provider.ConfigMapNames(p), configMap.GetName())
	})
}

func (r *Reconciler) requests(ctx context.Context, matches func(*v1alpha1.IdentityProvider) bool) []reconcile.Request {
	all := &v1alpha1.IdentityProviderList{}
	if err := r.client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Providers could not be listed from the cache")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if matches(&all.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
		}
	}
	return requests
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// countHandler enqueues the providers whose number of accounts has changed.
type countHandler struct{ handler.Funcs }

// enqueue enqueues providers whose accounts are to be counted again.
func (countHandler) enqueue(q queue, names ...string) {
	for _, name := range names {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}, countDelay)
	}
}

// Create enqueues the provider of a new account.
func (h countHandler) Create(_ context.Context, e event.CreateEvent, q queue) {
	h.enqueue(q, providersOf(e.Object)...)
}

// Delete enqueues the provider of an account that is gone.
func (h countHandler) Delete(_ context.Context, e event.DeleteEvent, q queue) {
	if name := providerOf(e.Object); name != "" {
		h.enqueue(q, name)
	}
}

// Update enqueues the providers that an account left or joined.
func (h countHandler) Update(_ context.Context, e event.UpdateEvent, q queue) {
	before, after := providersOf(e.ObjectOld), providersOf(e.ObjectNew)
	if len(before) != len(after) || len(before) > 0 && before[0] != after[0] {
		h.enqueue(q, append(before, after...)...)
	}
}
