package directorysweep

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// sweepTimeout is how long one sweep may take.
	sweepTimeout = 10 * time.Minute
	// maxRunning directories are asked at once.
	maxRunning = 4
)

// Observation is what a directory says about one person.
type Observation = account.Observation

// AskFunc asks a directory about people, by the subjects that their accounts are bound to. The answer is complete: whoever is not in it, the directory
// does not have. An error is for the log.
type AskFunc func(ctx context.Context, settings *provider.Settings, subjects []string) (Answer, error)

// Options are those of the controller.
type Options struct {
	// ProviderNamespace is that of the providers' Secrets and certificates, and CredentialNamespace that of the credentials.
	ProviderNamespace, CredentialNamespace string
	// Ask asks a directory.
	Ask AskFunc
	// MayAsk tells whether a directory may be asked: a test of these settings was made and did not find that it refuses the account that searches it.
	MayAsk func(*provider.Settings) bool
	// States is given what the sweeps come to.
	States *States
	// Registry is given the metrics.
	Registry prometheus.Registerer
	Clock    clock.PassiveClock
}

// New returns a reconciler that reads from the cache of a manager, which is that of controllers.DirectoryCacheOptions.
func New(ctx context.Context, mgr ctrl.Manager, o Options) (*Reconciler, error) {
	if err := catalog.IndexSubjects(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	namespaces := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	for _, kind := range []client.Object{&v1alpha1.IdentityProvider{}, &v1alpha1.UserAccount{}, &corev1.Secret{}, &corev1.ConfigMap{}, namespaces} {
		if _, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("prepare watch of %T: %w", kind, err)
		}
	}
	return &Reconciler{
		reader:  mgr.GetClient(),
		catalog: catalog.New(mgr.GetClient(), ""), // No list of refused passwords is looked up, nor a policy.
		source:  provider.Source{Reader: mgr.GetClient(), Namespace: o.ProviderNamespace},
		cached:  &credential.Store{Reader: shared{mgr.GetClient()}, Namespace: o.CredentialNamespace},
		live:    &credential.Store{Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Namespace: o.CredentialNamespace},
		ask:     o.Ask, mayAsk: o.MayAsk, states: o.States, metrics: newMetrics(o.Registry, o.States, o.Clock), durations: newDurationGauge(o.Registry),
		clock: o.Clock, jitter: jitter,
	}, nil
}

// SetupWithManager adds the controller to a manager, which runs it where this replica leads.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("directorysweep").
		WithOptions(controller.Options{MaxConcurrentReconciles: maxRunning, ReconciliationTimeout: sweepTimeout}).
		For(&v1alpha1.IdentityProvider{}, builder.WithPredicates(declarationChanged())).
		Complete(r)
}

// shared reads from a cache without copies. A sweep reads thousands of credentials, and changes none of what it read.
type shared struct{ client.Reader }

// Get implements client.Reader.
func (s shared) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	return s.Reader.Get(ctx, key, into, append(options, client.UnsafeDisableDeepCopy)...)
}

// declarationChanged leaves out writes of the status.
func declarationChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
			(e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil)
	}}
}

// jitter shortens an interval by up to a tenth, so that the sweeps of several directories, and of several clusters, spread.
func jitter(interval time.Duration) time.Duration {
	return interval - rand.N(interval-shortest(interval)+1) //nolint:gosec // It is no secret.
}

// shortest is what jitter leaves of an interval at least.
func shortest(interval time.Duration) time.Duration { return interval - interval/10 }
