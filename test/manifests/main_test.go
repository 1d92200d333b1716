package manifests_test

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	installation = "../../config/default"
	// directory is the server that is installed beside it.
	directory = "../../config/directory"
	samples   = "../../config/samples"
)

var (
	cluster *controlplane.ControlPlane
	// installWarnings are what the API server warned of while config/default and config/directory were applied.
	installWarnings []string
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) error {
		cluster = c

		for _, folder := range []string{installation, directory} {
			objects, err := controlplane.Kustomize(ctx, folder)
			if err != nil {
				return err
			}

			warnings, err := apply(ctx, objects)
			if err != nil {
				return err
			}

			installWarnings = append(installWarnings, warnings...)
		}

		return nil
	}))
}

// apply applies objects and returns the warnings.
func apply(ctx context.Context, objects []*unstructured.Unstructured) ([]string, error) {
	warnings := &collector{}
	config := cluster.Config()
	config.WarningHandler = warnings

	err := controlplane.Apply(ctx, config, objects...)

	return slices.Clone(warnings.all), err
}

type collector struct {
	mu  sync.Mutex
	all []string
}

var _ rest.WarningHandler = (*collector)(nil)

func (c *collector) HandleWarningHeader(_ int, _, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.all = append(c.all, text)
}
