package useraccount

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/gone"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
)

// findCredential reads the credential under the account's username into s.record, and decides in s.identity what it is to the account:
// its own, one to adopt (the account was restored and has another UID), one to replace (its account is gone, and this is another
// person), one to create, or the credential of another account, which s.conflict names.
func (r *Reconciler) findCredential(ctx context.Context, s *scope) error {
	name, err := credential.NameOf(s.account)
	if err != nil {
		return nil // The condition UsernameAccepted says so.
	}
	s.credentialName = name
	record, err := r.credentials.get(ctx, name, s.readLive)
	switch {
	case errors.Is(err, credential.ErrInvalid):
		s.invalid = err
		return nil
	case err != nil && !errors.Is(err, credential.ErrNotFound):
		return err
	}
	var owner *account.Owner
	if record != nil {
		owner = &record.Owner
	}
	s.identity = s.rules.Identify(s.account, owner, account.OwnerUnknown)
	if s.identity == account.IdentityCheckOwner {
		isGone, err := gone.Owner(ctx, record, r.catalog, r.liveCatalog)
		if err != nil {
			return err
		}
		state := account.OwnerExists
		if isGone {
			state = account.OwnerGone
		}
		s.identity = s.rules.Identify(s.account, owner, state)
	}
	s.record = record
	switch s.identity {
	case account.IdentityConflict:
		s.conflict, s.record = *owner, nil
	case account.IdentityCreate:
		return r.checkUsernameIsFree(ctx, s)
	case account.IdentityAdopt, account.IdentityReplace:
		return r.ensureCurrent(ctx, s.account)
	}
	return nil
}

// checkUsernameIsFree looks for another account that has a right to the username although the credential is missing: it may be
// restored. The cache says which accounts ask for the username. Whether one was initialized (an annotation) is read live, since that
// may be too new for the cache.
func (r *Reconciler) checkUsernameIsFree(ctx context.Context, s *scope) error {
	others := &v1alpha1.UserAccountList{}
	err := r.client.List(ctx, others, client.MatchingFields{indexCredential: s.credentialName}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("list accounts of the username: %w", err)
	}
	for _, cached := range likelyKeepersFirst(others.Items, s.account) {
		other, err := r.liveCatalog.Account(ctx, cached.Namespace, cached.Name)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		name, err := credential.NameOf(other)
		if err == nil && name == s.credentialName && account.KeepsUsername(other, s.account) {
			s.identity, s.conflict = account.IdentityConflict, account.OwnerOf(other)
			return nil
		}
	}
	return nil
}

// likelyKeepersFirst lists the other accounts of a username, which are all of one namespace. Those that have a right to it, as far as
// the cache knows, come first, by age: if there is such an account, the first live read usually finds it.
func likelyKeepersFirst(accounts []v1alpha1.UserAccount, asking *v1alpha1.UserAccount) []*v1alpha1.UserAccount {
	var keepers, others []*v1alpha1.UserAccount
	for i := range accounts {
		switch other := &accounts[i]; {
		case other.Name == asking.Name:
		case account.KeepsUsername(other, asking):
			keepers = append(keepers, other)
		default:
			others = append(others, other)
		}
	}
	slices.SortFunc(keepers, func(a, b *v1alpha1.UserAccount) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return append(keepers, others...)
}

// beginCredential returns the credential that the decisions of this reconciliation start from; false if the account may have none.
func (s *scope) beginCredential() (account.Credential, bool) {
	switch s.identity {
	case account.IdentityOurs:
		return s.record.Credential, true
	case account.IdentityAdopt:
		return account.Adopt(s.record.Credential, s.account), true
	case account.IdentityCreate:
		return s.rules.New(account.OwnerOf(s.account), newAccountID()), true
	case account.IdentityReplace:
		return s.rules.Succeed(s.record.Credential, account.OwnerOf(s.account), newAccountID()), true
	default:
		return account.Credential{}, false
	}
}

// accountIDSize in bytes: 128 random bits.
const accountIDSize = 16

func newAccountID() string {
	id := make([]byte, accountIDSize)
	_, _ = rand.Read(id) // Never fails, says its documentation.
	return hex.EncodeToString(id)
}
