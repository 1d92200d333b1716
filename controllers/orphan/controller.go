package orphan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

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
	for _, reader := range []*catalog.Catalog{r.cached, r.live} {
		claimed, err := claims(ctx, reader, record)
		if err != nil || claimed {
			return false, err
		}
	}
	return true, nil
}

// claims tells whether the account that the credential names exists and has the credential's username.
func claims(ctx context.Context, reader *catalog.Catalog, record *credential.Record) (bool, error) {
	owner, err := reader.Account(ctx, record.Owner.Namespace, record.Owner.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up the account of a credential: %w", err)
	}
	name, err := credential.NameOf(owner)
	return err == nil && name == record.Name(), nil
}
