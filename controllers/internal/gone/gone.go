// Package gone tells when an account or a policy is gone: when it was deleted, and already when its deletion has begun, since a
// finalizer of another controller may keep the object for any time.
package gone

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

// Predicate passes the events of a watch that say an object is gone. An update to another UID is one of them: the object was
// deleted and created again while the watch was interrupted.
func Predicate() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return e.Object.GetDeletionTimestamp() != nil },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
				e.ObjectOld.GetDeletionTimestamp() == nil && e.ObjectNew.GetDeletionTimestamp() != nil
		},
	}
}

// Owner tells whether the account that a credential names is gone: it does not exist, or has another username. An account of
// that name and username with another UID is there: it may have been restored. If the cache has the account, that is enough,
// since every caller watches for its deletion. That the account is gone, only the API server can say.
func Owner(ctx context.Context, record *credential.Record, cached, live *catalog.Catalog) (bool, error) {
	for _, accounts := range []*catalog.Catalog{cached, live} {
		owner, err := accounts.Account(ctx, record.Owner.Namespace, record.Owner.Name)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return false, err
		}
		if err != nil {
			continue
		}
		if name, err := credential.NameOf(owner); err == nil && name == record.Name() {
			return false, nil
		}
	}
	return true, nil
}
