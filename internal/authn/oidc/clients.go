package oidc

import (
	"context"
	"maps"
	"sync"
	"time"

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
	// OnRequest is told how long each request to a provider took, by the provider's name, if it is set. Set it before the first login.
	OnRequest func(provider string, took time.Duration)

	mu      sync.Mutex
	clients map[types.UID]*Client
	// answered are the logins that any of the clients has answered, those that are gone included.
	answered *answered
}

// Of returns the client of a provider. A client begins anew when the provider, its Secret or its certificates have changed. Errors:
// *provider.SettingsError, or the source's.
func (c *Clients) Of(ctx context.Context, p *v1alpha1.IdentityProvider) (*Client, error) {
	settings, err := c.Source.SettingsUnless(ctx, p, c.knownSettings(p.UID))
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
	// Another one of the name was deleted: its stats would hide those of this one.
	maps.DeleteFunc(c.clients, func(uid types.UID, other *Client) bool { return other.settings.Provider.Name == p.Name && uid != p.UID })
	client := New(settings, c.Clock)
	if c.answered == nil {
		c.answered = client.answered
	}
	client.answered = c.answered
	if c.OnRequest != nil {
		client.OnRequest = func(took time.Duration) { c.OnRequest(p.Name, took) }
	}
	c.clients[p.UID] = client
	return client, nil
}

// knownSettings returns those of the client that a provider has; nil where it has none.
func (c *Clients) knownSettings(uid types.UID) *provider.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.clients[uid]; known != nil {
		return known.settings
	}
	return nil
}

// Stats returns those of the providers that logins have asked, by name.
func (c *Clients) Stats() map[string]Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := make(map[string]Stats, len(c.clients))
	for _, client := range c.clients {
		stats[client.settings.Provider.Name] = client.Stats()
	}
	return stats
}
