package ldap

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/test/directories"
)

// rightPassword is that of everybody in these tests, and servicePassword that of the account that searches.
const rightPassword, servicePassword = "Tulip+7/harbour", "Tulip+7/search"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// directory is a server that runs, and how it is declared.
type directory struct {
	provider *v1alpha1.IdentityProvider
	secret   *corev1.Secret
	ca       []byte
}

func declare(kind v1alpha1.IdentityProviderType, server, serverName, bindName string, ca []byte) directory {
	p := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "corp", UID: types.UID(server), Generation: 1}}
	p.Spec.Type = kind
	p.Spec.LDAP = v1alpha1.LDAPSettings{
		Servers: []string{server}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: "corp"},
		TLS: v1alpha1.LDAPTLS{Mode: v1alpha1.LDAPTLSFromStart, ServerName: serverName, CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: "ca", Key: "ca.crt"}},
	}
	return directory{
		provider: p, ca: ca,
		secret: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: "corp"}, Type: v1alpha1.SecretTypeLDAPBind,
			Data: map[string][]byte{"username": []byte(bindName), "password": []byte(servicePassword), "servers": []byte(server + " " + serverName)},
		},
	}
}

// clients returns clients that reach the directory as it is declared.
func (d directory) clients(t *testing.T) *Clients {
	t.Helper()
	ca := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: provider.DefaultNamespace, Name: "ca"}, Data: map[string]string{"ca.crt": string(d.ca)},
	}
	reader := fake.NewClientBuilder().WithObjects(d.secret, ca).Build()
	c := &Clients{Source: provider.Source{Reader: reader, Namespace: provider.DefaultNamespace}, Clock: clock.RealClock{}}
	t.Cleanup(func() {
		for _, each := range c.clients {
			each.Close()
		}
	})
	return c
}

// request asks whether a password is that of the account of a name.
func (d directory) request(name, password string) authn.Request {
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "someone"}}
	a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal, ExternalName: name}
	return authn.Request{Account: a, Provider: d.provider, Secret: password, CredentialUID: "credential-1"}
}

// outcome returns what a verifier says in a word.
func outcome(err error) string {
	if refused, ok := errors.AsType[*authn.RefusedElsewhereError](err); ok {
		return string(refused.Reason)
	}
	if unavailable, ok := errors.AsType[*authn.UnavailableError](err); ok {
		if unavailable.Sent {
			return "unavailable, sent: " + unavailable.Reason
		}
		return "unavailable: " + unavailable.Reason
	}
	switch {
	case err == nil:
		return "right"
	case errors.Is(err, authn.ErrWrong):
		return "wrong"
	case errors.Is(err, authn.ErrSubjectMismatch):
		return "mismatch"
	default:
		return err.Error()
	}
}

func startSlapd(t *testing.T) (*directories.Slapd, directory) {
	t.Helper()
	server, err := directories.StartSlapd(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Cleanup(server.Stop)
	must(t, server.AddUser(directories.Person{Username: "service", Password: servicePassword}))
	d := declare(v1alpha1.IdentityProviderLDAP, server.Server(), directories.SlapdHost, "uid=service,"+directories.SlapdPeopleDN, server.CA())
	d.provider.Spec.LDAP.Users.BaseDN = directories.SlapdPeopleDN
	return server, d
}

func startActiveDirectory(t *testing.T) (*directories.ActiveDirectory, directory) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("A domain controller needs root: its ports cannot be chosen.")
	}
	server, err := directories.StartActiveDirectory(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Cleanup(server.Stop)
	must(t, server.AddUser(directories.Person{Username: "service", Password: servicePassword}))
	return server, declare(v1alpha1.IdentityProviderActiveDirectory, server.Server(), directories.DomainController, "service@"+directories.Domain, server.CA())
}

// TestSlapdStates: what slapd says about each state of an entry, with the right and a wrong password.
func TestSlapdStates(t *testing.T) {
	server, d := startSlapd(t)
	c := d.clients(t)
	for _, tt := range []struct {
		username string
		set      func(string) error
		right    string
		state    v1alpha1.StandingReason
	}{
		{"active", nil, "right", ""},
		{"disabled", server.Disable, "wrong", v1alpha1.ReasonExternalDisabled}, // slapd looks at no password of a locked entry.
		{"locked", server.Lock, "wrong", ""},
		{"accountexpired", server.ExpireAccount, "wrong", v1alpha1.ReasonExternalAccountExpired},
		{"passwordexpired", server.ExpirePassword, "ExternalPasswordExpired", ""},
		{"mustchange", server.MustChangePassword, "ExternalMustChange", v1alpha1.ReasonExternalMustChange},
	} {
		must(t, server.AddUser(directories.Person{Username: tt.username, Password: rightPassword}))
		if tt.set != nil {
			must(t, tt.set(tt.username))
		}
		checkState(t, c, d, tt.username, tt.right, tt.state)
	}
	_, err := c.Verify(t.Context(), d.request("nobody", rightPassword))
	if outcome(err) != "wrong" {
		t.Errorf("nobody: %v", err)
	}
}

// TestActiveDirectoryStates: what a domain controller says about each state of an account, with the right and a wrong password.
func TestActiveDirectoryStates(t *testing.T) {
	server, d := startActiveDirectory(t)
	c := d.clients(t)
	for _, tt := range []struct {
		username string
		set      func(string) error
		right    string
		state    v1alpha1.StandingReason
	}{
		{"active", nil, "right", ""},
		{"disabled", server.Disable, "ExternalDisabled", v1alpha1.ReasonExternalDisabled},
		{"locked", server.Lock, "wrong", ""},
		{"accountexpired", server.ExpireAccount, "ExternalAccountExpired", v1alpha1.ReasonExternalAccountExpired},
		{"passwordexpired", server.ExpirePassword, "ExternalPasswordExpired", v1alpha1.ReasonExternalPasswordExpired},
		{"mustchange", server.MustChangePassword, "ExternalMustChange", v1alpha1.ReasonExternalMustChange},
		{"hours", server.RestrictHours, "ExternalRestricted", ""},
		{"workstations", server.RestrictWorkstations, "ExternalRestricted", ""},
	} {
		must(t, server.AddUser(directories.Person{Username: tt.username, Password: rightPassword}))
		if tt.set != nil {
			must(t, tt.set(tt.username))
		}
		checkState(t, c, d, tt.username, tt.right, tt.state)
		checkState(t, c, d, tt.username+"@"+directories.Domain, tt.right, tt.state)
	}
}

// checkState checks what comes of the right and of a wrong password of a person, and the state that the directory tells without one.
func checkState(t *testing.T, c *Clients, d directory, name, right string, state v1alpha1.StandingReason) {
	t.Helper()
	proof, err := c.Verify(t.Context(), d.request(name, rightPassword))
	if outcome(err) != right {
		t.Errorf("the right password of %s: %s, want %s", name, outcome(err), right)
	}
	proven, ok := authn.Proven(proof, err)
	if ok && (proven.External.Subject == "" || proven.External.ProviderUID != string(d.provider.UID) || proven.External.Name != name) {
		t.Errorf("%s is %+v", name, proven.External)
	}
	if _, err := c.Verify(t.Context(), d.request(name, "wrong")); outcome(err) != "wrong" {
		t.Errorf("a wrong password of %s: %s", name, outcome(err))
	}
	client, err := c.Of(t.Context(), d.provider)
	must(t, err)
	found, err := client.Find(t.Context(), netip.Addr{}, ByName, name)
	must(t, err)
	if found.State != state || ok && found.Subject != proven.External.Subject || !slices.Equal(found.Groups, nil) {
		t.Errorf("%s is found as %+v, want state %q of %+v", name, found, state, proven.External)
	}
}
