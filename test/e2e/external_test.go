package e2e_test

// What the tests of External accounts share: one sample provider for all of them (test/oidcprovider), and IdentityProviders of each test's
// own that name it. A person of the sample provider is told by the subject from an account, never by the name.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/oidcprovider"
)

const (
	providerNamespace = "keyturn-providers"
	// providerNames is how many IdentityProviders there can be. The sample provider has to know their names when it starts.
	providerNames = 24
	callback      = "/login/callback/"
)

// usedProviderNames counts the names that tests have taken.
var usedProviderNames atomic.Int32

func identityProviderName(number int) string { return fmt.Sprintf("contoso-%02d", number) }

// sampleProvider starts the provider when the first test needs it. endSampleProvider ends it.
var sampleProvider = sync.OnceValues(func() (*oidcprovider.Provider, error) {
	dir := filepath.Join(login.dir, "oidc-provider")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}

	var redirectURIs []string

	for number := range providerNames {
		for _, server := range []string{loginURL, consoleURL} {
			redirectURIs = append(redirectURIs, server+callback+identityProviderName(number))
		}
	}

	p, err := oidcprovider.Start(context.Background(), oidcprovider.Options{Dir: dir, RedirectURIs: redirectURIs})
	if err != nil {
		return nil, err
	}

	noteSecret(p.ClientSecret())
	endSampleProvider = p.Stop

	return p, nil
})

// endSampleProvider ends the provider if there is one.
var endSampleProvider = func() {}

// contoso is an IdentityProvider of a test's own.
type contoso struct {
	t      *testing.T
	name   string
	sample *oidcprovider.Provider
}

// newContoso takes the name of an IdentityProvider that is declared later.
func newContoso(t *testing.T) *contoso {
	t.Helper()

	sample, err := sampleProvider()
	must(t, err)

	return &contoso{t: t, name: identityProviderName(int(usedProviderNames.Add(1)) - 1), sample: sample}
}

// knows is a person of the sample provider.
func (c *contoso) knows(username string) oidcprovider.Person {
	c.t.Helper()

	p, err := oidcprovider.SamplePerson(username)
	must(c.t, err)
	noteSecret(p.Password)

	return p
}

// employs declares the account of a person in an organisation. Accounts come before their provider, so that whoever is offered the
// provider has an account.
func (c *contoso) employs(o *organisation, username string, change spec) oidcprovider.Person {
	c.t.Helper()

	p := c.knows(username)
	o.account(c.t, p.Username, func(s *v1alpha1.UserAccountSpec) {
		s.DisplayName, s.Password = p.Name, nil
		s.Authentication = v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: c.name}, Subject: p.ObjectID,
		}

		if change != nil {
			change(s)
		}
	})
	o.await(c.t, p.Username, "a standing", func(a *v1alpha1.UserAccount) bool { return a.Status.Standing != "" })

	return p
}

// serves declares the IdentityProvider for an organisation, and waits until its login page offers it.
func (c *contoso) serves(o *organisation, change func(*v1alpha1.IdentityProviderSpec)) {
	c.t.Helper()

	meta := metav1.ObjectMeta{Namespace: providerNamespace, Name: c.name}
	provider := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{
		Name: c.name, Annotations: map[string]string{v1alpha1.AnnotationDeletion: v1alpha1.DeletionAllowed},
	}}
	provider.Spec = v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderEntraID, DisplayName: "Contoso", PasswordChangeURL: c.sample.PasswordChangeURL(),
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: o.name},
		}},
		OIDC: v1alpha1.OIDCSettings{
			Issuer: c.sample.EntraIssuer(), ClientID: oidcprovider.ClientID,
			ClientSecretRef: v1alpha1.ProviderSecretReference{Name: c.name}, CAConfigMapRef: &v1alpha1.CAConfigMapReference{Name: c.name},
		},
	}

	if change != nil {
		change(&provider.Spec)
	}

	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: meta, Type: v1alpha1.SecretTypeOIDCClient, Data: map[string][]byte{
			v1alpha1.ClientSecretKey: []byte(c.sample.ClientSecret()), v1alpha1.ServersKey: []byte(c.sample.Server()),
		}},
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"ca.crt": string(c.sample.CA())}},
		provider,
	} {
		must(c.t, kube.Create(c.t.Context(), object))
	}

	c.t.Cleanup(func() {
		if err := kube.Delete(context.Background(), provider); err != nil {
			c.t.Error(err)
		}
	})
	c.offered(o, true)
}

// declare changes what the IdentityProvider declares.
func (c *contoso) declare(change func(*v1alpha1.IdentityProviderSpec)) {
	c.t.Helper()

	provider := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: c.name}}
	update(c.t, provider, func() { change(&provider.Spec) })
}

// startOf is the address at which a login at the provider starts.
func (c *contoso) startOf(o *organisation) string { return "/o/" + o.name + "/login/oidc/" + c.name }

// offered waits until the login page of an organisation offers the provider, or offers it no more.
func (c *contoso) offered(o *organisation, want bool) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("the login page offers the provider: %t", want), func() error {
		request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, loginURL+"/o/"+o.name+"/login", http.NoBody)
		if err != nil {
			return err
		}

		response, err := people.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()

		page, err := io.ReadAll(response.Body)
		if err == nil && strings.Contains(string(page), c.startOf(o)) != want {
			err = errTooEarly
		}

		return err
	})
}

// openBrowser starts a browser that trusts the provider's certificate.
func (c *contoso) openBrowser() *browser {
	c.t.Helper()

	b := openBrowser(c.t, c.t.TempDir(), chromedp.Flag("ignore-certificate-errors-spki-list", c.sample.PublicKeyFingerprint()))
	b.mu.Lock()
	defer b.mu.Unlock()

	b.elsewhere = c.sample.Origin()

	return b
}

// choose follows the link to the provider on the login page.
func (b *browser) choose(c *contoso) {
	b.t.Helper()
	b.follow(fmt.Sprintf("a[href*='/login/oidc/%s']", c.name))
}

// logInAt opens the login page of an organisation, chooses the provider, logs in there, and waits for the page that this leads to.
func (b *browser) logInAt(c *contoso, o *organisation, p oidcprovider.Person, leadsTo string) {
	b.t.Helper()
	b.open("/o/" + o.name + "/login")
	b.choose(c)
	b.logInThere(p, leadsTo)
}

// logInThere fills in the form of the provider.
func (b *browser) logInThere(p oidcprovider.Person, leadsTo string) {
	b.t.Helper()
	b.says("Log in to Contoso")
	b.fill("username", p.Username)
	b.fill("password", p.Password)
	b.leads("#login", leadsTo)
}

// token is that of the session in the browser.
func (b *browser) token() string {
	b.t.Helper()

	c := b.cookies()["keyturn-session"]
	if c == nil {
		b.t.Fatal("the browser has no session")
	}

	return noteSecret(c.Value)
}
