package keyring

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/keyturn/keyturn/internal/session"
)

const (
	// keep is how long a key is kept after another signs: as long as the longest session that a policy may allow.
	keep = 366 * 24 * time.Hour
	// rotation is how often a new key is made: as often as the bounded size of the ring allows.
	rotation = keep / (session.MaxKeys / 2)

	reconciliationTimeout = time.Minute
)

// Options of the controller.
type Options struct {
	// Secrets caches the ring's Secret.
	Secrets cache.Cache
	// Namespace of the ring's Secret.
	Namespace string
	// Clock tells the time.
	Clock clock.PassiveClock
}

// Reconciler keeps the ring of signing keys.
type Reconciler struct {
	live   client.Reader
	writer client.Writer
	key    types.NamespacedName
	clock  clock.PassiveClock
}

// SetupWithManager adds the controller to a manager.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	r := &Reconciler{
		live: mgr.GetAPIReader(), writer: mgr.GetClient(), clock: o.Clock,
		key: types.NamespacedName{Namespace: o.Namespace, Name: session.SecretName},
	}
	// The first look has no event to wait for: there may be no Secret yet.
	first := make(chan event.TypedGenericEvent[client.Object], 1)
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = o.Namespace, session.SecretName
	first <- event.TypedGenericEvent[client.Object]{Object: secret}
	return ctrl.NewControllerManagedBy(mgr).
		Named("keyring").
		WatchesRawSource(source.TypedChannel(first, &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.TypedKind(o.Secrets, client.Object(&corev1.Secret{}), &handler.EnqueueRequestForObject{},
			predicate.NewPredicateFuncs(func(o client.Object) bool { return client.ObjectKeyFromObject(o) == r.key }))).
		WithOptions(controller.Options{ReconciliationTimeout: reconciliationTimeout}).
		Complete(r)
}

// Reconcile makes the ring what it should be by now. A lost ring is made anew, and everyone logs in again.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, r.key, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return ctrl.Result{}, fmt.Errorf("read signing keys: %w", err)
	}
	ring, err := session.Decode(secret.Data)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Some signing keys cannot be read and are left alone")
	}
	next, changed, when, err := ring.Rotate(r.clock.Now(), rotation, keep)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("rotate signing keys: %w", err)
	}
	if changed {
		secret.Data = next.Encode()
		if err := r.write(ctx, secret, missing); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: max(when.Sub(r.clock.Now()), time.Second)}, nil
}

func (r *Reconciler) write(ctx context.Context, secret *corev1.Secret, missing bool) error {
	var err error
	if missing {
		secret.Namespace, secret.Name, secret.Type = r.key.Namespace, r.key.Name, corev1.SecretTypeOpaque
		err = r.writer.Create(ctx, secret)
	} else {
		err = r.writer.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("store signing keys: %w", err)
	}
	return nil
}
