package watch

import (
	"context"
	"errors"
	"fmt"
	"iter"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
)

var errAccountsUnknown = errors.New("the watch of accounts has not synced yet")

// Accounts finds accounts in the store of their watch. Unlike a client.Reader it copies no object, and session checks are many.
type Accounts struct {
	watched toolscache.Indexer
	synced  toolscache.InformerSynced
}

func newAccounts(ctx context.Context, watched cache.Cache) (*Accounts, error) {
	informer, err := informerOf(ctx, watched, &v1alpha1.UserAccount{})
	if err != nil {
		return nil, err
	}
	return &Accounts{watched: informer.GetIndexer(), synced: informer.HasSynced}, nil
}

// Account returns an account, which the caller must not change. The error is catalog.ErrNotFound if there is none, and another
// while the watch has not synced.
func (a *Accounts) Account(_ context.Context, namespace, name string) (*v1alpha1.UserAccount, error) {
	synced := a.synced() // Before the look-up: an account that the watch adds in between is found.
	found, _, err := a.watched.GetByKey(namespace + "/" + name)
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	account, ok := found.(*v1alpha1.UserAccount)
	switch {
	case ok && account.DeletionTimestamp == nil:
		return account, nil
	case ok || synced: // catalog.Account does not return an account that is being deleted either.
		return nil, catalog.ErrNotFound
	default:
		return nil, errAccountsUnknown
	}
}

// mayExist tells whether an account exists, or may exist as far as the watch knows.
func (a *Accounts) mayExist(owner account.Owner) bool {
	synced := a.synced()
	found, _, err := a.watched.GetByKey(owner.Namespace + "/" + owner.Name)
	named, ok := found.(*v1alpha1.UserAccount)
	if err != nil || !ok {
		return err != nil || !synced
	}
	return named.DeletionTimestamp == nil && account.OwnerOf(named) == owner
}

// InNamespace returns the accounts of a namespace, in no order; of all namespaces, where it is empty. The caller must not change them.
func (a *Accounts) InNamespace(namespace string) iter.Seq[*v1alpha1.UserAccount] {
	return func(yield func(*v1alpha1.UserAccount) bool) {
		objects, err := a.watched.ByIndex(toolscache.NamespaceIndex, namespace)
		if namespace == "" || err != nil { // It has no such index.
			objects = a.watched.List()
		}
		for _, object := range objects {
			if account, ok := object.(*v1alpha1.UserAccount); ok && (namespace == "" || account.Namespace == namespace) && !yield(account) {
				return
			}
		}
	}
}
