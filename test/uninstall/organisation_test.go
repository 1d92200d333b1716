package uninstall_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/internal/installation"
)

const (
	systemNamespace     = installation.Namespace
	credentialNamespace = "keyturn-credentials"
	providerNamespace   = "keyturn-providers"

	handedOut = "Handed-Out-1843"
	chosen    = "My-own-Lantern-43"
)

// organisation is a namespace with a policy of its own and one person, ada, who has chosen a password and is logged in.
type organisation struct {
	name, token string
	servers     *servers
}

var organisations int

func newOrganisation(t *testing.T, s *servers) *organisation {
	t.Helper()

	organisations++
	o := &organisation{name: fmt.Sprintf("organisation-%d", organisations), servers: s}

	for _, object := range o.manifests() {
		must(t, kube.Create(t.Context(), object))
	}

	eventually(t, "ada chooses a password", func() error {
		code, answer, err := s.ask(http.MethodPost, "/api/v1/password", "", map[string]string{
			"namespace": o.name, "username": "ada", "currentPassword": handedOut, "newPassword": chosen,
		})
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("answer %d %v: %w", code, answer["type"], err)
		}

		o.token, _ = answer["token"].(string)

		return nil
	})

	eventually(t, "the policy is in use", func() error {
		p := &v1alpha1.PasswordPolicy{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: o.name}, p); err != nil {
			return err
		}

		if p.Status.Accounts == nil || *p.Status.Accounts != 1 {
			return fmt.Errorf("status is %+v", p.Status)
		}

		return nil
	})

	return o
}

func (o *organisation) manifests() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.name}},
		&v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.name}, Spec: v1alpha1.PasswordPolicySpec{
			AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "ada"}, Type: v1alpha1.SecretTypePassword,
			Data: map[string][]byte{v1alpha1.DefaultPasswordKey: []byte(handedOut)},
		},
		&v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "ada"}, Spec: v1alpha1.UserAccountSpec{
			PolicyRef: &v1alpha1.PolicyReference{Name: o.name},
			Password:  &v1alpha1.PasswordSpec{SecretRef: &v1alpha1.PasswordSecretReference{Name: "ada"}},
		}},
	}
}

// providers are an identity provider of the organisation, the Secret of its client, which may be sent to another host, and the account of a person
// who is verified there.
func (o *organisation) providers() []client.Object {
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: providerNamespace, Name: o.name}, Type: v1alpha1.SecretTypeOIDCClient,
			Data: map[string][]byte{v1alpha1.ClientSecretKey: []byte("secret"), v1alpha1.ServersKey: []byte("other.example.org")},
		},
		&v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: o.name}, Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderOIDC, DisplayName: "Example", OIDC: v1alpha1.OIDCSettings{
				Issuer: "https://id.example.org", ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: o.name},
			},
		}},
		&v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "katherine"}, Spec: v1alpha1.UserAccountSpec{
			Authentication: v1alpha1.Authentication{
				Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: o.name}, Subject: "4711",
			},
		}},
	}
}

// knowsAda checks that ada's own password logs in and that her session of before goes on.
func (o *organisation) knowsAda(t *testing.T) {
	t.Helper()

	eventually(t, "ada logs in with her own password", func() error {
		code, answer, err := o.servers.ask(http.MethodPost, "/api/v1/login", "",
			map[string]string{"namespace": o.name, "username": "ada", "password": chosen})
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("answer %d %v: %w", code, answer["type"], err)
		}

		return nil
	})

	eventually(t, "ada's session goes on", func() error {
		code, answer, err := o.servers.ask(http.MethodGet, "/api/v1/session", o.token, nil)
		if err != nil || code != http.StatusOK {
			return fmt.Errorf("answer %d %v: %w", code, answer["type"], err)
		}

		return nil
	})
}

// holdPolicy gives the policy the finalizer that former versions set.
func (o *organisation) holdPolicy(t *testing.T) {
	t.Helper()

	p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: o.name}}
	patch := fmt.Appendf(nil, `{"metadata":{"finalizers":[%q]}}`, v1alpha1.FinalizerInUse)
	must(t, kube.Patch(t.Context(), p, client.RawPatch(types.MergePatchType, patch)))
}

// data is what an uninstallation has to keep: the UIDs of objects, by what they are.
func (o *organisation) data(t *testing.T) map[string]types.UID {
	t.Helper()

	all := map[string]types.UID{}

	for _, object := range append(o.manifests(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: credentialNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: providerNamespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "keyturn-signing-keys"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "keyturn-login-webhook"}},
	) {
		must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(object), object))
		all[fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())] = object.GetUID()
	}

	credentials := &corev1.SecretList{}
	must(t, kube.List(t.Context(), credentials, client.InNamespace(credentialNamespace)))

	for _, credential := range credentials.Items {
		if credential.Type == "accounts.keyturn.dev/credential" {
			all["credential "+credential.Name] = credential.UID
		}
	}

	for _, object := range o.providers() { // where there are any
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(object), object); err == nil {
			all[fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())] = object.GetUID()
		}
	}

	return all
}

// keeps checks that nothing of the data is missing, or has been made anew.
func (o *organisation) keeps(t *testing.T, before map[string]types.UID) {
	t.Helper()

	if after := o.data(t); !maps.Equal(before, after) {
		t.Errorf("the data was\n%v\nand is\n%v", before, after)
	}
}
