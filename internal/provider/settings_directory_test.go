package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const bindPassword, keytabBytes = "the-password-of-the-account-that-searches", "\x05\x02keytab"

// directory is a declared directory, and what it names.
type directory struct {
	provider       *v1alpha1.IdentityProvider
	secret, keytab *corev1.Secret
	ca             *corev1.ConfigMap
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	p := named("corp", func(p *v1alpha1.IdentityProvider) {
		p.UID, p.Generation = "u1", 3
		p.Spec.Type = v1alpha1.IdentityProviderActiveDirectory
		p.Spec.LDAP = v1alpha1.LDAPSettings{
			Servers:       []string{"DC1.corp.example.org:636", "[2001:db8::1]:3269"},
			BindSecretRef: v1alpha1.ProviderSecretReference{Name: "corp"},
			TLS:           v1alpha1.LDAPTLS{CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: "ca", Key: "ca.crt"}},
			Kerberos:      &v1alpha1.KerberosSettings{KeytabSecretRef: v1alpha1.ProviderSecretReference{Name: "keytab"}},
		}
	})
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: DefaultNamespace, Name: name}
	}
	return &directory{
		provider: p,
		secret: &corev1.Secret{ObjectMeta: meta("corp"), Type: v1alpha1.SecretTypeLDAPBind, Data: map[string][]byte{
			"username": []byte("keyturn@corp.example.org\n"), "password": []byte(bindPassword + "\r\n"), "servers": []byte("dc1.CORP.example.org, [2001:db8::1]:3269"),
		}},
		keytab: &corev1.Secret{ObjectMeta: meta("keytab"), Type: v1alpha1.SecretTypeKeytab, Data: map[string][]byte{"keytab": []byte(keytabBytes)}},
		ca:     &corev1.ConfigMap{ObjectMeta: meta("ca"), Data: map[string]string{"ca.crt": certificate(t)}},
	}
}

// settings reads the settings out of what there is.
func (d *directory) settings(t *testing.T) (*Settings, error) {
	t.Helper()
	builder := fake.NewClientBuilder()
	if d.secret != nil {
		builder = builder.WithObjects(d.secret)
	}
	if d.keytab != nil {
		builder = builder.WithObjects(d.keytab)
	}
	if d.ca != nil {
		builder = builder.WithObjects(d.ca)
	}
	return Source{Reader: builder.Build(), Namespace: DefaultNamespace}.Settings(t.Context(), d.provider)
}

// TestDirectorySettings: what a directory names is read as it is meant.
func TestDirectorySettings(t *testing.T) {
	d := newDirectory(t)
	s, err := d.settings(t)
	if err != nil {
		t.Fatal(err)
	}
	if s.BindName != "keyturn@corp.example.org" || s.BindPassword.Text() != bindPassword || s.Keytab.Text() != keytabBytes || s.KeytabError != nil || s.Roots == nil {
		t.Errorf("the settings are %q, %d bytes of a password, %d of a keytab (%v)", s.BindName, len(s.BindPassword.Text()), len(s.Keytab.Text()), s.KeytabError)
	}
	if printed := fmt.Sprintf("%+v", s); strings.Contains(printed, bindPassword) || strings.Contains(printed, "\x02keytab") {
		t.Errorf("the settings print as %s", printed)
	}
	if names := SecretNames(d.provider); !slices.Equal(names, []string{"corp", "keytab"}) {
		t.Errorf("the Secrets are %v", names)
	}
	if names := ConfigMapNames(d.provider); !slices.Equal(names, []string{"ca"}) {
		t.Errorf("the ConfigMaps are %v", names)
	}
	d.provider.Spec.LDAP.Kerberos, d.provider.Spec.LDAP.TLS.CAConfigMapRef = nil, nil
	if s, err = d.settings(t); err != nil || s.Roots != nil || s.Keytab.Text() != "" || s.KeytabError != nil {
		t.Errorf("without keytab and authority: %+v, %v", s, err)
	}
	if len(SecretNames(d.provider)) != 1 || len(ConfigMapNames(d.provider)) != 0 {
		t.Errorf("the names are %v and %v", SecretNames(d.provider), ConfigMapNames(d.provider))
	}
	oidc := reachable(publicCA)
	if !slices.Equal(SecretNames(oidc), []string{"contoso"}) || len(ConfigMapNames(oidc)) != 0 || !slices.Equal(ConfigMapNames(reachable()), []string{"ca"}) {
		t.Errorf("of OIDC, the names are %v and %v", SecretNames(oidc), ConfigMapNames(oidc))
	}
}

// TestDirectorySettingsRefused: what is wrong has a reason, and the message shows nothing of a Secret.
func TestDirectorySettingsRefused(t *testing.T) {
	set := func(key, value string) func(*directory) {
		return func(d *directory) { d.secret.Data[key] = []byte(value) }
	}
	for name, tt := range map[string]struct {
		change func(*directory)
		reason string
	}{
		"no Secret":               {func(d *directory) { d.secret = nil }, "SecretNotFound"},
		"another type":            {func(d *directory) { d.secret.Type = v1alpha1.SecretTypeOIDCClient }, "SecretNotUsable"},
		"no name":                 {set("username", ""), "KeyNotFound"},
		"a name that is none":     {set("username", "keyturn"), "KeyNotFound"},
		"a name with a NUL":       {set("username", "cn=a\x00b"), "KeyNotFound"},
		"a UPN at LDAP":           {func(d *directory) { d.provider.Spec.Type = v1alpha1.IdentityProviderLDAP }, "KeyNotFound"},
		"no password":             {set("password", "\n"), "KeyNotFound"},
		"no servers":              {set("servers", ""), "ServerNotAllowed"},
		"one server only":         {set("servers", "dc1.corp.example.org"), "ServerNotAllowed"},
		"another port":            {set("servers", "dc1.corp.example.org:389 [2001:db8::1]:3269"), "ServerNotAllowed"},
		"another host":            {set("servers", "dc1.corp.example.com [2001:db8::1]:3269"), "ServerNotAllowed"},
		"the port of https":       {set("servers", "dc1.corp.example.org:443 [2001:db8::1]:3269"), "ServerNotAllowed"},
		"an address for a server": {set("servers", "ldaps://dc1.corp.example.org"), "ServerNotAllowed"},
		"no ConfigMap":            {func(d *directory) { d.ca = nil }, "CANotFound"},
		"no certificate":          {func(d *directory) { d.ca.Data["ca.crt"] = "none" }, "CANotFound"},
	} {
		d := newDirectory(t)
		tt.change(d)
		_, err := d.settings(t)
		refusal, ok := errors.AsType[*SettingsError](err)
		if !ok || refusal.Reason != tt.reason {
			t.Errorf("%s: %v, want %s", name, err, tt.reason)
		}
		if ok && strings.Contains(refusal.Message, bindPassword) {
			t.Errorf("%s: the message shows the password", name)
		}
	}
}

// TestKeytab: a keytab that is missing stands in the way of Windows sign-in alone.
func TestKeytab(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*directory)
		reason string
	}{
		"no Secret":    {func(d *directory) { d.keytab = nil }, "SecretNotFound"},
		"another type": {func(d *directory) { d.keytab.Type = v1alpha1.SecretTypeLDAPBind }, "SecretNotUsable"},
		"no keytab":    {func(d *directory) { d.keytab.Data = nil }, "KeyNotFound"},
	} {
		d := newDirectory(t)
		tt.change(d)
		s, err := d.settings(t)
		if err != nil || s.KeytabError == nil || s.KeytabError.Reason != tt.reason || s.Keytab.Text() != "" {
			t.Errorf("%s: %+v, %v, want %s", name, s, err, tt.reason)
		}
	}
}

// TestDirectoryVersion: the version changes with everything that the settings come of.
func TestDirectoryVersion(t *testing.T) {
	d := newDirectory(t)
	first, err := d.settings(t)
	if err != nil {
		t.Fatal(err)
	}
	seen, binds := map[string]string{first.Version: "at first"}, map[string]bool{first.BindVersion: true}
	for _, step := range []struct {
		name   string
		change func()
		// binds tells whether the account that searches may be taken by now.
		binds bool
	}{
		{"another generation", func() { d.provider.Generation++ }, false},
		{"another provider", func() { d.provider.UID = "u2" }, true},
		{"another Secret", func() { d.secret.UID = "s2" }, true},
		{"another version of the Secret", func() { d.secret.ResourceVersion = "77" }, true},
		{"another keytab", func() { d.keytab.UID = "k2" }, false},
		{"another version of the keytab", func() { d.keytab.ResourceVersion = "78" }, false},
		{"another ConfigMap", func() { d.ca.UID = "c2" }, false},
		{"another version of the ConfigMap", func() { d.ca.ResourceVersion = "79" }, false},
		{"another displayName", func() { d.provider.Generation++; d.provider.Spec.DisplayName += "!" }, false},
		{"another filter", func() { d.provider.Generation++; d.provider.Spec.LDAP.Users.Filter = "(cn=*)" }, true},
		{"no keytab", func() { d.keytab = nil }, false},
	} {
		step.change()
		s, err := d.settings(t)
		if err != nil {
			t.Fatal(err)
		}
		if former, isKnown := seen[s.Version]; isKnown {
			t.Errorf("%s: the version is that of %s", step.name, former)
		}
		seen[s.Version] = step.name
		if binds[s.BindVersion] == step.binds {
			t.Errorf("%s: the version of the account that searches is another one: %t", step.name, !step.binds)
		}
		binds[s.BindVersion] = true
	}
}
