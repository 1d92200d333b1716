package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What an administrator with rights in the credentials' namespace finds there.
const (
	annotationAccountNamespace = "accounts.keyturn.dev/account-namespace"
	annotationAccountName      = "accounts.keyturn.dev/account-name"

	keyCreatedTime     = "createdTime"
	keyHash            = "password.hash"
	keySetTime         = "password.setTime"
	keyLastSuccessTime = "login.lastSuccessTime"
	keyLockedTime      = "failures.lockedTime"
	keyFailureTimes    = "failures.times"
	keyConsecutive     = "failures.consecutive"
	keySecretRevision  = "reset.secretResourceVersion"
	keyFormat          = "format"
)

// credential finds the credential of an account.
func (o *organisation) credential(t *testing.T, name string) *corev1.Secret {
	t.Helper()

	list := &corev1.SecretList{}
	must(t, kube.List(t.Context(), list, client.InNamespace(credentialNamespace)))

	for i := range list.Items {
		a := list.Items[i].Annotations
		if a[annotationAccountNamespace] == o.name && a[annotationAccountName] == name {
			return &list.Items[i]
		}
	}

	t.Fatalf("%s/%s has no credential", o.name, name)

	return nil
}

// edit changes a credential by hand, and waits until logins see that: they read from the API server's memory, which follows what
// is stored a moment later. A read that asks for the version that was just written is answered when memory has it.
func (o *organisation) edit(t *testing.T, name string, change func(data map[string][]byte)) {
	t.Helper()

	credential := o.credential(t, name)
	update(t, credential, func() { change(credential.Data) })

	inMemory := &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: credential.ResourceVersion}}
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(credential), &corev1.Secret{}, inMemory))
}

// age sets times in a credential back, so that a test need not wait for days.
func (o *organisation) age(t *testing.T, name string, by time.Duration, keys ...string) {
	t.Helper()
	o.edit(t, name, func(data map[string][]byte) {
		for _, key := range keys {
			lines := strings.Split(string(data[key]), "\n")
			for i, line := range lines {
				when, err := time.Parse(time.RFC3339Nano, line)
				if err != nil {
					t.Fatalf("%s of the credential: %v", key, err)
				}

				lines[i] = when.Add(-by).Format(time.RFC3339Nano)
			}

			data[key] = []byte(strings.Join(lines, "\n"))
		}
	})
}

// awaitRevision waits until the operator has dealt with the Secret of an account as it is now.
func (o *organisation) awaitRevision(t *testing.T, name string) {
	t.Helper()

	secret := o.secret(name, "")
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	eventually(t, "the operator has looked at the Secret of "+name, func() error {
		if got := string(o.credential(t, name).Data[keySecretRevision]); got != secret.ResourceVersion {
			return fmt.Errorf("revision %s is the last it has looked at, want %s", got, secret.ResourceVersion)
		}

		return nil
	})
}

const day = 24 * time.Hour
