package useraccount

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/controllers/internal/ledger"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/transitions"
)

const (
	indexSecret     = "spec.password.secretRef.name"
	indexCredential = "credentialName"

	reconciliationTimeout = time.Minute
	// concurrentReconciles is more than the cores can hash, since most of a reconciliation is waiting for the API server.
	concurrentReconciles = 16
)

// Options of the controller.
type Options struct {
	// Credentials caches the Secrets of the credentials' namespace.
	Credentials cache.Cache
	// CredentialNamespace is where credentials are kept.
	CredentialNamespace string
	// Catalog looks up policies from the cache, and LiveCatalog past it.
	Catalog, LiveCatalog *catalog.Catalog
	// Hashes is how many passwords are hashed at once.
	Hashes int
	// Hasher hashes them.
	Hasher hash.Hasher
	// Clock tells the time.
	Clock clock.PassiveClock
	// Registry is where the metrics are registered.
	Registry prometheus.Registerer
	// Transitions hears of every write of a credential by this controller. The controller adds its metrics to the listeners.
	Transitions transitions.Notifier
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := o.Registry.Register(newCensus(mgr.GetClient(), o.Clock, mgr.Elected())); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	called := make(chan event.TypedGenericEvent[types.NamespacedName], o.Hashes) // No more turns than that are granted at once.
	r := &Reconciler{
		client:      mgr.GetClient(),
		live:        mgr.GetAPIReader(),
		catalog:     o.Catalog,
		liveCatalog: o.LiveCatalog,
		records: newRecords(
			&credential.Store{Reader: o.Credentials, Namespace: o.CredentialNamespace},
			&credential.Store{Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Namespace: o.CredentialNamespace},
		),
		written: ledger.New(),
		turns: newTurns(o.Hashes, func(who types.NamespacedName) {
			called <- event.TypedGenericEvent[types.NamespacedName]{Object: who}
		}),
		events: mgr.GetEventRecorder("keyturn-operator"),
		hasher: o.Hasher,
		clock:  o.Clock,
		resets: newResets(o.Registry),
	}
	written, watched := r.notifiers(o.Transitions)
	r.records.live.OnWrite = written
	secretMeta := &metav1.PartialObjectMetadata{}
	secretMeta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	namespaceMeta := &metav1.PartialObjectMetadata{}
	namespaceMeta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ctrl.NewControllerManagedBy(mgr).
		Named("useraccount").
		For(&v1alpha1.UserAccount{}).
		Watches(&v1alpha1.UserAccount{}, handler.EnqueueRequestsFromMapFunc(r.sameUsername), builder.WithPredicates(gone.Predicate())).
		WatchesMetadata(secretMeta, handler.EnqueueRequestsFromMapFunc(r.ofSecret)).
		WatchesMetadata(namespaceMeta, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&v1alpha1.PasswordPolicy{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(policyChanged())).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.ofDenyList)).
		WatchesRawSource(source.TypedKind(o.Credentials, client.Object(&corev1.Secret{}), newCredentialHandler(r.ofCredential, watched))).
		WatchesRawSource(source.TypedChannel(called, handler.TypedEnqueueRequestsFromMapFunc(
			func(_ context.Context, who types.NamespacedName) []reconcile.Request {
				return []reconcile.Request{{NamespacedName: who}}
			}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentReconciles, ReconciliationTimeout: reconciliationTimeout}).
		Complete(r)
}

// notifiers returns the listener of this controller's own writes of credentials, and that of the updates which the watch brings.
// Events are sent for both servers' writes, each once: the watch brings the updates of both. A credential that the watch brings
// as a new one may come from a backup; so the event of a password in a new credential is sent by the controller that creates it.
func (r *Reconciler) notifiers(t transitions.Notifier) (written, watched func(ctx context.Context, before, after *credential.Record)) {
	counted, told := t, t
	counted.Listeners = append(slices.Clone(t.Listeners), r.resets.transition)
	told.Listeners = []transitions.Listener{r.transitionEvent}
	written = func(ctx context.Context, before, after *credential.Record) {
		counted.Wrote(ctx, before, after)
		if before == nil {
			told.Wrote(ctx, nil, after)
		}
	}
	return written, told.Wrote
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	bySecret := func(obj client.Object) []string {
		declared, ok := obj.(*v1alpha1.UserAccount)
		if !ok || declared.Spec.Password == nil || declared.Spec.Password.SecretRef == nil {
			return nil
		}
		return []string{declared.Spec.Password.SecretRef.Name}
	}
	if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexSecret, bySecret); err != nil {
		return fmt.Errorf("index accounts by Secret: %w", err)
	}
	byCredential := func(obj client.Object) []string {
		declared, ok := obj.(*v1alpha1.UserAccount)
		if !ok {
			return nil
		}
		name, err := credential.NameOf(declared)
		if err != nil {
			return nil
		}
		return []string{name}
	}
	if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexCredential, byCredential); err != nil {
		return fmt.Errorf("index accounts by credential: %w", err)
	}
	return nil
}

// sameUsername names the accounts that wait for the username of one that was deleted. Only the owner of the credential has them wait; where
// there is no credential, any of them may have been the one.
func (r *Reconciler) sameUsername(ctx context.Context, obj client.Object) []reconcile.Request {
	deleted, ok := obj.(*v1alpha1.UserAccount)
	if !ok {
		return nil
	}
	name, err := credential.NameOf(deleted)
	if err != nil {
		return nil
	}
	record, err := r.records.cached.Get(ctx, name)
	if err == nil && (record.Owner.Namespace != deleted.Namespace || record.Owner.Name != deleted.Name) {
		return nil // When the credential becomes its, that is an event of its own.
	}
	return r.list(ctx, client.MatchingFields{indexCredential: name})
}

func (r *Reconciler) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.list(ctx, client.InNamespace(secret.GetNamespace()), client.MatchingFields{indexSecret: secret.GetName()})
}

func (r *Reconciler) ofCredential(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.list(ctx, client.MatchingFields{indexCredential: secret.GetName()})
}

func (r *Reconciler) ofNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return r.list(ctx, client.InNamespace(namespace.GetName()))
}

// ofDenyList names all accounts where a policy names the ConfigMap, and none where it is not a list of refused passwords.
func (r *Reconciler) ofDenyList(ctx context.Context, configMap client.Object) []reconcile.Request {
	policies := &v1alpha1.PasswordPolicyList{}
	if err := r.client.List(ctx, policies, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Policies could not be listed from the cache")
		return nil
	}
	for i := range policies.Items {
		for _, ref := range policies.Items[i].Spec.DenyList.ConfigMapRefs {
			if ref.Name == configMap.GetName() {
				return r.list(ctx)
			}
		}
	}
	return nil
}

// policyChanged passes what changes a policy, or which policies there are: its deletion, too, when that begins.
func policyChanged() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, gone.Predicate())
}

func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.list(ctx)
}

func (r *Reconciler) list(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	accounts := &v1alpha1.UserAccountList{}
	if err := r.client.List(ctx, accounts, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Accounts could not be listed from the cache")
		return nil
	}
	requests := make([]reconcile.Request, len(accounts.Items))
	for i := range accounts.Items {
		requests[i] = reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&accounts.Items[i])}
	}
	return requests
}
