package main

import (
	"context"
	"errors"

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
func newProviders(source provider.Source, ownerOfIdentity provider.OwnerFunc) *providers {
	directories := &ldap.Clients{Source: source, Clock: clock.RealClock{}, OwnerOfIdentity: ownerOfIdentity}
	return &providers{
		oidc: &oidc.Clients{Source: source, Clock: clock.RealClock{}}, directories: directories,
		tickets: &negotiate.Tickets{
			Directory: func(ctx context.Context, p *v1alpha1.IdentityProvider) (negotiate.Directory, error) {
				return directories.Of(ctx, p)
			},
			Verifier: &kerberos.Verifier{Clock: clock.RealClock{}},
		},
	}
}

// observe registers the metrics of providers.
func (p *providers) observe(registry prometheus.Registerer, accounts *catalog.Catalog) *metrics.Providers {
	counts := metrics.NewProviders(registry, accounts.IdentityProviders,
		metrics.ProviderSource{Reasons: metrics.ReasonTexts(oidc.Reasons()), Stats: p.oidc.Stats},
		metrics.ProviderSource{Reasons: metrics.ReasonTexts(ldap.Reasons()), Stats: p.directories.Stats},
		metrics.ProviderSource{Reasons: negotiate.Reasons()},
	)
	p.oidc.OnRequest, p.directories.OnRequest = counts.Request, counts.Request
	return counts
}

// findAccount finds the account that is declared for the person of an assertion.
func (p *providers) findAccount(accounts *catalog.Catalog) authn.Finder {
	return func(ctx context.Context, a authn.Assertion) (*v1alpha1.UserAccount, error) {
		if a.Directory {
			return p.tickets.FindAccount(ctx, accounts, a)
		}
		found, err := accounts.AccountOfSubject(ctx, a.Namespace, a.Provider, a.Subject)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, authn.ErrNoAccount
		}
		return found, err
	}
}
