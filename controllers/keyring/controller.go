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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/token"
)

const (
	// keep is how long a key is kept after another signs: as long as the longest session that a policy may allow.
	keep = 366 * 24 * time.Hour
	// rotation is how often a new key is made: as often as the bounded size of the ring allows.
	rotation = keep / (token.MaxKeys / 2)
)

// Reconciler keeps the ring of signing keys.
type Reconciler struct {
	live   client.Reader
	writer client.Writer
	key    types.NamespacedName
	clock  clock.PassiveClock
}

// Reconcile adds a new key and drops old ones when their time has come. Where the ring was lost it makes another, and everybody
// has to log in again.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, r.key, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return ctrl.Result{}, fmt.Errorf("read signing keys: %w", err)
	}
	ring, err := token.Decode(secret.Data)
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
