package chart_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

// everything are values that turn every option on.
var everything = []string{
	"image.pullSecrets[0].name=registry",
	"operator.nodeSelector.a=b", "operator.tolerations[0].key=dedicated", "operator.tolerations[0].operator=Exists",
	"operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
	"operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=a",
	"operator.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=Exists",
	"operator.priorityClassName=system-cluster-critical", "operator.podAnnotations.a=b", "operator.podLabels.a=b",
	"operator.extraArgs={--debug}",
	"directory.enabled=true", "directory.extraArgs={--debug}", "directory.podLabels.a=b",
	"login.trustedProxies={10.0.0.0/8,fd00::/8}", "login.showOrganization=true", "login.productName=Example", "login.contact=Call 4711.",
	"login.consoleHosts={login.example.org,admin.example.org}", "login.defaultNamespace=team", "login.resources.limits.cpu=4", "login.extraArgs={--log-format=text}",
	"ingress.enabled=true", "ingress.className=nginx", "ingress.host=login.example.org", "ingress.tls.secretName=login-tls",
	"ingress.annotations.a=b",
	"httpRoute.enabled=true", "httpRoute.hostnames={login.example.org}", "httpRoute.parentRefs[0].name=public",
	"httpRoute.parentRefs[0].namespace=gateways", "httpRoute.parentRefs[0].sectionName=https", "httpRoute.annotations.a=b",
	"certificates.issuer=CertManager", "certificates.issuerRef.name=ca",
	"monitoring.enabled=true", "monitoring.labels.release=monitoring",
}

// TestEverythingIsTaken: the API server takes what the chart makes of all options together. Of kinds that it does not know, the fields of
// the Prometheus operator's are compared with their types; those of the others are only named here, so that none goes unseen.
func TestEverythingIsTaken(t *testing.T) {
	writer, err := client.New(plane.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}

	objects, unknown := template(t, set(everything...)...), map[string]bool{}

	system := &unstructured.Unstructured{}
	system.SetAPIVersion("v1")
	system.SetKind("Namespace")
	system.SetName(systemNamespace)

	// Without these, the dry run of what is in them fails.
	named := byIdentity(t, objects)
	namespaces := []*unstructured.Unstructured{system, named["Namespace /keyturn-credentials"].DeepCopy(), named["Namespace /keyturn-providers"].DeepCopy()}
	if err := controlplane.Apply(t.Context(), plane.Config(), namespaces...); err != nil {
		t.Fatal(err)
	}

	for _, object := range objects {
		err := writer.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner("helm"),
			client.ForceOwnership, client.DryRunAll)

		switch {
		case meta.IsNoMatchError(err):
			unknown[object.GetKind()] = true
			convert(t, object)
		case err != nil:
			t.Errorf("%s: %v", identity(object), err)
		}
	}

	if got, want := strings.Join(slices.Sorted(maps.Keys(unknown)), " "), "Certificate HTTPRoute PrometheusRule ServiceMonitor"; got != want {
		t.Errorf("the API server does not know %s, want %s", got, want)
	}
}

// convert fails if one of the Prometheus operator's kinds has a field that its type has not.
func convert(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()

	var typed any

	switch object.GetKind() {
	case monitoringv1.ServiceMonitorsKind:
		typed = &monitoringv1.ServiceMonitor{}
	case monitoringv1.PrometheusRuleKind:
		typed = &monitoringv1.PrometheusRule{}
	default:
		return
	}

	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true); err != nil {
		t.Errorf("%s: %v", identity(object), err)
	}
}
