//go:build node

package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/internal/installation"
	"github.com/keyturn/keyturn/test/node/cluster"
	"github.com/keyturn/keyturn/test/node/isolation"
)

// root is the repository.
const root = "../.."

// What the outer process tells the inner one.
const (
	dirVariable          = "KEYTURN_NODE_DIR"
	controlGroupVariable = "KEYTURN_NODE_CONTROL_GROUP"
)

// What all phases share.
var (
	// dir has everything that is made: images, manifests, the cluster's state and logs.
	dir string
	// node is the cluster.
	node *cluster.Cluster
	// kube has the rights of a cluster administrator.
	kube client.WithWatch
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // the clients' own, which have nothing to say

	if isolation.Inside() {
		os.Exit(inside(m))
	}

	code, err := outside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "The test on a real node:", err)

		code = max(1, code)
	}

	os.Exit(code)
}

// outside builds what the tests need, runs them inside, and cleans up.
func outside() (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("it needs root, since it runs containers: run make node-test as root, for example in a virtual machine")
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	dir, err := os.MkdirTemp("", "keyturn-node-")
	if err != nil {
		return 0, err
	}

	defer func() {
		if code != 0 || err != nil {
			err = errors.Join(err, forgetAllButLogs(dir))
			fmt.Fprintln(os.Stderr, "The logs of the node and of its Pods are in", filepath.Join(dir, "logs"))
		} else {
			err = os.RemoveAll(dir)
		}
	}()

	if err := prepare(ctx, dir); err != nil {
		return 0, err
	}

	stop() // from here on, isolation knows what an interrupt ends

	controlGroup := "keyturn-node-" + strconv.Itoa(os.Getpid())

	return isolation.Run(controlGroup, dirVariable+"="+dir, controlGroupVariable+"="+controlGroup)
}

// forgetAllButLogs removes what nobody needs after a failure.
func forgetAllButLogs(dir string) error {
	entries, err := os.ReadDir(dir)

	for _, entry := range entries {
		if entry.Name() != "logs" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}

	return err
}

// inside starts the cluster and runs the tests.
func inside(m *testing.M) int {
	began := time.Now()
	dir = os.Getenv(dirVariable)

	if err := startCluster(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "Starting the node:", err)

		return 1
	}

	figure("node ready", "%.0f s after the start", time.Since(began).Seconds())

	code := m.Run()

	figure("everything besides building", "%.0f s", time.Since(began).Seconds())
	printFigures(os.Stdout)

	return code
}

func startCluster(ctx context.Context) (err error) {
	if err := isolation.Enter(); err != nil {
		return err
	}

	images, err := filepath.Glob(filepath.Join(dir, "images", "*.tar"))
	if err != nil || len(images) == 0 {
		return fmt.Errorf("found no images: %w", errors.Join(err, fs.ErrNotExist))
	}

	node, err = cluster.Start(ctx, cluster.Options{
		Dir: dir, ControlGroup: os.Getenv(controlGroupVariable), NetworkPlugins: networkPlugins, Images: images,
		Progress: func(part string, took time.Duration) { say("%s is ready (%.1f s)", part, took.Seconds()) },
	})
	if err != nil {
		return err
	}

	if kube, err = installation.NewClient(node.Config()); err != nil {
		return err
	}

	return controlplane.WriteKubeconfig(kubeconfig(), node.Config())
}

func say(format string, values ...any) {
	fmt.Printf("%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, values...)...)
}
