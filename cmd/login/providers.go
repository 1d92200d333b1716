package main

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/kerberos"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/authn/negotiate"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/provider"
)

// providers ask identity providers about people.
type providers struct {
	oidc        *oidc.Clients
	directories *ldap.Clients
	tickets     *negotiate.Tickets
}

// newProviders returns what asks providers whose Secrets are read from a source.
func newProviders(source provider.Source, ownerOfIdentity func(string) (string, bool)) *providers {
	directories := &ldap.Clients{Source: source, Clock: clock.RealClock{}, OwnerOfIdentity: ownerOfIdentity}
	return &providers{
		oidc: &oidc.Clients{Source: source, Clock: clock.RealClock{}}, directories: directories,
		tickets: &negotiate.Tickets{Directories: directories, Verifier: &kerberos.Verifier{Clock: clock.RealClock{}}},
	}
}

// observe registers the metrics of providers.
func (p *providers) observe(registry prometheus.Registerer, accounts *catalog.Catalog) *metrics.Providers {
	counts := metrics.NewProviders(registry, accounts.IdentityProviders,
		metrics.ProviderSource{Reasons: metrics.Words(oidc.Reasons()), Stats: p.oidc.Stats},
		metrics.ProviderSource{Reasons: metrics.Words(ldap.Reasons()), Stats: p.directories.Stats},
		metrics.ProviderSource{Reasons: negotiate.Reasons()},
	)
	p.oidc.OnRequest, p.directories.OnRequest = counts.Request, counts.Request
	return counts
}

// findAccount finds the account that is declared for the person of an assertion.
func (p *providers) findAccount(accounts *catalog.Catalog) authn.Finder {
	return func(ctx context.Context, a authn.Assertion) (*v1alpha1.UserAccount, error) {
		if len(a.Names) > 0 {
			return p.findAccountOfEntry(ctx, accounts, a)
		}
		found, err := accounts.AccountOfSubject(ctx, a.Namespace, a.Provider, a.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, authn.ErrNoAccount
		}
		return found, err
	}
}

// findAccountOfEntry finds the account of an entry of a directory: of several, the one that was created first. One that does not declare a subject is found by its
// name, and then the directory has to find that very entry by the name, as it would for a password: the other names of an entry, such as a userPrincipalName, are
// not unique. An account that is bound to another entry is refused later, by its credential.
func (p *providers) findAccountOfEntry(ctx context.Context, accounts *catalog.Catalog, a authn.Assertion) (*v1alpha1.UserAccount, error) {
	found, err := accounts.AccountsOfEntry(ctx, a.Namespace, a.Provider, a.Subject, slices.Clone(a.Names))
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, authn.ErrNoAccount
	}
	account := found[0]
	if account.Spec.Authentication.Subject != "" {
		return account, nil
	}
	declared, err := accounts.IdentityProvider(ctx, a.Provider)
	if err != nil {
		return nil, err
	}
	directory, err := p.directories.Of(ctx, declared)
	if err != nil {
		return nil, err
	}
	person, err := directory.Find(ctx, ldap.ByName, provider.ExternalName(account))
	if errors.Is(err, ldap.ErrNotFound) || err == nil && person.Subject != a.Subject {
		return nil, authn.ErrNoAccount
	}
	return account, err
}
