package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/ui"
)

// providerLink leads to the login at a provider, which has a name that people read.
type providerLink struct{ Provider, Name, Address string }

// providerLinks returns the links to the providers that an organisation allows. It has to be one that exists, as it is part of their
// addresses: what was typed into a form can be a password in the wrong field.
func (p *Pages) providerLinks(r *http.Request, organization, to string, prompt bool) []providerLink {
	if p.Providers == nil {
		return nil
	}
	offered, err := p.Catalog.OfferedProviders(r.Context(), organization)
	if err != nil {
		slog.Warn("Login page without providers, since they cannot be looked up", "error", err)
	}
	links := make([]providerLink, len(offered))
	for i, found := range offered {
		parameters := url.Values{}
		if to != "" {
			parameters.Set("return_to", to)
		}
		if prompt {
			parameters.Set("prompt", promptLogin)
		}
		address := url.URL{Path: inOrganization(cmp.Or(organizationOf(r), p.unlessDefault(organization)), "/login/oidc/"+found.Name), RawQuery: parameters.Encode()}
		links[i] = providerLink{Provider: found.Name, Name: found.Spec.DisplayName, Address: address.String()}
	}
	return links
}

// displayName returns the name by which people know a provider; empty without one.
func (p *Pages) displayName(ctx context.Context, provider string) string {
	if provider == "" {
		return ""
	}
	found, err := p.Catalog.IdentityProvider(ctx, provider)
	if err != nil {
		return provider
	}
	return found.Spec.DisplayName
}

// logoutTimeout is how long the page after a logout waits for the address at which a provider's own session is ended.
const logoutTimeout = time.Second

// logoutLink leads to where a person ends the session that a provider itself has; nil where the provider has no such address, or does not
// answer soon.
func (p *Pages) logoutLink(ctx context.Context, t *ui.Text, provider string) *ui.Link {
	found, err := p.Catalog.IdentityProvider(ctx, provider)
	if err != nil || p.Providers == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	client, err := p.Providers.Of(ctx, found)
	if err == nil {
		err = client.Discover(ctx, audit.RequestOf(ctx).Address)
	}
	if err != nil || client.LogoutAddress() == "" {
		return nil
	}
	return &ui.Link{Address: client.LogoutAddress(), Text: t.Say("notice.provider.link", "provider", found.Spec.DisplayName)}
}
