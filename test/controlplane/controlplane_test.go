package controlplane_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

var shared *controlplane.ControlPlane

func TestMain(m *testing.M) {
	// With a webhook that nobody runs: nothing here may need it.
	os.Exit(controlplane.Main(m, controlplane.Options{TokenReview: true},
		func(ctx context.Context, c *controlplane.ControlPlane) error {
			shared = c

			return c.ApplyKustomization(ctx, "testdata")
		}))
}

func clients(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()

	made, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}

	return made
}

func TestKustomizationIsServed(t *testing.T) {
	c, err := client.New(shared.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	samples := &unstructured.UnstructuredList{}
	samples.SetAPIVersion("test.keyturn.dev/v1")
	samples.SetKind("SampleList")

	if err := c.List(t.Context(), samples); err != nil {
		t.Fatal(err)
	}

	if len(samples.Items) != 1 || samples.Items[0].GetName() != "first" {
		t.Errorf("samples = %v, want the one called first", samples.Items)
	}

	if err := shared.ApplyKustomization(t.Context(), "testdata"); err != nil {
		t.Errorf("applying once more: %v", err)
	}
}

func TestKustomizeReportsWhatIsWrong(t *testing.T) {
	_, err := controlplane.Kustomize(t.Context(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "kustomization.yaml") {
		t.Errorf("Kustomize() = %v, want the message of kubectl", err)
	}
}

func TestTokenFor(t *testing.T) {
	config, err := shared.TokenFor(t.Context(), "sample", "reader")
	if err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlplane.WriteKubeconfig(path, config); err != nil {
		t.Fatal(err)
	}

	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig has mode %v, %v; want 0600", info.Mode(), err)
	}

	fromFile, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}

	for name, config := range map[string]*rest.Config{"config": config, "kubeconfig": fromFile} {
		t.Run(name, func(t *testing.T) {
			configMaps := clients(t, config).CoreV1().ConfigMaps("sample")
			if _, err := configMaps.List(t.Context(), metav1.ListOptions{}); err != nil {
				t.Errorf("what the role allows: %v", err)
			}

			err := configMaps.Delete(t.Context(), "any", metav1.DeleteOptions{})
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:sample:reader") {
				t.Errorf("what the role does not allow: %v, want forbidden to the ServiceAccount", err)
			}
		})
	}
}

// TestTokenReviewWithoutAWebhook: what only the webhook could know is refused, and nobody waits for it.
func TestTokenReviewWithoutAWebhook(t *testing.T) {
	config := rest.AnonymousClientConfig(shared.Config())
	config.BearerToken = "unknown"

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	if _, err := clients(t, config).CoreV1().ConfigMaps("sample").List(ctx, metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("an unknown token: %v, want unauthorized", err)
	}

	webhook := shared.TokenReview()
	if _, err := tls.LoadX509KeyPair(webhook.CertFile, webhook.KeyFile); err != nil {
		t.Error(err)
	}

	listener, err := net.Listen("tcp", webhook.Address)
	if err != nil {
		t.Errorf("the webhook's address is not free: %v", err)
	} else if err := listener.Close(); err != nil {
		t.Error(err)
	}
}

func TestTokenForUnknownAccount(t *testing.T) {
	_, err := shared.TokenFor(t.Context(), "sample", "nobody")
	if !apierrors.IsNotFound(err) {
		t.Errorf("TokenFor() = %v, want not found", err)
	}
}

func TestAPIServerGoesAwayAndReturns(t *testing.T) {
	configMaps := clients(t, shared.Config()).CoreV1().ConfigMaps("sample")

	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "kept-"}}

	kept, err := configMaps.Create(t.Context(), kept, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}

	token, err := shared.TokenFor(t.Context(), "sample", "reader")
	if err != nil {
		t.Fatal(err)
	}

	before := shared.Ports()
	shared.StopAPIServer()

	if _, err := configMaps.Get(t.Context(), kept.Name, metav1.GetOptions{}); err == nil {
		t.Error("the API server still answers")
	}

	if err := shared.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}

	if after := shared.Ports(); after != before {
		t.Errorf("ports = %v, were %v", after, before)
	}

	again, err := configMaps.Get(t.Context(), kept.Name, metav1.GetOptions{})
	if err != nil || again.UID != kept.UID {
		t.Errorf("the object after the restart: %v, %v", again, err)
	}

	if _, err := clients(t, token).CoreV1().ConfigMaps("sample").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the token after the restart: %v", err)
	}
}

// TestKeptState starts twice on one folder, as the local cluster does, with the remembered port of the API server taken
// in between and the first run killed instead of stopped.
func TestKeptState(t *testing.T) {
	options := controlplane.Options{Dir: t.TempDir(), Durable: true, ControllerManager: true, TokenReview: true}

	first := start(t, options)

	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	if _, err := clients(t, first.Config()).CoreV1().Namespaces().
		Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	for _, p := range first.Processes() {
		p.Kill()
	}

	blocker, err := net.Listen("tcp", controlplane.Address(first.Ports().APIServer))
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close()

	options.Ports = first.Ports()
	second := start(t, options)

	if got := second.Ports(); got.APIServer == options.Ports.APIServer || got.Etcd != options.Ports.Etcd || got.TokenReview != options.Ports.TokenReview {
		t.Errorf("ports = %v after %v, want only the taken one to change", got, options.Ports)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	// The namespace is the one from before, and the controller manager gives it its ServiceAccount.
	watch, err := clients(t, second.Config()).CoreV1().ServiceAccounts("kept").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	if _, open := <-watch.ResultChan(); !open {
		t.Error("no default ServiceAccount appeared in the namespace")
	}
}

func start(t *testing.T, options controlplane.Options) *controlplane.ControlPlane {
	t.Helper()

	c, err := controlplane.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})

	return c
}

func TestStartWithoutBinaries(t *testing.T) {
	t.Setenv(binaries.AssetsVariable, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())

	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)

	_, err := controlplane.Start(t.Context(), controlplane.Options{})
	if !errors.Is(err, binaries.ErrNotBuilt) || !strings.Contains(err.Error(), "make control-plane") {
		t.Errorf("Start() = %v, want ErrNotBuilt and what to do", err)
	}

	if left, err := fs.Glob(os.DirFS(temporary), "*"); err != nil || len(left) > 0 {
		t.Errorf("left behind in the temporary folder: %v, %v", left, err)
	}
}

func TestStartReportsWhyAServerEnded(t *testing.T) {
	_, err := controlplane.Start(t.Context(), controlplane.Options{APIServerArgs: []string{"--no-such-argument"}})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --no-such-argument") {
		t.Errorf("Start() = %v, want the reason from the log", err)
	}
}
