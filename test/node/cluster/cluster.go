//go:build node

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// NodeName is the name of the node.
const NodeName = "keyturn-node"

// SandboxImage is what Pods' namespaces are held by. It has to be among the images.
const SandboxImage = "localhost/pause:1"

// readyTimeout is how long one part may take until it is ready: seconds on an idle machine.
const readyTimeout = 2 * time.Minute

// Options say what to run.
type Options struct {
	// Dir keeps all state and the logs.
	Dir string
	// ControlGroup is below the root of every hierarchy, and exists. The containers' are made below it.
	ControlGroup string
	// NetworkPlugins is the folder with the programs of the container network.
	NetworkPlugins string
	// Images are archives of images, by their paths.
	Images []string
	// Progress is called for each part that has become ready.
	Progress func(part string, took time.Duration)
}

// Cluster is a running cluster.
type Cluster struct {
	*controlplane.ControlPlane

	options Options
	clients *kubernetes.Clientset
}

// Start starts a cluster and returns when its node is ready. It is for the inside of package isolation, and ends with it.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	c := &Cluster{options: options}

	for _, name := range []string{"logs", "etc", "containerd", "kubelet"} {
		if err := os.MkdirAll(filepath.Join(options.Dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("making the folders of the node: %w", err)
		}
	}

	if err := makeNetwork(ctx); err != nil {
		return nil, err
	}

	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error { return c.startContainerd(starting) })
	group.Go(func() error { return c.startControlPlane(starting) })

	if err := group.Wait(); err != nil {
		return nil, err
	}

	for _, start := range []func(context.Context) error{c.startScheduler, c.startKubelet, c.startProxy, c.awaitNode} {
		if err := start(ctx); err != nil {
			return nil, err
		}
	}

	return c, nil
}

func (c *Cluster) startControlPlane(ctx context.Context) (err error) {
	c.ControlPlane, err = controlplane.Start(ctx, controlplane.Options{
		Dir: c.options.Dir, NodeAddress: net.ParseIP(nodeAddress), ControllerManager: true, Progress: c.options.Progress,
	})
	if err != nil {
		return err
	}

	c.clients, err = kubernetes.NewForConfig(c.Config())

	return err
}

// launch starts a program of the node and waits until the probe answers nil.
func (c *Cluster) launch(ctx context.Context, name, path string, probe func(context.Context) error, args ...string) error {
	began := time.Now()

	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	p, err := process.Start(process.Command{
		Name: name, Path: path, Args: args, LogFile: filepath.Join(c.options.Dir, "logs", name+".log"),
		// Nothing of the caller's.
		Env: []string{"PATH=" + programFolders, "HOME=" + c.options.Dir, "TMPDIR=" + os.TempDir()},
	})
	if err != nil {
		return err
	}

	if err := p.WaitReady(ctx, probe); err != nil {
		return err
	}

	c.options.Progress(name, time.Since(began))

	return nil
}

// programFolders are where Debian installs programs, and where people do.
const programFolders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (c *Cluster) startScheduler(ctx context.Context) error {
	return c.startKubernetes(ctx, binaries.Scheduler, "system:kube-scheduler", nil, listens("127.0.0.1:10259"),
		func(kubeconfig string) ([]string, error) {
			return []string{
				"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1",
			}, nil
		})
}

// listens returns a probe that finds something listening there.
func listens(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}

		return connection.Close()
	}
}

// awaitNode waits until Pods can be scheduled.
func (c *Cluster) awaitNode(ctx context.Context) error {
	began := time.Now()

	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()

	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()

	for {
		err := c.nodeReady(ctx)
		if err == nil {
			c.options.Progress("the node", time.Since(began))

			return nil
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("the node is not ready, see the logs in %s: %w", filepath.Join(c.options.Dir, "logs"), err)
		case <-ticker.C:
		}
	}
}

var errNotReady = errors.New("not ready")

func (c *Cluster) nodeReady(ctx context.Context) error {
	node, err := c.clients.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}

	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}

		if condition.Status != corev1.ConditionTrue {
			return fmt.Errorf("%w: %s", errNotReady, condition.Message)
		}

		return nil
	}

	return errNotReady
}
