package orphan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

// Reconciler deletes credentials whose account has been gone for the grace period.
type Reconciler struct {
	cached *catalog.Catalog
	live   *catalog.Catalog
	store  *credential.Store
	grace  time.Duration
	clock  clock.PassiveClock
}

// Reconcile notes when one credential has lost its account, and deletes it after the grace period.
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
	orphaned, err := gone.Owner(ctx, record, r.cached, r.live)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("look up the account of a credential: %w", err)
	}
	wait, err := r.sweep(ctx, record, orphaned)
	if errors.Is(err, credential.ErrConflict) {
		return ctrl.Result{}, nil // Another writer was first; the watch of that write enqueues it again.
	}
	return ctrl.Result{RequeueAfter: wait}, err
}

// sweep notes when the credential was first seen without its account, and deletes it after the grace period. It returns
// how long to wait until then. A time before the Secret was created comes from a backup that was made while there was no
// account. Then the grace period begins anew, since the account may be restored after its credential.
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
		if now.Before(created) { // This clock is behind the API server's.
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
