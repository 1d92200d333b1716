package useraccount

import (
	"context"
	"errors"

	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// credentialCache reads credentials from the cache, and live where the cache does not have this process's last write yet. A status
// that is made from an older credential would have to be written twice.
type credentialCache struct {
	cached *credential.Store
	live   *credential.Store
	// written tracks this controller's writes of credentials.
	written *writetracker.Tracker
}

func newCredentialCache(cached, live *credential.Store) *credentialCache {
	return &credentialCache{cached: cached, live: live, written: writetracker.New()}
}

// get reads a credential; past the cache, if live says so.
func (c *credentialCache) get(ctx context.Context, name string, live bool) (*credential.Record, error) {
	if !live {
		record, err := c.cached.Get(ctx, name)
		if !errors.Is(err, credential.ErrNotFound) && c.caughtUp(name, record) {
			return record, err
		}
	}
	return c.live.Get(ctx, name)
}

// caughtUp tells whether a record from the cache is at least as new as the last write.
func (c *credentialCache) caughtUp(name string, record *credential.Record) bool {
	version := ""
	if record != nil {
		version = record.ResourceVersion()
	}
	return c.written.CaughtUp(name, version)
}

// put writes what was decided about the credential that was read: a new one where there was none, the replacement of a former
// account's, or an update.
func (c *credentialCache) put(ctx context.Context, name string, read *credential.Record, replace bool, decided account.Credential) (record *credential.Record, err error) {
	switch {
	case read == nil:
		record, err = c.live.Create(ctx, name, decided)
	case replace:
		record, err = c.live.Replace(ctx, read, decided)
	default:
		record, err = c.live.Update(ctx, read, decided)
	}
	if err == nil && record != read {
		c.written.Wrote(record.Name(), record.ResourceVersion())
	}
	return record, err
}
