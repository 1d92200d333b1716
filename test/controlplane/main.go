package controlplane

import (
	"context"
	"fmt"
	"os"
)

// Main runs the tests of a package with one control plane for all of them, and returns the exit code:
//
//	var cluster *controlplane.ControlPlane
//
//	func TestMain(m *testing.M) {
//		os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) error {
//			cluster = c
//
//			return c.ApplyKustomization(ctx, "../../config/default")
//		}))
//	}
//
// prepare is called once it runs. What fails before the tests is told, and is a failure of the package.
func Main(m interface{ Run() int }, options Options, prepare func(context.Context, *ControlPlane) error) int {
	ctx := context.Background()

	cluster, err := Start(ctx, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	code := 1
	if err := prepare(ctx, cluster); err != nil {
		fmt.Fprintln(os.Stderr, "preparing the control plane:", err)
	} else {
		code = m.Run()
	}

	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	return code
}
