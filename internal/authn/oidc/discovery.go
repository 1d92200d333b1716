package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// maxDiscoveryAge is how long a discovery document is used.
const maxDiscoveryAge = time.Hour

// algorithms with which a token may be signed: those with a public key.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// discovered is what a provider says of itself (OpenID Connect Discovery 1.0).
type discovered struct {
	// at is when it was asked.
	at       time.Time
	endpoint oauth2.Endpoint
	// algorithms with which it signs.
	algorithms []string
	// announcesIssuer: every answer has the parameter iss (RFC 9207).
	announcesIssuer bool
	keys            *keySet
	// endSession is where a person ends the session there; empty where there is no such address that is allowed.
	endSession string
}

// metadata is what go-oidc does not read itself.
type metadata struct {
	KeysURL         string   `json:"jwks_uri"`
	EndSessionURL   string   `json:"end_session_endpoint"`
	Algorithms      []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	AnnouncesIssuer bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover returns what the provider says of itself, at most maxDiscoveryAge old. Logins that need it at once ask once.
func (c *Client) discover(ctx context.Context) (*discovered, error) {
	if d := c.current(); d != nil {
		return d, nil
	}
	result := c.discovering.DoChan("", func() (any, error) {
		if d := c.current(); d != nil {
			return d, nil
		}
		if err := c.unusable.recent(); err != nil {
			return nil, err
		}
		// Whoever asked first may go away: the others still wait for it. The transport bounds the time.
		d, err := c.askDiscovery(context.WithoutCancel(ctx), c.transport)
		c.unusable.note(err)
		if err == nil {
			c.discovered.Store(d)
		}
		return d, err
	})
	select {
	case <-ctx.Done():
		return nil, ended(ctx)
	case r := <-result:
		d, _ := r.Val.(*discovered)
		return d, r.Err
	}
}

// current returns what is known and not too old; nil without that.
func (c *Client) current() *discovered {
	d := c.discovered.Load()
	if d == nil {
		return nil
	}
	if age := c.clock.Since(d.at); age < 0 || age >= maxDiscoveryAge {
		return nil
	}
	return d
}

// errDiscoveryUnusable is returned where the discovery document is not one of OpenID Connect, or of a provider that does nothing that this package can do.
var errDiscoveryUnusable = errors.New("the discovery document cannot be used")

// askDiscovery asks the provider. Errors: *failure, *oidc.IssuerMismatchError, or any other one where the document cannot be used.
func (c *Client) askDiscovery(ctx context.Context, t *transport) (*discovered, error) {
	at := c.clock.Now()
	p, err := oidc.NewProvider(t.context(ctx), c.settings.Provider.Spec.OIDC.Issuer)
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := p.Claims(&m); err != nil {
		return nil, errDiscoveryUnusable
	}
	d := &discovered{at: at, endpoint: p.Endpoint(), announcesIssuer: m.AnnouncesIssuer}
	for _, address := range []string{d.endpoint.AuthURL, d.endpoint.TokenURL, m.KeysURL} {
		if address == "" {
			return nil, errDiscoveryUnusable
		}
		if !c.settings.AllowsServer(address) {
			return nil, serverNotAllowed(address)
		}
	}
	// Parameters would be added behind a fragment, where the provider does not see them.
	if u, err := url.Parse(d.endpoint.AuthURL); err != nil || u.Fragment != "" {
		return nil, errDiscoveryUnusable
	}
	if d.algorithms = usableAlgorithms(m.Algorithms); len(d.algorithms) == 0 {
		return nil, errDiscoveryUnusable
	}
	if d.endpoint.AuthStyle = authStyle(m.AuthMethods); d.endpoint.AuthStyle == oauth2.AuthStyleAutoDetect {
		return nil, errDiscoveryUnusable
	}
	if c.settings.AllowsServer(m.EndSessionURL) {
		d.endSession = m.EndSessionURL
	}
	d.keys = newKeySet(c.clock, func(ctx context.Context) (keys, error) { return askKeys(ctx, t, m.KeysURL) })
	return d, nil
}

// usableAlgorithms returns those of the announced algorithms that have a public key. RS256 is the one that every provider has.
func usableAlgorithms(announced []string) []string {
	if len(announced) == 0 {
		return []string{oidc.RS256}
	}
	var usable []string
	for _, a := range algorithms {
		if slices.Contains(announced, a) {
			usable = append(usable, a)
		}
	}
	return usable
}

// authStyle returns how to send the client's secret; AuthStyleAutoDetect where the provider takes none. It is not left to be tried out,
// since a code must be sent once.
func authStyle(methods []string) oauth2.AuthStyle {
	switch {
	case len(methods) == 0, slices.Contains(methods, "client_secret_basic"):
		return oauth2.AuthStyleInHeader
	case slices.Contains(methods, "client_secret_post"):
		return oauth2.AuthStyleInParams
	default:
		return oauth2.AuthStyleAutoDetect
	}
}
