package chart_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/internal/helm"
)

const (
	root            = "../.."
	chart           = root + "/charts/keyturn"
	systemNamespace = "keyturn-system"
)

var (
	plane *controlplane.ControlPlane
	// program is the path of Helm.
	program string
)

func TestMain(m *testing.M) {
	os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) (err error) {
		plane = c
		program, err = helm.Build(ctx, root)

		return err
	}))
}

// run runs Helm and returns what it prints: the standard output if it succeeds, all if not.
func run(t *testing.T, arguments ...string) (output string, err error) {
	t.Helper()

	var stdout, stderr bytes.Buffer

	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	// Nothing of the person's who runs the tests: repositories, plugins, a cluster.
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + home + "/none"}

	if err := command.Run(); err != nil {
		return stdout.String() + stderr.String(), fmt.Errorf("helm %s: %w", strings.Join(arguments, " "), err)
	}

	return stdout.String(), nil
}

// template renders the chart for the namespace that it is made for.
func template(t *testing.T, arguments ...string) []*unstructured.Unstructured {
	t.Helper()

	rendered, err := run(t, append([]string{"template", "keyturn", chart, "--namespace", systemNamespace}, arguments...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, rendered)
	}

	objects, err := controlplane.Decode(strings.NewReader(rendered))
	if err != nil {
		t.Fatal(err)
	}

	return objects
}

// set are the arguments that set values, written as --set takes them.
func set(values ...string) []string {
	arguments := make([]string, 0, 2*len(values))
	for _, value := range values {
		arguments = append(arguments, "--set", value)
	}

	return arguments
}

// identity is what an object is called: kind, namespace and name.
func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

// byIdentity fails if two objects are the same one.
func byIdentity(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()

	all := make(map[string]*unstructured.Unstructured, len(objects))

	for _, object := range objects {
		name := identity(object)
		if all[name] != nil {
			t.Errorf("%s is there twice", name)
		}

		all[name] = object
	}

	return all
}
