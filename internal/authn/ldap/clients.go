package ldap

import (
	"context"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
)

// Clients has a client for each directory, as it is declared now. It is an authn.Verifier, and safe for concurrent use.
type Clients struct {
	// Source has to read from a watch: it is asked at each login.
	Source provider.Source
	Clock  clock.PassiveClock
	// OnRequest is told how long each request to a directory took, by the provider's name, if it is set. Set it before the first login.
	OnRequest func(provider string, took time.Duration)
	// OwnerOfIdentity returns the UID of the credential that is bound to an identity (provider.Identity), if there is one. Another account's password is
	// not looked at. It may be nil: then it is not known. Set it before the first login.
	OwnerOfIdentity provider.OwnerFunc

	mu      sync.Mutex
	clients map[types.UID]*Client
	// refused is what is known of the accounts that search, for each directory. A client that begins anew would try again what is known to be refused.
	refused map[types.UID]*refusedBinds
}

var _ authn.Verifier = (*Clients)(nil)

// Of returns the client of a directory. A client begins anew when the provider, one of its Secrets or its certificates have changed. Errors:
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
	if c.clients == nil {
		c.clients, c.refused = map[types.UID]*Client{}, map[types.UID]*refusedBinds{}
	}
	// Some of them are of providers that are gone. Another one of the name was deleted: its stats would hide those of this one.
	isFull := len(c.clients) >= provider.MaxProviders && known == nil
	maps.DeleteFunc(c.clients, func(uid types.UID, other *Client) bool {
		isGone := isFull || uid == p.UID || other.settings.Provider.Name == p.Name
		if isGone {
			go other.Close()
		}
		return isGone
	})
	maps.DeleteFunc(c.refused, func(uid types.UID, other *refusedBinds) bool { return isFull && uid != p.UID && other.isPast() })
	client := New(settings, c.Clock)
	if remembered := c.refused[p.UID]; remembered != nil && remembered.version == settings.BindVersion {
		client.refused = remembered
	}
	c.refused[p.UID] = client.refused
	if c.OnRequest != nil {
		client.OnRequest = func(took time.Duration) { c.OnRequest(p.Name, took) }
	}
	c.clients[p.UID] = client
	return client, nil
}

// knownSettings returns those of the client that a directory has; nil where it has none.
func (c *Clients) knownSettings(uid types.UID) *provider.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.clients[uid]; known != nil {
		return known.settings
	}
	return nil
}

// Stats returns those of the directories that logins have asked, by name.
func (c *Clients) Stats() map[string]Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := make(map[string]Stats, len(c.clients))
	for _, client := range c.clients {
		stats[client.settings.Provider.Name] = client.Stats()
	}
	return stats
}
