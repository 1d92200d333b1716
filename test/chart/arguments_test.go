package chart_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keyturn/keyturn/test/internal/installation"
)

// TestServersKnowTheirArguments: each argument that the chart gives a server is a flag of it. The request for help, which is the last one,
// ends the server before it does anything; an unknown flag before that is an error.
func TestServersKnowTheirArguments(t *testing.T) {
	folder := t.TempDir()
	if err := installation.Build(t.Context(), root, folder); err != nil {
		t.Fatal(err)
	}

	for options, values := range map[string][]string{"defaults": {"directory.enabled=true"}, "everything": everything} {
		objects := byIdentity(t, template(t, set(values...)...))

		for server, name := range map[string]string{"operator": operator, "login": login, "directory": directory} {
			deployment := &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(objects[name].Object, deployment, true); err != nil {
				t.Fatal(err)
			}

			arguments := deployment.Spec.Template.Spec.Containers[0].Args
			if output, err := exec.CommandContext(t.Context(), filepath.Join(folder, server), append(arguments, "--help")...).
				CombinedOutput(); err != nil {
				t.Errorf("%s: %s %v: %v\n%s", options, server, arguments, err, output)
			}
		}
	}
}
