package uninstall_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
	"github.com/keyturn/keyturn/test/internal/helm"
	"github.com/keyturn/keyturn/test/internal/installation"
)

// root is the repository, from where the commands of its documentation are run.
const root = "../.."

var (
	plane *controlplane.ControlPlane
	// kube has the rights of a cluster administrator.
	kube client.Client
	// dir holds the servers' binaries, logs and kubeconfigs, and a folder bin with kubectl and helm.
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

// prepare builds the servers, and makes what the commands need. It installs nothing.
func prepare(ctx context.Context, c *controlplane.ControlPlane) error {
	plane = c

	if err := installation.Build(ctx, root, dir); err != nil {
		return err
	}

	kubectl, err := binaries.Find(binaries.Kubectl)
	if err != nil {
		return err
	}

	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		return err
	}

	helmPath, err := helm.Build(ctx, root)
	if err != nil {
		return err
	}

	for name, path := range map[string]string{"kubectl": kubectl, "helm": helmPath} {
		if err := os.Symlink(path, filepath.Join(dir, "bin", name)); err != nil {
			return err
		}
	}

	if kube, err = installation.NewClient(plane.Config()); err != nil {
		return err
	}

	return controlplane.WriteKubeconfig(filepath.Join(dir, "kubeconfig"), plane.Config())
}
