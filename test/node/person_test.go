//go:build node

package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/internal/installation"
	"github.com/keyturn/keyturn/test/node/load"
)

// organisation is a namespace that a newcomer makes.
const organisation = "team"

// handedOut and chosen are everybody's passwords: it is the account that makes the difference.
const (
	handedOut = "Handed-Out-1843"
	chosen    = "My-own-Secret-77"
)

var httpClient = &http.Client{Timeout: load.Timeout, Transport: &http.Transport{DisableKeepAlives: true}}

// serviceAddress is the cluster IP of a Service of Keyturn.
func serviceAddress(ctx context.Context, name string) (string, error) {
	service := &corev1.Service{}
	err := kube.Get(ctx, client.ObjectKey{Namespace: installation.Namespace, Name: name}, service)

	return service.Spec.ClusterIP, err
}

func loginURL(t *testing.T) string {
	t.Helper()

	address, err := serviceAddress(t.Context(), "keyturn-login")
	must(t, err)

	return "http://" + address
}

// declare declares a person as a newcomer does, in a namespace that may be there already, and returns when the account is ready.
func declare(t *testing.T, username string) load.Person {
	t.Helper()
	apply(t, fmt.Sprintf(`-f - >/dev/null <<'YAML'
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
---
apiVersion: v1
kind: Secret
metadata:
  name: %[2]s-password
  namespace: %[1]s
type: accounts.keyturn.dev/password
stringData:
  password: %[3]s
---
apiVersion: accounts.keyturn.dev/v1alpha1
kind: UserAccount
metadata:
  name: %[2]s
  namespace: %[1]s
spec:
  password:
    secretRef: {name: %[2]s-password}
YAML`, organisation, username, handedOut))
	shell(t, fmt.Sprintf("kubectl wait --namespace=%s --for=condition=Ready --timeout=60s useraccount/%s", organisation, username))

	return load.Person{Namespace: organisation, Username: username, Password: handedOut}
}

// settle declares a person and has them choose a password of their own, which logs them in.
func settle(t *testing.T, username string) load.Person {
	t.Helper()

	person := declare(t, username)
	choosePassword(t, &person)

	return person
}

// ask sends JSON to the login server and reads its answer.
func ask(t *testing.T, method, path, token string, body any) (code int, answer map[string]any) {
	t.Helper()

	code, answer, err := tryToAsk(t, method, path, token, body)
	must(t, err)

	return code, answer
}

func tryToAsk(t *testing.T, method, path, token string, body any) (code int, answer map[string]any, err error) {
	t.Helper()

	encoded, err := json.Marshal(body)
	must(t, err)

	request, err := http.NewRequestWithContext(t.Context(), method, loginURL(t)+path, bytes.NewReader(encoded))
	must(t, err)

	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}

	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}

	response, err := httpClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()

	err = json.NewDecoder(response.Body).Decode(&answer)

	return response.StatusCode, answer, err
}

// login logs a person in for an audience, and returns the token.
func login(t *testing.T, person load.Person, audience string) string {
	t.Helper()

	code, answer := ask(t, http.MethodPost, "/api/v1/login", "", map[string]string{
		"namespace": person.Namespace, "username": person.Username, "password": person.Password, "audience": audience,
	})
	if code != http.StatusOK {
		t.Fatalf("the login of %s is answered by %d %v", person.Username, code, answer)
	}

	return answer["token"].(string)
}

// choosePassword changes the password that was handed out, which logs in.
func choosePassword(t *testing.T, person *load.Person) {
	t.Helper()

	if err := tryToChoosePassword(t, person); err != nil {
		t.Fatal(err)
	}
}

func tryToChoosePassword(t *testing.T, person *load.Person) error {
	t.Helper()

	code, answer, err := tryToAsk(t, http.MethodPost, "/api/v1/password", "", map[string]string{
		"namespace": person.Namespace, "username": person.Username, "currentPassword": person.Password, "newPassword": chosen,
	})
	if err != nil {
		return err
	}

	if code != http.StatusOK {
		return fmt.Errorf("the change of the password of %s is answered by %d %v", person.Username, code, answer)
	}

	person.Password, person.Token = chosen, answer["token"].(string)

	return nil
}

// mustBeAsBefore holds that people log in with the passwords they had, and that their sessions go on.
func mustBeAsBefore(t *testing.T, people []load.Person) {
	t.Helper()

	base := loginURL(t)

	for _, person := range people {
		eventually(t, "the session of "+person.Username, 10*time.Second, func() error { return load.Check(httpClient, base, person) })
		must(t, load.Login(httpClient, base, person))
	}
}
