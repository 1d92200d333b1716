// Package installation has what tests of an installed Keyturn share: the programs as they are shipped, a client that knows Keyturn's
// kinds, and the rights of its servers. It starts nothing.
package installation

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// Namespace is where the servers run.
const Namespace = "keyturn-system"

// Build builds all programs of the repository at root into a folder.
func Build(ctx context.Context, root, into string) error {
	command := exec.CommandContext(ctx, "go", "build", "-o", into+string(filepath.Separator), "./cmd/...")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the programs: %w\n%s", err, output)
	}
	return nil
}

// NewClient returns a client for Kubernetes' and Keyturn's kinds. It leaves out the warnings of the API server, which are for people.
func NewClient(config *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = rest.NoWarnings{}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// Kubeconfig writes a kubeconfig with a token of a server's ServiceAccount. The server is "operator", "login" or "directory".
func Kubeconfig(ctx context.Context, plane *controlplane.ControlPlane, server, path string) error {
	config, err := plane.TokenFor(ctx, Namespace, "keyturn-"+server)
	if err != nil {
		return err
	}
	return controlplane.WriteKubeconfig(path, config)
}
