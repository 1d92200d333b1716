package passwordpolicy

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/policy"
)

const (
	indexPolicy = "status.policyName"

	// countDelay is how late a policy's number of accounts may be, so that one write shows what many accounts have changed.
	countDelay = 5 * time.Second
)

// SetupWithManager adds the controller to a manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, lists *catalog.Catalog, now clock.PassiveClock) error {
	if err := addIndex(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r := &Reconciler{
		client: mgr.GetClient(), catalog: lists, clock: now, written: writetracker.New(),
		events: mgr.GetEventRecorder("keyturn-operator"),
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("passwordpolicy").
		For(&v1alpha1.PasswordPolicy{}).
		Watches(&v1alpha1.PasswordPolicy{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(defaultChanged{})).
		Watches(&v1alpha1.UserAccount{}, countHandler{}).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		Complete(r)
}

func addIndex(ctx context.Context, indexer client.FieldIndexer) error {
	index := func(obj client.Object) []string {
		if a, ok := obj.(*v1alpha1.UserAccount); ok && policyOf(a) != "" {
			return []string{policyOf(a)}
		}
		return nil
	}
	if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexPolicy, index); err != nil {
		return fmt.Errorf("index accounts by %s: %w", indexPolicy, err)
	}
	return nil
}

// policyOf returns the name of the policy that applies to an account. Where spec.policyRef cannot be followed, that is another
// than it names. An account that is being deleted is under no policy.
func policyOf(a *v1alpha1.UserAccount) string {
	if a.DeletionTimestamp != nil {
		return ""
	}
	return a.Status.PolicyName
}

// all enqueues all policies.
func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	policies := &v1alpha1.PasswordPolicyList{}
	if err := r.client.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Policies could not be listed from the cache")
		return nil
	}
	requests := make([]reconcile.Request, len(policies.Items))
	for i := range policies.Items {
		requests[i] = reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policies.Items[i])}
	}
	return requests
}

// defaultChanged passes the events that change which policies are annotated as the default.
type defaultChanged struct{ predicate.Funcs }

func isDefault(obj client.Object) bool {
	p, ok := obj.(*v1alpha1.PasswordPolicy)
	return ok && policy.IsDefault(p)
}

// Create passes a new default policy.
func (defaultChanged) Create(e event.CreateEvent) bool { return isDefault(e.Object) }

// Delete passes a policy that was annotated as the default. Update has passed the beginning of its deletion, unless the watch
// missed that.
func (defaultChanged) Delete(e event.DeleteEvent) bool {
	return e.Object.GetAnnotations()[v1alpha1.AnnotationDefaultPolicy] == "true"
}

// Update passes a policy that becomes a default one or ceases to be one. It ceases when its deletion begins.
func (defaultChanged) Update(e event.UpdateEvent) bool {
	return isDefault(e.ObjectOld) != isDefault(e.ObjectNew)
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueueCount enqueues policies whose accounts are to be counted again.
func enqueueCount(q queue, names ...string) {
	for _, name := range names {
		if name != "" {
			q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}, countDelay)
		}
	}
}

// countHandler enqueues the policies whose number of accounts has changed.
type countHandler struct{ handler.Funcs }

// Create enqueues the policy of a new account.
func (countHandler) Create(_ context.Context, e event.CreateEvent, q queue) {
	if a, ok := e.Object.(*v1alpha1.UserAccount); ok {
		enqueueCount(q, policyOf(a))
	}
}

// Delete enqueues the policy of an account that is gone.
func (countHandler) Delete(_ context.Context, e event.DeleteEvent, q queue) {
	if a, ok := e.Object.(*v1alpha1.UserAccount); ok {
		enqueueCount(q, a.Status.PolicyName)
	}
}

// Update enqueues the policies that an account left or joined.
func (countHandler) Update(_ context.Context, e event.UpdateEvent, q queue) {
	before, okBefore := e.ObjectOld.(*v1alpha1.UserAccount)
	after, okAfter := e.ObjectNew.(*v1alpha1.UserAccount)
	if okBefore && okAfter && policyOf(before) != policyOf(after) {
		enqueueCount(q, policyOf(before), policyOf(after))
	}
}
