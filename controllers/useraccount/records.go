package useraccount

import (
	"context"
	"errors"

	"github.com/keyturn/keyturn/controllers/internal/ledger"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// records reads credentials from the cache, and live where the cache lags behind what this process has written: a status
// projected from an older credential would have to be written twice.
type records struct {
	cached *credential.Store
	live   *credential.Store
	// written credentials.
	written *ledger.Ledger
}

func newRecords(cached, live *credential.Store) *records {
	return &records{cached: cached, live: live, written: ledger.New()}
}

// get reads a credential. fresh asks for a live read.
func (r *records) get(ctx context.Context, name string, fresh bool) (*credential.Record, error) {
	if !fresh {
		record, err := r.cached.Get(ctx, name)
		if !errors.Is(err, credential.ErrNotFound) && r.caughtUp(name, record) {
			return record, err
		}
	}
	return r.live.Get(ctx, name)
}

// caughtUp tells whether a record from the cache is at least as new as the last write.
func (r *records) caughtUp(name string, record *credential.Record) bool {
	if record == nil {
		return r.written.CaughtUp(name, "")
	}
	return r.written.CaughtUp(name, record.ResourceVersion())
}

// put writes what was decided: a new credential, the replacement of a former account's, or an update.
func (r *records) put(ctx context.Context, name string, read *credential.Record, replace bool, c account.Credential) (record *credential.Record, err error) {
	switch {
	case read == nil:
		record, err = r.live.Create(ctx, name, c)
	case replace:
		record, err = r.live.Replace(ctx, read, c)
	default:
		record, err = r.live.Update(ctx, read, c)
	}
	if err == nil && record != read {
		r.written.Wrote(record.Name(), record.ResourceVersion())
	}
	return record, err
}
