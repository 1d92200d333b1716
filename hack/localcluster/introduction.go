package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// sayWhatToTry says that everything runs, and what to try next.
func (c *cluster) sayWhatToTry(ctx context.Context) error {
	kubectl, err := binaries.Find(binaries.Kubectl)
	if err != nil {
		return err
	}

	objects, err := c.samples(ctx)
	if err != nil {
		return err
	}

	people := allHandedOut(objects)
	if len(people) == 0 {
		return fmt.Errorf("config/samples has no account with a password to log in with")
	}

	bin, err := filepath.Abs(filepath.Join(c.settings.root, "bin"))
	if err != nil {
		return fmt.Errorf("finding the programs: %w", err)
	}

	text, err := introduction(c.settings.loginURL, c.settings.dir, []string{filepath.Dir(kubectl), bin}, people[0], administrators(objects))
	if err != nil {
		return err
	}

	say("%s", text)

	return nil
}

// introduction is the text that sayWhatToTry prints. Programs are the folders of kubectl and of kubectl-account.
func introduction(url, dir string, programs []string, person handedOut, admins []administrator) (string, error) {
	body, err := json.Marshal(map[string]string{
		"namespace": person.namespace, "username": person.username, "password": person.password,
	})
	if err != nil {
		return "", fmt.Errorf("encoding the sample login: %w", err)
	}

	logs := filepath.Join(dir, "logs")
	inKubernetes := ""

	if mayTakePasswords(url) {
		inKubernetes = `
Be that person in Kubernetes; kubectl asks for username and password:
  kubectl --kubeconfig ` + quote(filepath.Join(dir, personKubeconfigFile)) + ` auth whoami
`
	}

	return fmt.Sprintf(`
Keyturn is ready: %[1]s
Open it and log in as %[6]s / %[7]s

%[11]s

Try next, in another terminal:
  export KUBECONFIG=%[2]s
  kubectl get useraccounts -A
  curl -i %[1]s/api/v1/login -H 'Content-Type: application/json' -d %[3]s
  tail -n 5 %[5]s/*%[8]s
%[10]s
A kubectl of the right version is at hand, with kubectl account beside it:
  export PATH=%[4]s:"$PATH"

Logs are in %[9]s. Ctrl-C ends everything.`,
		url, quote(filepath.Join(dir, kubeconfigFile)), quote(string(body)), quote(strings.Join(programs, ":")),
		quote(logs), person.username, person.password, auditLogSuffix, logs, inKubernetes,
		sayWhoAdministers(url, admins, person)), nil
}

// quote makes one word of a text for a POSIX shell. A text that is a plain word stays as it is.
func quote(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:-"

	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}

	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
