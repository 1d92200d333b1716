package negotiate

import (
	"context"
	"errors"
	"slices"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/provider"
)

// Accounts has the accounts and providers that are declared (catalog.Catalog).
type Accounts interface {
	// AccountsOfEntry returns those that declare the subject of an entry, or no subject and one of its names; the one that was created first is the first.
	AccountsOfEntry(ctx context.Context, namespace, providerName, subject string, names []string) ([]*v1alpha1.UserAccount, error)
	IdentityProvider(ctx context.Context, name string) (*v1alpha1.IdentityProvider, error)
}

// FindAccount finds the account of an entry of a directory: of several, the one that was created first. One that declares no subject is found by its
// name, and then the directory has to find that very entry by the name, as it would for a password: the other names of an entry, such as a userPrincipalName,
// are not unique, and a name that only looks like another one's must not hide an account. An account that is bound to another entry is refused later, by
// its credential. Errors: authn.ErrNoAccount, *authn.UnavailableError, or those of Accounts.
func (t *Tickets) FindAccount(ctx context.Context, accounts Accounts, a authn.Assertion) (*v1alpha1.UserAccount, error) {
	candidates, err := accounts.AccountsOfEntry(ctx, a.Namespace, a.Provider, a.Subject, slices.Clone(a.Names))
	if err != nil {
		return nil, err
	}
	var directory Directory
	isOfEntry := map[string]bool{} // By name: the directory is asked once for each.
	for _, candidate := range candidates {
		if candidate.Spec.Authentication.Subject != "" {
			return candidate, nil
		}
		if directory == nil {
			declared, err := accounts.IdentityProvider(ctx, a.Provider)
			if err != nil {
				return nil, err
			}
			if directory, err = t.directoryOf(ctx, declared); err != nil {
				return nil, err
			}
		}
		name := provider.ExternalName(candidate)
		if _, isKnown := isOfEntry[name]; !isKnown {
			person, err := directory.Find(ctx, a.Address, ldap.ByName, name)
			if err != nil && !errors.Is(err, ldap.ErrNotFound) {
				return nil, err
			}
			isOfEntry[name] = err == nil && person.Subject == a.Subject
		}
		if isOfEntry[name] {
			return candidate, nil
		}
	}
	return nil, authn.ErrNoAccount
}
