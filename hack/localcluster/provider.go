package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/test/oidcprovider"
)

const (
	// providerName is that of the IdentityProvider of make provider.
	providerName = "contoso"
	// providerFolder is the folder of the sample provider in the state folder.
	providerFolder = "provider"
	// providerPort is the one that the sample provider prefers, so that a browser is asked about its certificate less often.
	providerPort = 8443
	// providedPerson is somebody of the sample provider who gets an account, and refusedPerson somebody who gets none.
	providedPerson, refusedPerson = "dorothy", "linus"
	// mappedGroup is what a group of a sample is called in Kubernetes.
	mappedGroup = "engineers"
)

// openIDProvider is what make provider shows: a provider that behaves as Entra ID does.
type openIDProvider struct{ *oidcprovider.Provider }

func (p *openIDProvider) name() string { return providerName }

func (p *openIDProvider) start(ctx context.Context, s settings) (err error) {
	say("Starting the sample provider. The first time, it is installed from the npm registry ...")

	dir := filepath.Join(s.dir, providerFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the sample provider: %w", err)
	}

	p.Provider, err = oidcprovider.Start(ctx, oidcprovider.Options{
		Dir: dir, Port: providerPort, RedirectURIs: []string{s.loginURL + "/login/callback/" + providerName},
	})

	return err
}

func (p *openIDProvider) done() <-chan struct{} { return p.Done() }
func (p *openIDProvider) err() error            { return p.Err() }
func (p *openIDProvider) stop()                 { p.Stop() }

func (p *openIDProvider) declarations() ([]*unstructured.Unstructured, error) {
	person, err := oidcprovider.SamplePerson(providedPerson)
	if err != nil {
		return nil, err
	}

	return []*unstructured.Unstructured{
		newObject("v1", "ConfigMap", providerNamespace, providerName+"-ca", map[string]any{"data": map[string]any{"ca.crt": string(p.CA())}}),
		newObject("v1", "Secret", providerNamespace, providerName+"-client", map[string]any{
			"type":       "accounts.keyturn.dev/oidc-client",
			"stringData": map[string]any{"clientSecret": p.ClientSecret(), "servers": p.Server()},
		}),
		identityProvider(providerName, map[string]any{
			"type":              "EntraID",
			"displayName":       "Contoso",
			"passwordChangeURL": p.PasswordChangeURL(),
			"oidc": map[string]any{
				"issuer":          p.EntraIssuer(),
				"clientID":        oidcprovider.ClientID,
				"clientSecretRef": map[string]any{"name": providerName + "-client"},
				"caConfigMapRef":  map[string]any{"name": providerName + "-ca"},
			},
			"groupMappings": []any{map[string]any{"from": oidcprovider.EngineersGroup, "to": mappedGroup}},
		}),
		externalAccount(person.Username, person.Name, map[string]any{
			"type": "External", "providerRef": map[string]any{"name": providerName}, "subject": person.ObjectID,
		}),
	}, nil
}

func (p *openIDProvider) introduction(s settings) (string, error) {
	provided, err := oidcprovider.SamplePerson(providedPerson)
	if err != nil {
		return "", err
	}

	refused, err := oidcprovider.SamplePerson(refusedPerson)
	if err != nil {
		return "", err
	}

	return fmt.Sprintf(`
The sample provider is ready. It behaves as Microsoft documents Entra ID, and is not Entra ID.
Open %[1]s and choose "Log in with Contoso". A browser warns of its certificate, which no public authority has signed:
in Chromium, choose Advanced and then Proceed, or give it %[2]s as an authority.
  %[3]s / %[4]s has an account, whose password cannot be changed here: %[1]s/change-password
  %[5]s / %[6]s has none: the page shows what an administrator has to declare

Try next, in another terminal:
  export KUBECONFIG=%[7]s
  kubectl get identityproviders
  kubectl get useraccount %[3]s -n %[8]s -o yaml
  kubectl patch identityprovider %[9]s --type=merge -p '{"spec":{"access":"Disabled"}}'

Ctrl-C ends it and deletes the IdentityProvider and the account of %[3]s.`,
		s.loginURL, filepath.Join(s.dir, providerFolder, "ca.crt"),
		provided.Username, provided.Password, refused.Username, refused.Password,
		quote(filepath.Join(s.dir, kubeconfigFile)), sampleOrganisation, providerName), nil
}
