package provider

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// DefaultNamespace is where the Secrets and the certificates of providers are.
const DefaultNamespace = "keyturn-providers"

// Secret is a text that prints as [redacted]. Text is the only way to it.
type Secret struct{ text func() string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{text: func() string { return text }} }

// Text returns the secret itself.
func (s Secret) Text() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// Format implements [fmt.Formatter] for all verbs.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText implements [encoding.TextMarshaler], and with it JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Settings say how to reach a provider.
type Settings struct {
	// Provider as it is declared.
	Provider *v1alpha1.IdentityProvider
	// ClientSecret of the OIDC client.
	ClientSecret Secret
	// Servers are those that the secret may be sent to, as ServerOf has them.
	Servers []string
	// Roots are the certificates that the provider's must be signed by; nil for those of the system.
	Roots *x509.CertPool
	// Version changes whenever anything else of the settings does.
	Version string
}

// AllowsServer tells whether an address is https, on a host and a port that the secret may be sent to, and without user information. The
// port counts: what listens on another one of the same host can be somebody else's.
func (s *Settings) AllowsServer(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return false
	}
	return slices.Contains(s.Servers, ServerOf(u))
}

// SettingsError says why a provider cannot be reached as it is declared.
type SettingsError struct {
	// Reason of the condition CredentialsFound.
	Reason string
	// Message says what to do. It holds nothing of a Secret.
	Message string
}

// Error implements error.
func (e *SettingsError) Error() string { return e.Message }

// Source reads the Secrets and certificates of providers. A Secret or a ConfigMap of another namespace is never read.
type Source struct {
	Reader client.Reader
	// Namespace of the Secrets and ConfigMaps.
	Namespace string
}

// Settings returns the settings of a provider. Errors: *SettingsError, or the reader's.
func (s Source) Settings(ctx context.Context, p *v1alpha1.IdentityProvider) (*Settings, error) {
	return s.SettingsUnless(ctx, p, nil)
}

// SettingsUnless returns the settings of a provider: known itself where nothing of them has changed since, for next to no work. Anybody can have a
// login begin, and a ConfigMap can have many certificates. Errors: *SettingsError, or the reader's.
func (s Source) SettingsUnless(ctx context.Context, p *v1alpha1.IdentityProvider, known *Settings) (*Settings, error) {
	secret, authorities := &corev1.Secret{}, &corev1.ConfigMap{}
	name, ref := p.Spec.OIDC.ClientSecretRef.Name, p.Spec.OIDC.CAConfigMapRef
	err := s.read(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return nil, settingsError(v1alpha1.ConditionReasonSecretNotFound, "There is no Secret %q in the namespace %s. Create it, of type %s, with the keys %s and %s.",
			name, s.Namespace, v1alpha1.SecretTypeOIDCClient, v1alpha1.ClientSecretKey, v1alpha1.ServersKey)
	}
	if err != nil {
		return nil, fmt.Errorf("read the Secret of a provider: %w", err)
	}
	version := fmt.Sprintf("%s/%d/%s/%s", p.UID, p.Generation, secret.UID, secret.ResourceVersion)
	var withoutAuthorities error // What is wrong with the Secret is told first.
	if ref != nil {
		withoutAuthorities = s.read(ctx, ref.Name, authorities)
		version += fmt.Sprintf("/%s/%s", authorities.UID, authorities.ResourceVersion)
	}
	if withoutAuthorities == nil && known != nil && known.Version == version {
		return known, nil
	}
	settings, err := settingsOf(p, secret)
	if err != nil {
		return nil, err
	}
	settings.Version = version
	if client.IgnoreNotFound(withoutAuthorities) != nil {
		return nil, fmt.Errorf("read the certificates of a provider: %w", withoutAuthorities)
	}
	if ref == nil {
		return settings, nil
	}
	settings.Roots = x509.NewCertPool()
	if !settings.Roots.AppendCertsFromPEM([]byte(authorities.Data[ref.Key])) {
		return nil, settingsError(v1alpha1.ConditionReasonCANotFound, "There is no ConfigMap %q in the namespace %s with a certificate (PEM) in its key %q. Create it.",
			ref.Name, s.Namespace, ref.Key)
	}
	return settings, nil
}

// read reads an object, which must not be changed.
func (s Source) read(ctx context.Context, name string, into client.Object) error {
	return s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, into, client.UnsafeDisableDeepCopy)
}

// settingsOf reads the Secret of a provider.
func settingsOf(p *v1alpha1.IdentityProvider, secret *corev1.Secret) (*Settings, error) {
	name := p.Spec.OIDC.ClientSecretRef.Name
	if secret.Type != v1alpha1.SecretTypeOIDCClient {
		return nil, settingsError(v1alpha1.ConditionReasonSecretNotUsable, "Secret %q is not of type %s. Create it anew: the type of a Secret cannot be changed.",
			name, v1alpha1.SecretTypeOIDCClient)
	}
	text := strings.TrimRight(string(secret.Data[v1alpha1.ClientSecretKey]), "\r\n")
	if text == "" {
		return nil, settingsError(v1alpha1.ConditionReasonKeyNotFound, "Secret %q has no %s. Put the client's secret there.", name, v1alpha1.ClientSecretKey)
	}
	servers, invalid := parseServers(string(secret.Data[v1alpha1.ServersKey]))
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

func settingsError(reason, format string, args ...any) error {
	return &SettingsError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
