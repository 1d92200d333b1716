package provider

import (
	"net"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// ldapsPort is that of an entry of the key servers without one, of the Secret of a directory.
const ldapsPort = "636"

// maxBindName is how long the name of the account that searches may be, in bytes.
const maxBindName = 1024

// parseBindSecret reads the Secret of the account that searches a directory.
func (s Source) parseBindSecret(p *v1alpha1.IdentityProvider, secret *corev1.Secret) (*Settings, error) {
	name := p.Spec.LDAP.BindSecretRef.Name
	if secret == nil {
		return nil, settingsError(v1alpha1.ConditionReasonSecretNotFound, "There is no Secret %q in the namespace %s. Create it, of type %s, with the keys %s, %s and %s.",
			name, s.Namespace, v1alpha1.SecretTypeLDAPBind, v1alpha1.BindNameKey, v1alpha1.BindPasswordKey, v1alpha1.ServersKey)
	}
	if secret.Type != v1alpha1.SecretTypeLDAPBind {
		return nil, wrongType(name, v1alpha1.SecretTypeLDAPBind)
	}
	settings := &Settings{Provider: p, BindName: strings.TrimRight(string(secret.Data[v1alpha1.BindNameKey]), "\r\n")}
	if !isBindName(p, settings.BindName) {
		return nil, settingsError(v1alpha1.ConditionReasonKeyNotFound, "The key %s of Secret %q is missing, or is no name of an account. %s",
			v1alpha1.BindNameKey, name, bindNameAdvice(p))
	}
	password := strings.TrimRight(string(secret.Data[v1alpha1.BindPasswordKey]), "\r\n")
	if password == "" { // A bind without one succeeds for anybody (RFC 4513, section 5.1.2).
		return nil, settingsError(v1alpha1.ConditionReasonKeyNotFound, "Secret %q has no %s. Put the password of the account that searches there.",
			name, v1alpha1.BindPasswordKey)
	}
	settings.BindPassword = NewSecret(password)
	var invalid int
	if settings.Servers, invalid = parseServers(string(secret.Data[v1alpha1.ServersKey]), ldapsPort); invalid > 0 {
		return nil, settingsError(v1alpha1.ConditionReasonServerNotAllowed, "Entry %d of the key %s of Secret %q is neither HOST nor HOST:PORT. "+
			"Write the name of a host without ldaps://, and its port if that is not 636: dc1.corp.example.org, dc1.corp.example.org:3269 or [2001:db8::1]:636.",
			invalid, v1alpha1.ServersKey, name)
	}
	for i, declared := range p.Spec.LDAP.Servers {
		if !settings.allowsDirectoryServer(declared) {
			return nil, settingsError(v1alpha1.ConditionReasonServerNotAllowed, "Entry %d of ldap.servers, with its port, is not among those that Secret %q may be sent to. "+
				"If it is right, add it to the key %s of the Secret.", i+1, name, v1alpha1.ServersKey)
		}
	}
	if host := p.Spec.LDAP.TLS.ServerName; host != "" && !settings.allowsServerName(host) {
		return nil, settingsError(v1alpha1.ConditionReasonServerNotAllowed, "The host of ldap.tls.serverName is not among those that Secret %q may be sent to. "+
			"If it is right, add it to the key %s of the Secret, as a host without a port.", name, v1alpha1.ServersKey)
	}
	return settings, nil
}

// allowsServerName tells whether the Secret may be sent to the host that the certificates of the servers are of, whatever its port. Otherwise who edits the
// provider, and can lead connections elsewhere, could have it sent to a host with a certificate of its own name.
func (s *Settings) allowsServerName(name string) bool {
	return isASCII(name) && slices.ContainsFunc(s.Servers, func(allowed string) bool {
		host, _, err := net.SplitHostPort(allowed)
		if err != nil {
			host = allowed // It has no port, but the usual one.
		}
		return host == strings.ToLower(name)
	})
}

// allowsDirectoryServer tells whether the Secret may be sent to a server, which is HOST:PORT.
func (s *Settings) allowsDirectoryServer(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && port != "" && isASCII(host) && slices.Contains(s.Servers, server(strings.ToLower(host), port, ldapsPort))
}

// isBindName tells whether a text can be the name that a directory is given with a password. What is wrong with it otherwise, the directory says.
func isBindName(p *v1alpha1.IdentityProvider, name string) bool {
	isName := strings.Contains(name, "=") || p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory && strings.Contains(name, "@")
	return isName && len(name) <= maxBindName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

func bindNameAdvice(p *v1alpha1.IdentityProvider) string {
	if p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory {
		return "Put its userPrincipalName there, such as keyturn@corp.example.org, or its distinguished name."
	}
	return "Put its distinguished name there, such as cn=keyturn,ou=services,dc=example,dc=org."
}

// parseKeytab reads the Secret with the keytab. Whether its keys can be used is for package authn/kerberos.
func (s Source) parseKeytab(name string, secret *corev1.Secret) (Secret, *SettingsError) {
	if secret == nil {
		return Secret{}, settingsError(v1alpha1.ConditionReasonSecretNotFound, "There is no Secret %q in the namespace %s. Create it, of type %s, with the keytab in the key %s.",
			name, s.Namespace, v1alpha1.SecretTypeKeytab, v1alpha1.KeytabKey)
	}
	if secret.Type != v1alpha1.SecretTypeKeytab {
		return Secret{}, wrongType(name, v1alpha1.SecretTypeKeytab)
	}
	if len(secret.Data[v1alpha1.KeytabKey]) == 0 {
		return Secret{}, settingsError(v1alpha1.ConditionReasonKeyNotFound, "Secret %q has no %s. Put the keytab of the service principal there.", name, v1alpha1.KeytabKey)
	}
	return NewSecret(string(secret.Data[v1alpha1.KeytabKey])), nil
}
