package credential

import (
	"context"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Of reads the credential of an account. Errors: ErrNotFound where the account has none, as where its username is another
// account's; otherwise as of Get and NameOf.
func (s *Store) Of(ctx context.Context, a *v1alpha1.UserAccount) (*Record, error) {
	name, err := NameOf(a)
	if err != nil {
		return nil, err
	}
	record, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if !record.BelongsTo(a) {
		return nil, ErrNotFound
	}
	return record, nil
}
