package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// madeUpCode is a code that no provider has issued.
	madeUpCode = "keyturn-tests-whether-the-client-is-known"
	// madeUpRedirectURL goes with it: a provider may refuse a request without one before it looks at the client. Nobody has this host (RFC 2606).
	madeUpRedirectURL = "https://keyturn.invalid/login/callback/test"
)

// maxShownIssuer is how long an issuer may be in a message, in bytes.
const maxShownIssuer = 512

func testError(reason, format string, args ...any) *provider.TestError {
	return &provider.TestError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Test asks the provider for its discovery document and its keys, and whether it knows the client. It neither uses nor changes what logins
// know of the provider. A provider that looks at the code before it looks at the client does not tell whether it knows the client: RFC 6749
// leaves the order open. Error: *provider.TestError.
func (c *Client) Test(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.bounds.attempt)
	defer cancel()
	t := newTransport(c.settings, c.clock, c.bounds)
	d, err := c.askDiscovery(ctx, t)
	if err != nil {
		return discoveryError(err)
	}
	if _, err := d.keys.fetch(ctx); err != nil {
		return stepError(err, "the address of its keys (jwks_uri)")
	}
	_, err = c.config(d, madeUpRedirectURL).Exchange(t.context(ctx), madeUpCode, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	if refusal := clientError(err); refusal != nil {
		return refusal
	}
	return nil
}

func discoveryError(err error) *provider.TestError {
	if mismatch, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
		if !isShowableIssuer(mismatch.Provided) || !isShowableIssuer(mismatch.Discovered) {
			return testError(v1alpha1.ConditionReasonIssuerMismatch,
				"The provider's discovery document is of another issuer. Declare an IdentityProvider with the issuer exactly as the document has it.")
		}
		return testError(v1alpha1.ConditionReasonIssuerMismatch, "The provider's discovery document is of the issuer %s, and oidc.issuer is %s. "+
			"Both must be the same, to the last slash: declare an IdentityProvider with the right one.", mismatch.Discovered, mismatch.Provided)
	}
	return stepError(err, "the address of its discovery document (/.well-known/openid-configuration below oidc.issuer)")
}

// clientError says what the answer to a code that was never issued means. A provider that refuses the code, or the request, does not refuse
// the client.
func clientError(err error) *provider.TestError {
	const endpoint = "its token endpoint"
	if err == nil {
		return testError(v1alpha1.ConditionReasonDiscoveryFailed,
			"The provider takes a code that it has never issued. Do not use it: it would let in anybody.")
	}
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return stepError(err, endpoint)
	}
	switch {
	case answer.ErrorCode == "invalid_client", answer.ErrorCode == "unauthorized_client", answer.Response.StatusCode == http.StatusUnauthorized:
		return testError(v1alpha1.ConditionReasonClientRefused, "The provider refuses the client. Check that oidc.clientID is registered there, "+
			"that the key %s of the Secret is its secret (the secret itself, not its ID), and that it has not expired.", v1alpha1.ClientSecretKey)
	case slices.Contains([]string{"invalid_grant", "invalid_request", "redirect_uri_mismatch"}, answer.ErrorCode): // The last one is Google's.
		return nil
	default:
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "The provider's token endpoint does not answer as OAuth 2.0 has it. Check that oidc.issuer is "+
			"that of an OpenID Connect provider, and that the client may use the authorization code flow.")
	}
}

// stepError says why an address of the provider gave no usable answer.
func stepError(err error, address string) *provider.TestError {
	failed, ok := errors.AsType[*failure](err)
	if !ok {
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "What the provider answers at %s cannot be used. "+
			"Check that oidc.issuer is that of an OpenID Connect provider, that it signs with public keys, and that it takes a client secret.", address)
	}
	untrusted := func(why string) *provider.TestError {
		return testError(v1alpha1.ConditionReasonCertificateNotTrusted, "The certificate of the provider at %s is not trusted: %s", address, why)
	}
	switch failed.cause {
	case causeCertificateExpired:
		return untrusted("it has expired, or is not valid yet. Have it renewed, and check the clocks.")
	case causeCertificateName:
		return untrusted("it is for another name. Check the host of oidc.issuer.")
	case causeCertificateAuthority:
		return untrusted("it is signed by an authority that is not known. Put the authority's certificate into a ConfigMap and name it in oidc.caConfigMapRef.")
	case causeCertificateOther:
		return untrusted("it cannot be verified. Have the provider's operator check it.")
	case causeServerNotAllowed:
		return notAllowed(failed.server)
	case causeRedirect:
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "The provider redirects at %s. Redirects are not followed: declare the issuer that it redirects to.", address)
	case causeTooLong:
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "The provider answers too much at %s. Check that oidc.issuer is that of an OpenID Connect provider.", address)
	case causeNotJSON:
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "The provider does not answer JSON at %s. Check that oidc.issuer is that of an OpenID Connect provider.", address)
	case causeServerError:
		return testError(v1alpha1.ConditionReasonDiscoveryFailed, "The provider answers that it has failed (a status of 500 or more) at %s. Ask its operator.", address)
	case causeTimeout:
		return testError(v1alpha1.ConditionReasonDialFailed, "The provider does not answer in time at %s. Check that it can be reached from the cluster: "+
			"network policies, proxies, firewalls.", address)
	default:
		return testError(v1alpha1.ConditionReasonDialFailed, "The provider cannot be reached at %s. Check the host and the port of oidc.issuer, and that it can be "+
			"reached from the cluster: names, network policies, proxies, firewalls.", address)
	}
}

func notAllowed(server string) *provider.TestError {
	if server == "" {
		return testError(v1alpha1.ConditionReasonServerNotAllowed, "The provider names an address that is not https, or has no host. Have it mended there.")
	}
	return testError(v1alpha1.ConditionReasonServerNotAllowed, "The provider names an address on %s that is not https, or that the Secret may not be sent to. "+
		"If it is right, add %s to the key %s of the Secret.", server, server, v1alpha1.ServersKey)
}

// isShowableIssuer tells whether an issuer can be printed, whoever has written it.
func isShowableIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && len(issuer) <= maxShownIssuer && u.Scheme == "https" && showable.MatchString(u.Hostname()) && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && !strings.ContainsFunc(issuer, func(r rune) bool { return r <= ' ' || r > '~' })
}
