package useraccount

import (
	"context"
	"fmt"
	"slices"

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
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/transitions"
)

const (
	indexSecret     = "spec.password.secretRef.name"
	indexCredential = "credentialName"

	// concurrentReconciles is more than the number of cores, since a reconciliation waits for the API server most of the time.
	concurrentReconciles = 16
)

// Options of the controller.
type Options struct {
	// Credentials caches the Secrets of the credentials' namespace.
	Credentials cache.Cache
	// CredentialNamespace is where credentials are kept.
	CredentialNamespace string
	// Catalog looks up accounts and policies from the cache, and LiveCatalog past it.
	Catalog, LiveCatalog *catalog.Catalog
	// Hashes is how many passwords are hashed at once, by Hasher.
	Hashes int
	Hasher hash.Hasher
	Clock  clock.PassiveClock
	// Registry is where the metrics are registered.
	Registry prometheus.Registerer
	// Transitions is called for every write of a credential by this controller. The controller adds its metrics to the listeners.
	Transitions transitions.Notifier
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if err := o.Registry.Register(newAccountCounts(mgr.GetClient(), o.Clock, mgr.Elected())); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	type queued = event.TypedGenericEvent[types.NamespacedName]
	mayHash := make(chan queued, o.Hashes) // It has room for as many accounts as can have a slot.
	r := &Reconciler{
		client:      mgr.GetClient(),
		live:        mgr.GetAPIReader(),
		catalog:     o.Catalog,
		liveCatalog: o.LiveCatalog,
		written:     writetracker.New(),
		queue:       newHashQueue(o.Hashes, func(account types.NamespacedName) { mayHash <- queued{Object: account} }),
		hasher:      o.Hasher,
		events:      mgr.GetEventRecorder("keyturn-operator"),
		clock:       o.Clock,
		resets:      newResetCounters(o.Registry),
	}
	written, watched := r.listeners(o.Transitions)
	r.credentials = newCredentialCache(
		&credential.Store{Reader: o.Credentials, Namespace: o.CredentialNamespace},
		&credential.Store{Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Namespace: o.CredentialNamespace, OnWrite: written},
	)
	return ctrl.NewControllerManagedBy(mgr).
		Named("useraccount").
		For(&v1alpha1.UserAccount{}).
		Watches(&v1alpha1.UserAccount{}, handler.EnqueueRequestsFromMapFunc(r.waitingForUsername), builder.WithPredicates(gone.Predicate())).
		WatchesMetadata(metadataOf("Secret"), handler.EnqueueRequestsFromMapFunc(r.ofSecret)).
		WatchesMetadata(metadataOf("Namespace"), handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&v1alpha1.PasswordPolicy{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(policyChanged())).
		Watches(&v1alpha1.IdentityProvider{}, handler.EnqueueRequestsFromMapFunc(r.ofProvider), builder.WithPredicates(providerChanged())).
		Watches(&v1alpha1.UserAccount{}, handler.EnqueueRequestsFromMapFunc(r.ofSubject), builder.WithPredicates(subjectChanged())).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.ofDenyList)).
		WatchesRawSource(source.TypedKind(o.Credentials, client.Object(&corev1.Secret{}), newCredentialHandler(r.ofUsername, watched))).
		WatchesRawSource(source.TypedChannel(mayHash, handler.TypedEnqueueRequestsFromMapFunc(
			func(_ context.Context, account types.NamespacedName) []reconcile.Request {
				return []reconcile.Request{{NamespacedName: account}}
			}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentReconciles}).
		Complete(r)
}

// listeners returns what is called for this controller's own writes of credentials, and for the updates that the watch brings. Events
// are sent for the writes of both servers, each once: the watch brings the updates of both. A new credential that the watch brings
// may be one from a backup, so the controller that creates a credential sends its events.
func (r *Reconciler) listeners(t transitions.Notifier) (written, watched func(ctx context.Context, before, after *credential.Record)) {
	own, all := t, t
	own.Listeners = append(slices.Clone(t.Listeners), r.resets.transition)
	all.Listeners = []transitions.Listener{r.transitionEvent}
	written = func(ctx context.Context, before, after *credential.Record) {
		own.Wrote(ctx, before, after)
		if before == nil {
			all.Wrote(ctx, nil, after)
		}
	}
	return written, all.Wrote
}

// metadataOf returns an empty object for the metadata of a core kind.
func metadataOf(kind string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind}}
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	bySecret := func(obj client.Object) []string {
		a, ok := obj.(*v1alpha1.UserAccount)
		if !ok || a.Spec.Password == nil || a.Spec.Password.SecretRef == nil {
			return nil
		}
		return []string{a.Spec.Password.SecretRef.Name}
	}
	if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexSecret, bySecret); err != nil {
		return fmt.Errorf("index accounts by Secret: %w", err)
	}
	byCredential := func(obj client.Object) []string {
		if name := credential.NameOfObject(obj); name != "" {
			return []string{name}
		}
		return nil
	}
	if err := indexer.IndexField(ctx, &v1alpha1.UserAccount{}, indexCredential, byCredential); err != nil {
		return fmt.Errorf("index accounts by credential: %w", err)
	}
	return catalog.IndexSubjects(ctx, indexer)
}

// waitingForUsername enqueues the accounts that wait for the username of one that was deleted. If the credential belongs to yet
// another account, they wait for that one. If there is no credential, each of them may have waited for the deleted account.
func (r *Reconciler) waitingForUsername(ctx context.Context, obj client.Object) []reconcile.Request {
	name := credential.NameOfObject(obj)
	if name == "" {
		return nil
	}
	record, err := r.credentials.cached.Get(ctx, name)
	if err == nil && (record.Owner.Namespace != obj.GetNamespace() || record.Owner.Name != obj.GetName()) {
		return nil
	}
	return r.list(ctx, client.MatchingFields{indexCredential: name})
}

// ofUsername enqueues all accounts of the username of a credential.
func (r *Reconciler) ofUsername(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.list(ctx, client.MatchingFields{indexCredential: secret.GetName()})
}

// ofSecret enqueues the accounts whose password a Secret hands out.
func (r *Reconciler) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.list(ctx, client.InNamespace(secret.GetNamespace()), client.MatchingFields{indexSecret: secret.GetName()})
}

// ofDenyList enqueues all accounts if a policy names the ConfigMap as a list of refused passwords.
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

// policyChanged passes the events by which a policy changes, or which policies there are; also the beginning of a deletion.
func policyChanged() predicate.Predicate {
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, gone.Predicate())
}

// all enqueues all accounts.
func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.list(ctx)
}

// list returns requests for the accounts in the cache that match.
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
