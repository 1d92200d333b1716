package gone

import (
	"context"
	"errors"

	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

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
