package chart_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	managedByLabel = "app.kubernetes.io/managed-by"
	chartLabel     = "helm.sh/chart"
	keepAnnotation = "helm.sh/resource-policy"
)

// TestDefaultsAreTheManifests: who installs the chart without values gets what config/default has, object for object.
func TestDefaultsAreTheManifests(t *testing.T) {
	compare(t, build(t, "config/default"), template(t))
}

// TestMonitoringIsTheManifests: the same for config/prometheus.
func TestMonitoringIsTheManifests(t *testing.T) {
	compare(t, slices.Concat(build(t, "config/default"), build(t, "config/prometheus")), template(t, set("monitoring.enabled=true")...))
}

// TestDirectoryIsTheManifests: the same for config/directory.
func TestDirectoryIsTheManifests(t *testing.T) {
	compare(t, slices.Concat(build(t, "config/default"), build(t, "config/directory")), template(t, set("directory.enabled=true")...))
}

// TestKept: a release that is uninstalled leaves config/data and config/guard, and nothing else.
func TestKept(t *testing.T) {
	want := map[string]bool{}
	for _, object := range slices.Concat(build(t, "config/data"), build(t, "config/guard")) {
		want[identity(object)] = true
	}

	delete(want, "Namespace /"+systemNamespace) // is none of the chart's

	got := map[string]bool{}

	for _, object := range template(t) {
		if object.GetAnnotations()[keepAnnotation] == "keep" {
			got[identity(object)] = true
		}
	}

	if !maps.Equal(want, got) {
		t.Errorf("kept are\n%v\nwant\n%v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func build(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()

	objects, err := controlplane.Kustomize(t.Context(), root+"/"+folder)
	if err != nil {
		t.Fatal(err)
	}

	return objects
}

// compare takes away, on both sides, what the chart does otherwise than the manifests, and fails if anything else differs. These are all
// the exceptions:
//   - the namespace of the release: Helm makes it (--create-namespace), and refuses to take over a namespace that it has made itself;
//   - the label managed-by: Helm takes over only what is labelled as its own;
//   - the label helm.sh/chart: by convention, objects of a chart say which version of it they are of;
//   - the annotation helm.sh/resource-policy: it does for Helm what the annotations of config/data do for Flux and Argo CD.
func compare(t *testing.T, manifests, rendered []*unstructured.Unstructured) {
	t.Helper()

	want, got := byIdentity(t, manifests), byIdentity(t, rendered)

	release := "Namespace /" + systemNamespace
	if want[release] == nil || got[release] != nil {
		t.Errorf("%s: in the manifests %t, in the chart %t; want it in the manifests alone", release, want[release] != nil, got[release] != nil)
	}

	delete(want, release)

	for name, object := range want {
		takeLabel(t, object, managedByLabel, "kustomize")

		if got[name] == nil {
			t.Errorf("the chart has no %s", name)
		}
	}

	for name, object := range got {
		takeLabel(t, object, managedByLabel, "Helm")
		takeLabel(t, object, chartLabel, "keyturn-0.1.0")
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations", keepAnnotation)

		switch other := want[name]; {
		case other == nil:
			t.Errorf("the manifests have no %s", name)
		case !cmp.Equal(other.Object, object.Object):
			t.Errorf("%s: the chart differs from the manifests (-):\n%s", name, cmp.Diff(other.Object, object.Object))
		}
	}
}

// takeLabel takes away a label, which must have the value.
func takeLabel(t *testing.T, object *unstructured.Unstructured, label, want string) {
	t.Helper()

	if value := object.GetLabels()[label]; value != want {
		t.Errorf("%s is labelled %s=%q, want %q", identity(object), label, value, want)
	}

	unstructured.RemoveNestedField(object.Object, "metadata", "labels", label)
}

func text(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()

	content, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}
