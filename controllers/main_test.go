package controllers_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

// parallelTests is how many tests run at once unless the command line says otherwise. They wait far more than they compute.
const parallelTests = "8"

var (
	cluster *controlplane.ControlPlane
	// admin is the client of the tests themselves, whose requests are neither counted nor intercepted.
	admin client.WithWatch
)

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		panic(err)
	}
	ctrl.SetLogger(logr.Discard()) // Each operator has a logger of its own.
	flag.Parse()                   // The command line goes before the above.

	os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) error {
		if err := c.ApplyKustomization(ctx, "../config/crd"); err != nil {
			return err
		}
		config := c.Config()
		config.QPS = -1
		var err error
		if admin, err = client.NewWithWatch(config, client.Options{Scheme: newScheme()}); err != nil {
			return fmt.Errorf("make client: %w", err)
		}
		cluster = c
		return nil
	}))
}
