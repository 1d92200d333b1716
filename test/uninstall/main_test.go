package uninstall_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// root is the repository, from where the commands of its documentation are run.
const root = "../.."

var (
	plane *controlplane.ControlPlane
	// kube has the rights of a cluster administrator.
	kube client.Client
	// dir holds the servers' binaries, logs and kubeconfigs, and a folder bin with kubectl.
	dir string
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // the clients' own, which have nothing to say

	var err error
	if dir, err = os.MkdirTemp("", "keyturn-uninstall-"); err != nil {
		panic(err)
	}

	code := controlplane.Main(m, controlplane.Options{ControllerManager: true}, prepare)

	if code == 0 {
		_ = os.RemoveAll(dir) // nobody needs the logs
	} else {
		fmt.Fprintln(os.Stderr, "The logs of the servers are in", dir)
	}

	os.Exit(code)
}

// prepare builds the servers and makes what the commands need. It installs nothing.
func prepare(ctx context.Context, c *controlplane.ControlPlane) error {
	plane = c

	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	build.Dir = root

	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the servers: %w\n%s", err, output)
	}

	kubectl, err := binaries.Find(binaries.Kubectl)
	if err != nil {
		return err
	}

	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		return err
	}

	if err := os.Symlink(kubectl, filepath.Join(dir, "bin", "kubectl")); err != nil {
		return err
	}

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}

	config := plane.Config()
	config.WarningHandlerWithContext = rest.NoWarnings{}

	if kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}

	return controlplane.WriteKubeconfig(filepath.Join(dir, "kubeconfig"), plane.Config())
}
