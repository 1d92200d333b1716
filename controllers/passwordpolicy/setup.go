package passwordpolicy

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/ledger"
	"github.com/keyturn/keyturn/internal/directory"
)

const (
	indexPolicyRef = "spec.policyRef.name"
	indexApplied   = "status.policyName"

	reconciliationTimeout = time.Minute
	// countDelay gathers what many accounts change at once into one write of a policy's number of accounts.
	countDelay = 5 * time.Second
)

// Options of the controller.
type Options struct {
	// Directory looks up deny lists.
	Directory *directory.Directory
	// Clock tells the time.
	Clock clock.PassiveClock
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r := &Reconciler{
		client: mgr.GetClient(), directory: o.Directory, clock: o.Clock, written: ledger.New(),
		events: mgr.GetEventRecorder("keyturn-operator"),
	}
	namespaceMeta := &metav1.PartialObjectMetadata{}
	namespaceMeta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("passwordpolicy").
		For(&v1alpha1.PasswordPolicy{}).
		Watches(&v1alpha1.PasswordPolicy{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(defaultChanged{})).
		Watches(&v1alpha1.UserAccount{}, countHandler{}).
		WatchesMetadata(namespaceMeta, labelHandler{}, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		WithOptions(controller.Options{ReconciliationTimeout: reconciliationTimeout}).
		Complete(r)
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for name, value := range map[string]func(*v1alpha1.UserAccount) string{indexPolicyRef: policyRef, indexApplied: applied} {
		index := func(obj client.Object) []string {
			if declared, ok := obj.(*v1alpha1.UserAccount); ok && value(declared) != "" {
				return []string{value(declared)}
			}
			return nil
		}
		if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, name, index); err != nil {
			return fmt.Errorf("index accounts by %s: %w", name, err)
		}
	}
	return nil
}

func policyRef(a *v1alpha1.UserAccount) string {
	if a.Spec.PolicyRef == nil {
		return ""
	}
	return a.Spec.PolicyRef.Name
}

func applied(a *v1alpha1.UserAccount) string { return a.Status.PolicyName }

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

// defaultChanged passes what changes which policies are annotated as the default.
type defaultChanged struct{ predicate.Funcs }

func isDefault(obj client.Object) bool {
	return obj.GetAnnotations()[v1alpha1.AnnotationDefaultPolicy] == "true"
}

// Create passes a new default policy.
func (defaultChanged) Create(e event.CreateEvent) bool { return isDefault(e.Object) }

// Delete passes a default policy that is gone.
func (defaultChanged) Delete(e event.DeleteEvent) bool { return isDefault(e.Object) }

// Update passes a policy that became, or ceased to be, a default one.
func (defaultChanged) Update(e event.UpdateEvent) bool {
	return isDefault(e.ObjectOld) != isDefault(e.ObjectNew)
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

func enqueue(q queue, delay time.Duration, names ...string) {
	for _, name := range names {
		if name != "" {
			q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}, delay)
		}
	}
}

// countHandler enqueues the policies whose accounts have changed. Deletion waits for accounts that name it, so that is
// enqueued at once.
type countHandler struct{ handler.Funcs }

// Create enqueues the policies of a new account.
func (countHandler) Create(_ context.Context, e event.CreateEvent, q queue) {
	accountChanged(q, e.Object)
}

// Delete enqueues the policies of an account that is gone.
func (countHandler) Delete(_ context.Context, e event.DeleteEvent, q queue) {
	accountChanged(q, e.Object)
}

// Update enqueues the policies that an account left or joined.
func (countHandler) Update(_ context.Context, e event.UpdateEvent, q queue) {
	before, okBefore := e.ObjectOld.(*v1alpha1.UserAccount)
	after, okAfter := e.ObjectNew.(*v1alpha1.UserAccount)
	if !okBefore || !okAfter {
		return
	}
	if applied(before) != applied(after) {
		enqueue(q, countDelay, applied(before), applied(after))
	}
	if policyRef(before) != policyRef(after) {
		enqueue(q, 0, policyRef(before), policyRef(after))
	}
}

func accountChanged(q queue, obj client.Object) {
	if a, ok := obj.(*v1alpha1.UserAccount); ok {
		enqueue(q, countDelay, applied(a))
		enqueue(q, 0, policyRef(a))
	}
}

// labelHandler enqueues the policies that a namespace names, or named.
type labelHandler struct{ handler.Funcs }

func labelOf(obj client.Object) string { return obj.GetLabels()[v1alpha1.LabelPasswordPolicy] }

// Create enqueues the policy of a new namespace.
func (labelHandler) Create(_ context.Context, e event.CreateEvent, q queue) {
	enqueue(q, 0, labelOf(e.Object))
}

// Delete enqueues the policy of a namespace that is gone.
func (labelHandler) Delete(_ context.Context, e event.DeleteEvent, q queue) {
	enqueue(q, 0, labelOf(e.Object))
}

// Update enqueues the policies that a namespace names and named.
func (labelHandler) Update(_ context.Context, e event.UpdateEvent, q queue) {
	enqueue(q, 0, labelOf(e.ObjectOld), labelOf(e.ObjectNew))
}
