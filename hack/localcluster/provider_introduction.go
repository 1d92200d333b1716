package main

import (
	"fmt"
	"path/filepath"

	"github.com/keyturn/keyturn/test/oidcprovider"
)

// introduction is the text that says what to try.
func (p *sampleProvider) introduction() (string, error) {
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
		p.settings.loginURL, filepath.Join(p.settings.dir, providerFolder, "ca.crt"),
		provided.Username, provided.Password, refused.Username, refused.Password,
		quote(filepath.Join(p.settings.dir, kubeconfigFile)), sampleOrganisation, providerName), nil
}
