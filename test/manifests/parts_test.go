package manifests_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	dataFolder    = "../../config/data"
	guardFolder   = "../../config/guard"
	serversFolder = "../../config/servers"
)

// TestPartsOfTheInstallation: deleting config/servers must delete no data, and the parts together are config/default.
func TestPartsOfTheInstallation(t *testing.T) {
	kept, servers := slices.Concat(build(t, dataFolder), build(t, guardFolder)), build(t, serversFolder)

	for _, object := range servers {
		switch object.GetKind() {
		case "Namespace", "CustomResourceDefinition", "Secret", "ConfigMap", "PersistentVolumeClaim":
			t.Errorf("config/servers has the %s %s", object.GetKind(), object.GetName())
		}
	}

	// Flux and Argo CD must not prune what holds data, nor its guard.
	for _, object := range kept {
		annotations := object.GetAnnotations()
		if annotations["kustomize.toolkit.fluxcd.io/prune"] != "disabled" ||
			annotations["argocd.argoproj.io/sync-options"] != "Prune=false,Delete=false" {
			t.Errorf("%s %s can be pruned: %v", object.GetKind(), object.GetName(), annotations)
		}
	}

	parts, whole := identities(slices.Concat(kept, servers)), identities(build(t, installation))
	if !slices.Equal(parts, whole) {
		t.Errorf("the parts have\n%v\nconfig/default has\n%v", parts, whole)
	}
}

func identities(objects []*unstructured.Unstructured) []string {
	all := make([]string, len(objects))
	for i, object := range objects {
		all[i] = object.GroupVersionKind().String() + " " + object.GetNamespace() + "/" + object.GetName()
	}

	slices.Sort(all)

	return all
}
