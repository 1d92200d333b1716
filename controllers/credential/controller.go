package credential

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	"github.com/keyturn/keyturn/internal/credential"
)

const reconciliationTimeout = time.Minute

// Options of the controller.
type Options struct {
	// Credentials caches the Secrets of the credentials' namespace.
	Credentials cache.Cache
	// CredentialNamespace is where credentials are kept.
	CredentialNamespace string
	// Grace is how long a credential outlives its account.
	Grace time.Duration
	// Clock tells the time.
	Clock clock.PassiveClock
}

// Reconciler deletes credentials whose account has been gone for the grace period.
type Reconciler struct {
	cached client.Reader
	live   client.Reader
	store  *credential.Store
	grace  time.Duration
	clock  clock.PassiveClock
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	r := &Reconciler{
		cached: mgr.GetClient(),
		live:   mgr.GetAPIReader(),
		store:  &credential.Store{Reader: o.Credentials, Writer: mgr.GetClient(), Namespace: o.CredentialNamespace},
		grace:  o.Grace,
		clock:  o.Clock,
	}
	onlyDeletions := predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("credential").
		Watches(&v1alpha1.UserAccount{}, handler.EnqueueRequestsFromMapFunc(r.ofAccount), builder.WithPredicates(onlyDeletions)).
		WatchesRawSource(source.TypedKind(o.Credentials, client.Object(&corev1.Secret{}), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{ReconciliationTimeout: reconciliationTimeout}).
		Complete(r)
}

// ofAccount names the credential of an account that was deleted.
func (r *Reconciler) ofAccount(_ context.Context, obj client.Object) []reconcile.Request {
	deleted, ok := obj.(*v1alpha1.UserAccount)
	if !ok {
		return nil
	}
	name, err := credential.NameOf(deleted)
	if err != nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: r.store.Namespace, Name: name}}}
}

// Reconcile looks after one credential.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if req.Namespace != r.store.Namespace {
		return ctrl.Result{}, nil
	}
	record, err := r.store.Get(ctx, req.Name)
	if errors.Is(err, credential.ErrNotFound) {
		return ctrl.Result{}, nil
	}
	if errors.Is(err, credential.ErrInvalid) {
		ctrl.LoggerFrom(ctx).Info("Credential cannot be read, and is never swept up; its account, if there is one, tells what to do", "reason", err.Error())
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	orphaned, err := r.orphaned(ctx, record)
	if err != nil {
		return ctrl.Result{}, err
	}
	wait, err := r.sweep(ctx, record, orphaned)
	if errors.Is(err, credential.ErrConflict) {
		return ctrl.Result{}, nil // Another wrote it, which brings it back here.
	}
	return ctrl.Result{RequeueAfter: wait}, err
}

// sweep notes when the credential was first seen without its account, and deletes it after the grace period. It returns
// how long to wait until then. What was noted before the Secret was created came with a backup, made while there was no
// account: the grace begins anew, since the account may be restored after its credential.
func (r *Reconciler) sweep(ctx context.Context, record *credential.Record, orphaned bool) (time.Duration, error) {
	c, now := record.Credential, r.clock.Now().UTC().Round(0)
	if !orphaned {
		c.OrphanedTime = time.Time{}
		_, err := r.store.Update(ctx, record, c)
		return 0, err
	}
	created := record.SecretCreatedTime()
	if c.OrphanedTime.IsZero() || c.OrphanedTime.Before(created) {
		c.OrphanedTime = now
		if now.Before(created) { // By a clock that is behind the API server's.
			c.OrphanedTime = created
		}
		_, err := r.store.Update(ctx, record, c)
		return r.grace, err
	}
	if wait := c.OrphanedTime.Add(r.grace).Sub(now); wait > 0 {
		return wait, nil
	}
	return 0, r.store.Delete(ctx, record)
}

// orphaned tells whether no account claims the credential. The cache may say that one does; that none does is only
// believed when the API server says so.
func (r *Reconciler) orphaned(ctx context.Context, record *credential.Record) (bool, error) {
	for _, reader := range []client.Reader{r.cached, r.live} {
		claimed, err := claims(ctx, reader, record)
		if err != nil || claimed {
			return false, err
		}
	}
	return true, nil
}

// claims tells whether the account that the credential names exists and has the credential's username.
func claims(ctx context.Context, reader client.Reader, record *credential.Record) (bool, error) {
	owner := &v1alpha1.UserAccount{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: record.Owner.Namespace, Name: record.Owner.Name}, owner)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up the account of a credential: %w", err)
	}
	name, err := credential.NameOf(owner)
	return err == nil && name == record.Name(), nil
}
