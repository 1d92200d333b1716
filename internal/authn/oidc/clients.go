package oidc

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// Clients has a client for each provider, as it is declared now. It is safe for concurrent use.
type Clients struct {
	// Source has to read from a watch: it is asked at each login.
	Source provider.Source
	Clock  clock.PassiveClock

	mu      sync.Mutex
	clients map[types.UID]*Client
}

// Of returns the client of a provider. A client begins anew when the provider, its Secret or its certificates have changed. Errors:
// *provider.SettingsError, or the source's.
func (c *Clients) Of(ctx context.Context, p *v1alpha1.IdentityProvider) (*Client, error) {
	settings, err := c.Source.Settings(ctx, p)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.clients[p.UID]
	if known != nil && known.settings.Version == settings.Version {
		return known, nil
	}
	if c.clients == nil || len(c.clients) >= provider.MaxProviders && known == nil { // Some of them are of providers that are gone.
		c.clients = map[types.UID]*Client{}
	}
	c.clients[p.UID] = New(settings, c.Clock)
	return c.clients[p.UID], nil
}
