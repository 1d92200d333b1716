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

// findCredential reads the credential under the account's username, and decides what becomes of it.
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

// checkUsernameIsFree looks for another account of the username that keeps it while its credential is missing. The cache says which
// accounts have the username. How they are marked is read live, since a mark may be too young for the cache.
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

// likelyKeepersFirst lists the other accounts of a username. Those that keep it, as the cache has them, come first, in the order in
// which they were created: as a rule the first read answers the question.
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

// beginCredential returns the credential that all further decisions begin with; false where the account may have none.
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

func newAccountID() string { return hex.EncodeToString(random(accountIDSize)) }

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // Never fails, says its documentation.
	return b
}
