package passwordpolicy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/eventnote"
	"github.com/keyturn/keyturn/controllers/internal/mergepatch"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/policy"
)

// maxNamed is how many policies a message names.
const maxNamed = 3

// Reconciler reconciles PasswordPolicies.
type Reconciler struct {
	client  client.Client
	catalog *catalog.Catalog
	// written tracks this controller's writes of policies.
	written *writetracker.Tracker
	events  events.EventRecorder
	clock   clock.PassiveClock
}

// scope is everything that one reconciliation knows.
type scope struct {
	object *v1alpha1.PasswordPolicy
	policy policy.Policy
	// accounts is how many accounts the policy applies to.
	accounts int
	// defaults are the names of all policies annotated as the default; the first one applies.
	defaults []string
	// denyListError is why a deny list cannot be read.
	denyListError error
	now           time.Time
}

// Reconcile brings one policy's status up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	object := &v1alpha1.PasswordPolicy{}
	err := r.client.Get(ctx, req.NamespacedName, object)
	if apierrors.IsNotFound(err) {
		r.written.Forget(req.Name)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("look up policy: %w", err)
	}
	if !r.written.CaughtUp(req.Name, object.ResourceVersion) {
		return ctrl.Result{RequeueAfter: writetracker.MaxLag}, nil // The watch of that write enqueues it again, unless the write was lost.
	}
	if gone, err := r.removeFinalizer(ctx, object); err != nil || gone {
		return ctrl.Result{}, err
	}
	s, err := r.gather(ctx, object)
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.writeStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: max(0, s.policy.ChangeRequiredTime.Sub(s.now))}, nil
}

// gather looks up what the status of a policy depends on.
func (r *Reconciler) gather(ctx context.Context, object *v1alpha1.PasswordPolicy) (*scope, error) {
	s := &scope{object: object, policy: policy.From(object.Name, &object.Spec), now: r.clock.Now()}
	accounts := &v1alpha1.UserAccountList{}
	if err := r.client.List(ctx, accounts, client.MatchingFields{indexPolicy: object.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list accounts under the policy: %w", err)
	}
	s.accounts = len(accounts.Items)

	policies := &v1alpha1.PasswordPolicyList{}
	if err := r.client.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	all := make([]*v1alpha1.PasswordPolicy, len(policies.Items))
	for i := range policies.Items {
		all[i] = &policies.Items[i]
	}
	for _, p := range policy.DefaultPolicies(all) {
		s.defaults = append(s.defaults, p.Name)
	}
	_, s.denyListError = r.catalog.DenyLists(ctx, s.policy)
	return s, nil
}

// removeFinalizer removes the finalizer of former versions, with which a deletion would wait for the operator. It tells whether
// that has completed the deletion of the policy.
func (r *Reconciler) removeFinalizer(ctx context.Context, object *v1alpha1.PasswordPolicy) (gone bool, err error) {
	before := object.DeepCopy()
	if !controllerutil.RemoveFinalizer(object, v1alpha1.FinalizerInUse) {
		return false, nil
	}
	// The patch has the whole list of finalizers, so it must fail if another writer has changed the list since.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, object, patch); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("remove finalizer: %w", err)
	}
	r.written.Wrote(object.Name, object.ResourceVersion)
	return object.DeletionTimestamp != nil && len(object.Finalizers) == 0, nil
}

// writeStatus writes the status if it differs from the stored one, and sends an event when the policy ceases to be Ready.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope) error {
	before := s.object.DeepCopy()
	s.object.Status = project(s)
	if equality.Semantic.DeepEqual(before.Status, s.object.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, s.object, mergepatch.From(before, before.Status.Unreadable...)); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("write status: %w", err)
	}
	r.written.Wrote(s.object.Name, s.object.ResourceVersion)
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionReady)
	if is.Status == metav1.ConditionFalse && (was == nil || was.Reason != is.Reason) {
		r.events.Eventf(s.object, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", eventnote.Truncate(is.Message))
	}
	return nil
}

// project returns the status that a scope amounts to. Of the stored status it keeps the times at which conditions changed.
func project(s *scope) v1alpha1.PasswordPolicyStatus {
	status := v1alpha1.PasswordPolicyStatus{
		ObservedGeneration: s.object.Generation,
		Accounts:           new(int32(s.accounts)),
		Advice:             s.policy.Advice(),
		Conditions:         s.object.DeepCopy().Status.Conditions,
	}
	for _, requirement := range s.policy.Requirements() {
		status.Requirements = append(status.Requirements, requirement.Message)
	}
	c := ready(s)
	c.Type, c.ObservedGeneration, c.LastTransitionTime = v1alpha1.ConditionReady, s.object.Generation, metav1.NewTime(s.now.Truncate(time.Second))
	meta.SetStatusCondition(&status.Conditions, c)
	if c.Status == metav1.ConditionFalse && (c.Reason == v1alpha1.ConditionReasonSeveralDefaults || c.Reason == v1alpha1.ConditionReasonSpecUnreadable) {
		c.Type, c.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		meta.SetStatusCondition(&status.Conditions, c)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
	}
	if at := s.policy.ChangeRequiredTime; at.After(s.now) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionRequestPending, Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonInFuture,
			ObservedGeneration: s.object.Generation, LastTransitionTime: metav1.NewTime(s.now.Truncate(time.Second)),
			Message: fmt.Sprintf("spec.changeRequiredTime lies in the future and takes effect at %s, for the passwords that are set until then. "+
				"If that is not meant, check the clock of whoever has set it, and set it to the present.", at.UTC().Format(time.RFC3339)),
		})
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionRequestPending)
	}
	return status
}

// ready returns the condition Ready, without its type and times: whether the policy applies as it is declared.
func ready(s *scope) metav1.Condition {
	notReady := func(reason, format string, args ...any) metav1.Condition {
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	place := slices.Index(s.defaults, s.object.Name)
	switch {
	case len(s.object.Spec.UnreadableFields()) > 0:
		return notReady(v1alpha1.ConditionReasonSpecUnreadable, "These fields were stored in a form that cannot be read, and count as not given: %s. "+
			"Set them anew as kubectl explain passwordpolicy says (a time is one such as 2026-11-29T13:00:00Z), or take them out.",
			strings.Join(s.object.Spec.UnreadableFields(), ", "))
	case s.denyListError != nil:
		return notReady(v1alpha1.ConditionReasonDenyListNotFound, "No new password can be judged: %v. Create it, or take it out of denyList.configMapRefs.", s.denyListError)
	case place > 0:
		return notReady(v1alpha1.ConditionReasonSeveralDefaults, "PasswordPolicy %q, which is newer, is the default. Take the annotation %s off one of them.", s.defaults[0], v1alpha1.AnnotationDefaultPolicy)
	case place == 0 && len(s.defaults) > 1:
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonSeveralDefaults, Message: fmt.Sprintf(
			"The policy is the default, as the newest of several that are annotated so: %s. Take the annotation %s off the others.", abbreviate(s.defaults[1:]), v1alpha1.AnnotationDefaultPolicy)}
	case place == 0:
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonSucceeded, Message: "The policy is the default."}
	case s.object.DeletionTimestamp != nil:
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonSucceeded, Message: "The policy is being deleted, and applies to no account."}
	default:
		return metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonSucceeded, Message: "The policy can be used."}
	}
}

// abbreviate lists the first names, and counts the rest.
func abbreviate(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}
