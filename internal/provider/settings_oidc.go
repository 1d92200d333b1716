package provider

import (
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// AllowsServer tells whether an address is https, on a host and a port that the secret may be sent to, and without user information. The
// port counts: what listens on another one of the same host can be somebody else's.
func (s *Settings) AllowsServer(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return false
	}
	return slices.Contains(s.Servers, ServerOf(u))
}

// parseClientSecret reads the Secret of an OIDC client.
func (s Source) parseClientSecret(p *v1alpha1.IdentityProvider, secret *corev1.Secret) (*Settings, error) {
	name := p.Spec.OIDC.ClientSecretRef.Name
	if secret == nil {
		return nil, settingsError(v1alpha1.ConditionReasonSecretNotFound, "There is no Secret %q in the namespace %s. Create it, of type %s, with the keys %s and %s.",
			name, s.Namespace, v1alpha1.SecretTypeOIDCClient, v1alpha1.ClientSecretKey, v1alpha1.ServersKey)
	}
	if secret.Type != v1alpha1.SecretTypeOIDCClient {
		return nil, wrongType(name, v1alpha1.SecretTypeOIDCClient)
	}
	text := strings.TrimRight(string(secret.Data[v1alpha1.ClientSecretKey]), "\r\n")
	if text == "" {
		return nil, settingsError(v1alpha1.ConditionReasonKeyNotFound, "Secret %q has no %s. Put the client's secret there.", name, v1alpha1.ClientSecretKey)
	}
	servers, invalid := parseServers(string(secret.Data[v1alpha1.ServersKey]), httpsPort)
	if invalid > 0 {
		return nil, settingsError(v1alpha1.ConditionReasonServerNotAllowed, "Entry %d of the key %s of Secret %q is neither HOST nor HOST:PORT. "+
			"Write the name of a host without https:// and path, and its port if that is not 443: id.example.org, id.example.org:8443 or [2001:db8::1]:8443.",
			invalid, v1alpha1.ServersKey, name)
	}
	settings := &Settings{Provider: p, ClientSecret: NewSecret(text), Servers: servers}
	if !settings.AllowsServer(p.Spec.OIDC.Issuer) {
		return nil, settingsError(v1alpha1.ConditionReasonServerNotAllowed, "The host of oidc.issuer, with its port, is not among those that Secret %q may be sent to. "+
			"If it is right, add it to the key %s of the Secret: the name without https:// and path, and :PORT if the port is not 443.", name, v1alpha1.ServersKey)
	}
	return settings, nil
}

func wrongType(name string, want corev1.SecretType) *SettingsError {
	return settingsError(v1alpha1.ConditionReasonSecretNotUsable, "Secret %q is not of type %s. Create it anew: the type of a Secret cannot be changed.", name, want)
}
