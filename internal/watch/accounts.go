package watch

import (
	"context"
	"errors"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
)

var errAccountsUnknown = errors.New("the watch of accounts has not told all of them yet")

// Accounts finds declared accounts where the watch keeps them. A reader would copy each one that a session check looks at.
type Accounts struct {
	watched toolscache.Indexer
	synced  toolscache.InformerSynced
}

func watchedAccounts(ctx context.Context, watched cache.Cache) (*Accounts, error) {
	informer, err := watched.GetInformer(ctx, &v1alpha1.UserAccount{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("prepare watch of accounts: %w", err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("prepare watch of accounts: %T has no index", informer)
	}
	return &Accounts{watched: shared.GetIndexer(), synced: shared.HasSynced}, nil
}

// Account returns a declared account, which must not be changed. Errors: catalog.ErrNotFound where there is none, another
// where that cannot be known yet.
func (a *Accounts) Account(_ context.Context, namespace, name string) (*v1alpha1.UserAccount, error) {
	synced := a.synced() // before the look: what comes in between is found
	found, _, err := a.watched.GetByKey(namespace + "/" + name)
	if err != nil {
		return nil, fmt.Errorf("look up account: %w", err)
	}
	if declared, ok := found.(*v1alpha1.UserAccount); ok {
		if declared.DeletionTimestamp != nil {
			return nil, catalog.ErrNotFound // As catalog.Account says.
		}
		return declared, nil
	}
	if !synced {
		return nil, errAccountsUnknown
	}
	return nil, catalog.ErrNotFound
}
