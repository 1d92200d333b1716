package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/test/controlplane"
)

var shared *controlplane.ControlPlane

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == worker.Argument {
		if err := worker.Main(); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) error {
		shared = c
		definitions, err := filepath.Glob("../../config/crd/bases/*.yaml")
		if err != nil {
			return err
		}
		for _, file := range definitions {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(text, &object.Object); err != nil {
				return err
			}
			if err := controlplane.Apply(ctx, c.Config(), object); err != nil {
				return err
			}
		}
		return nil
	}))
}

func get(url string) (int, string) {
	response, err := http.Get(url) //nolint:noctx // The address is this test's own server.
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}

// TestLifecycle: not ready without keys, ready with them, drained when asked to stop.
func TestLifecycle(t *testing.T) {
	g := gomega.NewWithT(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(controlplane.WriteKubeconfig(kubeconfig, shared.Config())).To(gomega.Succeed())
	t.Setenv("KUBECONFIG", kubeconfig)
	people, err := controlplane.FreePort(0)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	health, err := controlplane.FreePort(0)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	o := &options{
		bindAddress: controlplane.Address(people), healthBindAddress: controlplane.Address(health),
		defaultNamespace: "default", systemNamespace: "keyturn-system", credentialNamespace: "keyturn-credentials", providerNamespace: "keyturn-providers",
		hashes: 1, hashQueue: 1, hashWorker: os.Args[0], maxStaleness: time.Minute, logFormat: "text",
		auditLog: filepath.Join(t.TempDir(), "audit.log"),
	}
	stop, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(stop, o) }()
	expect := func(path string, status int, text string) {
		t.Helper()
		g.Eventually(func(g gomega.Gomega) {
			gotStatus, gotText := get("http://" + path)
			g.Expect(gotStatus).To(gomega.Equal(status), gotText)
			g.Expect(gotText).To(gomega.ContainSubstring(text))
		}, 20*time.Second, 20*time.Millisecond).Should(gomega.Succeed())
	}

	expect(o.healthBindAddress+"/readyz", http.StatusServiceUnavailable, "waiting for a signing key")
	expect(o.healthBindAddress+"/healthz", http.StatusOK, "ok")
	response, err := http.Post("http://"+o.bindAddress+"/api/v1/login", "application/json", strings.NewReader(`{"username":"a","password":"b"}`)) //nolint:noctx // As above.
	g.Expect(err).NotTo(gomega.HaveOccurred())
	_ = response.Body.Close()
	g.Expect(response.StatusCode).To(gomega.Equal(http.StatusServiceUnavailable))
	g.Expect(response.Header.Get("Retry-After")).NotTo(gomega.BeEmpty())

	makeKeys(t, o.systemNamespace)
	expect(o.healthBindAddress+"/readyz", http.StatusServiceUnavailable, "waiting for the decoys")
	makeDecoys(t, o.credentialNamespace)
	expect(o.healthBindAddress+"/readyz", http.StatusOK, "ok")
	expect(o.bindAddress+"/api/v1/requirements", http.StatusOK, "minLength")
	expect(o.healthBindAddress+"/metrics", http.StatusOK, `keyturn_login_attempts_total{door="login",outcome="unavailable"} 1`)
	expect(o.healthBindAddress+"/metrics", http.StatusOK, "go_goroutines")
	expect(o.bindAddress+"/metrics", http.StatusNotFound, "not-found")
	expectTickets(t, o.bindAddress)

	cancel()
	expect(o.healthBindAddress+"/readyz", http.StatusServiceUnavailable, "stopping")
	response, err = http.Get("http://" + o.bindAddress + "/api/v1/requirements") //nolint:noctx // As above. It still answers for a moment.
	g.Expect(err).NotTo(gomega.HaveOccurred())
	_ = response.Body.Close()
	g.Expect(response.StatusCode).To(gomega.Equal(http.StatusOK))
	g.Expect(response.Close).To(gomega.BeTrue(), "the connection is closed after the answer")
	g.Eventually(ended, 20*time.Second).Should(gomega.Receive(gomega.BeNil()))
	status, _ := get("http://" + o.bindAddress + "/api/v1/requirements")
	g.Expect(status).To(gomega.BeZero())
}

// expectTickets checks that headers as large as those with a ticket are taken from when people of a provider can log in by one, and only where they do.
func expectTickets(t *testing.T, address string) {
	t.Helper()
	g := gomega.NewWithT(t)
	status := func(path string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		r.Header.Set("Authorization", "Negotiate "+strings.Repeat("t", 60<<10))
		response, err := http.DefaultClient.Do(r)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		_ = response.Body.Close()
		return response.StatusCode
	}
	const negotiate = "/o/default/login/negotiate"
	g.Expect(status(negotiate)).To(gomega.Equal(http.StatusRequestHeaderFieldsTooLarge))
	c, err := client.New(shared.Config(), client.Options{Scheme: scheme(t)})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(c.Create(t.Context(), &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "corp"}, Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderLDAP, DisplayName: "Corp", LDAP: v1alpha1.LDAPSettings{
			Servers: []string{"ldap.example.org:636"}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: "corp"},
			Users: v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=example,dc=org"},
			Kerberos: &v1alpha1.KerberosSettings{
				KeytabSecretRef: v1alpha1.ProviderSecretReference{Name: "corp-keytab"}, Realm: "EXAMPLE.ORG", ServicePrincipal: "HTTP/login.example.org",
			},
		},
	}})).To(gomega.Succeed())
	g.Eventually(func() int { return status(negotiate) }, 20*time.Second, 20*time.Millisecond).Should(gomega.Equal(http.StatusForbidden))
	g.Expect(status("/login")).To(gomega.Equal(http.StatusRequestHeaderFieldsTooLarge))
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func makeKeys(t *testing.T, namespace string) {
	t.Helper()
	c, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ring, _, _, err := (&token.Ring{}).Rotate(time.Now(), 24*time.Hour, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: token.SecretName}, Data: ring.Encode()},
	} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// makeDecoys makes the decoys, as the operator does.
func makeDecoys(t *testing.T, namespace string) {
	t.Helper()
	c, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	store := &credential.Store{Reader: c, Writer: c, Namespace: namespace}
	for i := range credential.Decoys {
		if err := store.CreateDecoy(t.Context(), credential.DecoyName(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, shared.Config()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	taken := fmt.Sprintf("127.0.0.1:%d", shared.Ports().APIServer)
	err := run(t.Context(), &options{bindAddress: taken, healthBindAddress: "127.0.0.1:0", hashWorker: os.Args[0]})
	if err == nil || !strings.Contains(err.Error(), "people's port") {
		t.Errorf("answered %v, want which port", err)
	}
}
