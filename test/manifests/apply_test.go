package manifests_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/test/controlplane"
)

func TestInstallationAppliesWithoutWarnings(t *testing.T) {
	for _, warning := range installWarnings {
		t.Error(warning)
	}
}

// TestInstallationHasNoAccounts: nobody can log in before there is an account, and no secret is the same everywhere.
func TestInstallationHasNoAccounts(t *testing.T) {
	for _, object := range installed(t) {
		switch object.GetKind() {
		case "UserAccount", "PasswordPolicy", "IdentityProvider", "Secret":
			t.Errorf("the installation makes the %s %s", object.GetKind(), object.GetName())
		}
	}
}

func TestSamplesApplyWithoutWarnings(t *testing.T) {
	for _, folder := range []string{samples, samples + "/providers"} {
		warnings, err := apply(t.Context(), build(t, folder))
		if err != nil {
			t.Fatal(err)
		}

		for _, warning := range warnings {
			t.Error(warning)
		}
	}
}

// TestWarningsAreSeen keeps the two tests above from passing because nothing listens.
func TestWarningsAreSeen(t *testing.T) {
	for _, object := range installed(t) {
		if object.GetKind() != "Deployment" {
			continue
		}

		object.SetName(object.GetName() + "-careless")
		unstructured.RemoveNestedField(object.Object, "spec", "template", "spec", "securityContext")

		warnings, err := apply(t.Context(), []*unstructured.Unstructured{object})
		if err != nil {
			t.Fatal(err)
		}

		if len(warnings) == 0 {
			t.Error("pods without a security context were let through without a warning")
		}
	}
}

// TestPodsAreAdmitted asks for the pods that the Deployments would make: warnings apart, it is the namespace's pod
// security standard that decides.
func TestPodsAreAdmitted(t *testing.T) {
	clients := clientset(t)

	for _, deployment := range deployments(t) {
		t.Run(deployment.Name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: deployment.Namespace, Name: deployment.Name, Labels: deployment.Spec.Template.Labels,
				},
				Spec: deployment.Spec.Template.Spec,
			}

			created, err := clients.CoreV1().Pods(deployment.Namespace).
				Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				t.Fatal(err)
			}

			if created.Spec.ServiceAccountName != deployment.Name {
				t.Errorf("the pod runs as %s", created.Spec.ServiceAccountName)
			}
		})
	}
}

func TestDeployments(t *testing.T) {
	for _, deployment := range deployments(t) {
		t.Run(deployment.Name, func(t *testing.T) {
			template := deployment.Spec.Template
			container := template.Spec.Containers[0]

			if container.SecurityContext.ReadOnlyRootFilesystem == nil || !*container.SecurityContext.ReadOnlyRootFilesystem {
				t.Error("the root file system can be written")
			}

			if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
				t.Error("no resources")
			}

			// What the processes that hash take at most is not the program's, and not in its own limit.
			hashing := container.Resources.Limits.Cpu().Value() * hash.MaxArgon2idMemoryKiB << 10
			if deployment.Name == "keyturn-directory" { // knows no password
				hashing = 0
			}

			own := resource.MustParse(strings.TrimSuffix(environment(container)["GOMEMLIMIT"], "B"))

			if limit := container.Resources.Limits.Memory().Value(); own.Value()+hashing > limit {
				t.Errorf("the program's %d and the hashes' %d bytes are more than the limit, %d", own.Value(), hashing, limit)
			}

			if container.LivenessProbe.HTTPGet.Path != "/healthz" || container.ReadinessProbe.HTTPGet.Path != "/readyz" {
				t.Error("no probes")
			}

			// A release's image never changes. With another policy a node could not start it without the registry.
			if _, tag, _ := strings.Cut(container.Image, ":"); !strings.HasPrefix(tag, "v") || container.ImagePullPolicy != corev1.PullIfNotPresent {
				t.Errorf("the image %s is pulled %s", container.Image, container.ImagePullPolicy)
			}

			selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
			if err != nil || !selector.Matches(labels.Set(template.Labels)) {
				t.Errorf("the selector does not match the pods: %v", err)
			}
		})
	}
}

// TestSelectorsFindOnePodTemplate holds Services, budgets and network policies to the pods they mean.
func TestSelectorsFindOnePodTemplate(t *testing.T) {
	find := func(owner string, selector labels.Selector, ports ...string) {
		var found []appsv1.Deployment

		for _, deployment := range deployments(t) {
			if selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
				found = append(found, deployment)
			}
		}

		if len(found) != 1 {
			t.Errorf("%s selects the pods of %d Deployments, want 1", owner, len(found))

			return
		}

		for _, port := range ports {
			if !hasPort(found[0], port) {
				t.Errorf("%s: the pods of %s have no port %s", owner, found[0].Name, port)
			}
		}
	}

	services, budgets, policies := 0, 0, 0

	for _, object := range installed(t) {
		switch object.GetKind() {
		case "Service":
			service := convert[corev1.Service](t, object)
			services++

			for _, port := range service.Spec.Ports {
				find("Service "+service.Name, labels.SelectorFromSet(service.Spec.Selector), port.TargetPort.String())
			}
		case "PodDisruptionBudget":
			budget := convert[policyv1.PodDisruptionBudget](t, object)
			budgets++

			selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
			if err != nil {
				t.Fatal(err)
			}

			find("PodDisruptionBudget "+budget.Name, selector)
		case "NetworkPolicy":
			policy := convert[networkingv1.NetworkPolicy](t, object)
			if len(policy.Spec.PodSelector.MatchLabels) == 0 { // closes the namespace
				continue
			}

			policies++

			var ports []string

			for _, rule := range policy.Spec.Ingress {
				for _, port := range rule.Ports {
					ports = append(ports, port.Port.String())
				}
			}

			find("NetworkPolicy "+policy.Name, labels.SelectorFromSet(policy.Spec.PodSelector.MatchLabels), ports...)
		}
	}

	if services != 4 || budgets != 1 || policies != 3 {
		t.Errorf("found %d Services, %d budgets and %d network policies of one server, want 4, 1 and 3", services, budgets, policies)
	}
}

func hasPort(deployment appsv1.Deployment, name string) bool {
	for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
		if port.Name == name {
			return true
		}
	}

	return false
}

func environment(container corev1.Container) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}

	return values
}

func deployments(t *testing.T) []appsv1.Deployment {
	t.Helper()

	var all []appsv1.Deployment

	for _, object := range installed(t) {
		if object.GetKind() == "Deployment" {
			all = append(all, convert[appsv1.Deployment](t, object))
		}
	}

	if len(all) != 3 {
		t.Fatalf("found %d Deployments, want 3", len(all))
	}

	return all
}

// installed are config/default and the server beside it.
func installed(t *testing.T) []*unstructured.Unstructured {
	t.Helper()

	return slices.Concat(build(t, installation), build(t, directory))
}

var built = map[string][]*unstructured.Unstructured{}

// build builds a folder, once. Callers get copies.
func build(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()

	if built[folder] == nil {
		objects, err := controlplane.Kustomize(context.WithoutCancel(t.Context()), folder)
		if err != nil {
			t.Fatal(err)
		}

		built[folder] = objects
	}

	all := make([]*unstructured.Unstructured, len(built[folder]))
	for i, object := range built[folder] {
		all[i] = object.DeepCopy()
	}

	return all
}

// convert refuses fields that the type does not have.
func convert[T any](t *testing.T, object *unstructured.Unstructured) (typed T) {
	t.Helper()

	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &typed, true)
	if err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}

	return typed
}

func clientset(t *testing.T) *kubernetes.Clientset {
	t.Helper()

	return newClientset(t, cluster.Config())
}

func newClientset(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}

	return clients
}
