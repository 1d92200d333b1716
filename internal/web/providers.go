package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/ui"
)

// providerLink leads to the login at a provider, which has a name that people read, or by the ticket that the computer has.
type providerLink struct {
	Provider, Name, Address string
	// Windows: the computer's ticket is asked for.
	Windows bool
}

// providerLinks returns the links to the providers that an organisation allows. It has to be one that exists, as it is part of their
// addresses: what was typed into a form can be a password in the wrong field.
func (p *Pages) providerLinks(r *http.Request, organization, to string, prompt bool) []providerLink {
	offered := p.offered(r.Context(), organization)
	var links []providerLink
	at := func(path string) string {
		parameters := url.Values{}
		if to != "" {
			parameters.Set("return_to", to)
		}
		if prompt {
			parameters.Set("prompt", promptLogin)
		}
		address := url.URL{Path: inOrganization(cmp.Or(organizationOf(r), p.unlessDefault(organization)), path), RawQuery: parameters.Encode()}
		return address.String()
	}
	if _, _, forKubectl := kubectlIn(to); !prompt && !forKubectl && p.offersTickets(offered) {
		links = append(links, providerLink{Windows: true, Address: at(negotiatePath)})
	}
	for _, found := range offered {
		if p.Providers != nil && !provider.IsDirectory(found) {
			links = append(links, providerLink{Provider: found.Name, Name: found.Spec.DisplayName, Address: at("/login/oidc/" + found.Name)})
		}
	}
	return links
}

// offered returns the providers that an organisation allows; none where they cannot be looked up.
func (p *Pages) offered(ctx context.Context, organization string) []*v1alpha1.IdentityProvider {
	found, err := p.Catalog.OfferedProviders(ctx, organization)
	if err != nil {
		slog.Warn("Login page without providers, since they cannot be looked up", "error", err)
	}
	return found
}

// displayName returns the name by which people know a provider; empty without one.
func (p *Pages) displayName(ctx context.Context, name string) string {
	if name == "" {
		return ""
	}
	found, err := p.Catalog.IdentityProvider(ctx, name)
	if err != nil {
		return name
	}
	return found.Spec.DisplayName
}

// logoutTimeout is how long the page after a logout waits for the address at which a provider's own session is ended.
const logoutTimeout = time.Second

// logoutLink leads to where a person ends the session that a provider itself has; nil where the provider has no such address, or does not
// answer soon.
func (p *Pages) logoutLink(ctx context.Context, t *ui.Text, name string) *ui.Link {
	found, err := p.Catalog.IdentityProvider(ctx, name)
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
