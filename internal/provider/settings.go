package provider

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// DefaultNamespace is where the Secrets and the certificates of providers are.
const DefaultNamespace = "keyturn-providers"

// Settings say how to reach a provider.
type Settings struct {
	// Provider as it is declared.
	Provider *v1alpha1.IdentityProvider
	// ClientSecret of the OIDC client.
	ClientSecret Secret
	// BindName and BindPassword are those of the account that searches a directory.
	BindName     string
	BindPassword Secret
	// Keytab for Windows sign-in: its bytes; empty where none is declared, or with KeytabError. KeytabError says why there is none though one is
	// declared. It stands in the way of Windows sign-in alone.
	Keytab      Secret
	KeytabError *SettingsError
	// Servers are those that the secret may be sent to: as ServerOf has them, and of a directory HOST, or HOST:PORT where the port is not 636.
	Servers []string
	// Roots are the certificates that the provider's must be signed by; nil for those of the system.
	Roots *x509.CertPool
	// Version changes whenever anything else of the settings does.
	Version string
	// BindVersion of a directory changes whenever the Secret of the account that searches does, or spec.ldap. Until then, a directory that has refused the
	// account will most likely refuse it again.
	BindVersion string
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
	objects, err := s.objects(ctx, p)
	if err != nil {
		return nil, err
	}
	version := objects.version(p)
	if known != nil && known.Version == version {
		return known, nil
	}
	// The settings outlive this call, and whoever has p may change it: the directory server writes its status.
	settings, err := s.parse(p.DeepCopy(), objects)
	if err != nil {
		return nil, err
	}
	settings.Version = version
	if IsDirectory(p) {
		settings.BindVersion = objects.bindVersion(p)
	}
	return settings, nil
}

// objects are those that a provider names. One that does not exist is nil. They must not be changed.
type objects struct {
	// secret is that of the client, or of the account that searches.
	secret, keytab *corev1.Secret
	authorities    *corev1.ConfigMap
}

// objects reads what a provider names.
func (s Source) objects(ctx context.Context, p *v1alpha1.IdentityProvider) (found objects, err error) {
	names := namesOf(p)
	if found.secret, err = find(ctx, s, names.secret, &corev1.Secret{}); err != nil {
		return objects{}, fmt.Errorf("read the Secret of a provider: %w", err)
	}
	if names.keytab != "" {
		if found.keytab, err = find(ctx, s, names.keytab, &corev1.Secret{}); err != nil {
			return objects{}, fmt.Errorf("read the keytab of a provider: %w", err)
		}
	}
	if names.authorities != nil {
		if found.authorities, err = find(ctx, s, names.authorities.Name, &corev1.ConfigMap{}); err != nil {
			return objects{}, fmt.Errorf("read the certificates of a provider: %w", err)
		}
	}
	return found, nil
}

// find reads an object, and returns nil where there is none.
func find[T interface {
	client.Object
	comparable
}](ctx context.Context, s Source, name string, into T) (T, error) {
	var none T
	err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, into, client.UnsafeDisableDeepCopy)
	if err != nil {
		return none, client.IgnoreNotFound(err)
	}
	return into, nil
}

// version of the settings that come of a provider and what it names. An object that does not exist has a version as well.
func (o objects) version(p *v1alpha1.IdentityProvider) string {
	version := fmt.Sprintf("%s/%d", p.UID, p.Generation)
	add := func(kind string, object metav1.Object) {
		version += fmt.Sprintf("/%s:%s/%s", kind, object.GetUID(), object.GetResourceVersion())
	}
	if o.secret != nil {
		add("secret", o.secret)
	}
	if o.keytab != nil {
		add("keytab", o.keytab)
	}
	if o.authorities != nil {
		add("ca", o.authorities)
	}
	return version
}

// bindVersion of the settings that come of a directory and the Secret of the account that searches.
func (o objects) bindVersion(p *v1alpha1.IdentityProvider) string {
	declared, err := json.Marshal(p.Spec.LDAP)
	if err != nil {
		panic(err) // It has nothing but texts and numbers.
	}
	sum := sha256.Sum256(declared)
	return fmt.Sprintf("%s/%x/%s/%s", p.UID, sum, o.secret.GetUID(), o.secret.GetResourceVersion())
}

// parse reads what a provider names. What is wrong with the Secret is told first.
func (s Source) parse(p *v1alpha1.IdentityProvider, o objects) (*Settings, error) {
	parseSecret := s.parseClientSecret
	if IsDirectory(p) {
		parseSecret = s.parseBindSecret
	}
	settings, err := parseSecret(p, o.secret)
	if err != nil {
		return nil, err
	}
	if name := namesOf(p).keytab; name != "" {
		settings.Keytab, settings.KeytabError = s.parseKeytab(name, o.keytab)
	}
	ref := namesOf(p).authorities
	if ref == nil {
		return settings, nil
	}
	settings.Roots = x509.NewCertPool()
	if o.authorities == nil || !settings.Roots.AppendCertsFromPEM([]byte(o.authorities.Data[ref.Key])) {
		return nil, settingsError(v1alpha1.ConditionReasonCANotFound, "There is no ConfigMap %q in the namespace %s with a certificate (PEM) in its key %q. Create it.",
			ref.Name, s.Namespace, ref.Key)
	}
	return settings, nil
}

// names of the objects that a provider names.
type names struct {
	secret string
	// keytab is empty where no keytab is declared, and authorities nil where the certificates of the system count.
	keytab      string
	authorities *v1alpha1.CAConfigMapReference
}

func namesOf(p *v1alpha1.IdentityProvider) names {
	if !IsDirectory(p) {
		return names{secret: p.Spec.OIDC.ClientSecretRef.Name, authorities: p.Spec.OIDC.CAConfigMapRef}
	}
	n := names{secret: p.Spec.LDAP.BindSecretRef.Name, authorities: p.Spec.LDAP.TLS.CAConfigMapRef}
	if k := p.Spec.LDAP.Kerberos; k != nil {
		n.keytab = k.KeytabSecretRef.Name
	}
	return n
}

// SecretNames returns the names of the Secrets that the settings of a provider depend on.
func SecretNames(p *v1alpha1.IdentityProvider) []string {
	n := namesOf(p)
	if n.keytab == "" {
		return []string{n.secret}
	}
	return []string{n.secret, n.keytab}
}

// ConfigMapNames returns the names of the ConfigMaps that the settings of a provider depend on.
func ConfigMapNames(p *v1alpha1.IdentityProvider) []string {
	if ref := namesOf(p).authorities; ref != nil {
		return []string{ref.Name}
	}
	return nil
}

func settingsError(reason, format string, args ...any) *SettingsError {
	return &SettingsError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
