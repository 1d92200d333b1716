package controlplane

import (
	"context"
	"flag"
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
// prepare is called once it runs. What fails before the tests is reported, and is a failure of the package. Where only a fuzz
// target is to run, there is no control plane: each process of the fuzzer would start one of its own, which takes longer than
// the time that a target is fuzzed for, and no target needs it.
func Main(m interface{ Run() int }, options Options, prepare func(context.Context, *ControlPlane) error) int {
	if fuzzesOnly() {
		return m.Run()
	}

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

// fuzzesOnly reports whether this process was started by go test -run='^$' -fuzz=TARGET, or by the fuzzer of such a process.
func fuzzesOnly() bool {
	flag.Parse()

	given := func(name string) string {
		if f := flag.Lookup("test." + name); f != nil {
			return f.Value.String()
		}

		return ""
	}

	return given("fuzz") != "" && given("run") == "^$"
}
