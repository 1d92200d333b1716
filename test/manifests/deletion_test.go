package manifests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// admissionPatience is how long the API server may take to enforce an admission policy that was applied: about a second.
const admissionPatience = time.Minute

var (
	policies   = v1alpha1.SchemeGroupVersion.WithResource("passwordpolicies")
	providing  = v1alpha1.SchemeGroupVersion.WithResource("identityproviders")
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	kinds      = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// allow is the patch that lets an object be deleted; forbid takes that back.
var (
	allow  = fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationDeletion, v1alpha1.DeletionAllowed)
	forbid = fmt.Appendf(nil, `{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationDeletion)
)

func objects(t *testing.T, resource schema.GroupVersionResource) dynamic.ResourceInterface {
	t.Helper()

	client, err := dynamic.NewForConfig(cluster.Config())
	if err != nil {
		t.Fatal(err)
	}

	return client.Resource(resource)
}

// objectInUse is a kind whose objects are kept while their status counts accounts.
type objectInUse struct {
	client dynamic.ResourceInterface
	kind   string
	spec   map[string]any
	// one and many are what a refusal says of 1 and of 23 accounts, and says is what every one has.
	one, many string
	says      []string
}

// TestPolicyInUseIsNotDeleted: an admission policy reads the number of accounts in the status.
func TestPolicyInUseIsNotDeleted(t *testing.T) {
	policyInUse(t).isNotDeleted(t)
}

// TestProviderInUseIsNotDeleted: the same for an identity provider that accounts name.
func TestProviderInUseIsNotDeleted(t *testing.T) {
	providerInUse(t).isNotDeleted(t)
}

func policyInUse(t *testing.T) objectInUse {
	t.Helper()

	return objectInUse{
		client: objects(t, policies), kind: "PasswordPolicy", spec: map[string]any{},
		one: "applies to 1 account.", many: "applies to 23 accounts.", says: []string{"column POLICY", "annotate passwordpolicy "},
	}
}

func providerInUse(t *testing.T) objectInUse {
	t.Helper()

	return objectInUse{
		client: objects(t, providing), kind: "IdentityProvider", spec: map[string]any{
			"type": "OIDC", "displayName": "Example", "oidc": map[string]any{
				"issuer": "https://id.example.org", "clientID": "keyturn", "clientSecretRef": map[string]any{"name": "example"},
			},
		},
		one: "is named by 1 account, whose owner could", many: "is named by 23 accounts, whose owners could",
		says: []string{"providerRef", "annotate identityprovider "},
	}
}

func (o objectInUse) isNotDeleted(t *testing.T) {
	t.Helper()

	tests := map[string]struct {
		accounts  int64 // -1: there is no status
		annotated string
		refused   string
	}{
		"without-a-status":  {accounts: -1},
		"without-accounts":  {accounts: 0},
		"one-account":       {accounts: 1, refused: o.one},
		"accounts":          {accounts: 23, refused: o.many},
		"allowed":           {accounts: 23, annotated: v1alpha1.DeletionAllowed},
		"another-annotated": {accounts: 23, annotated: "Refused", refused: o.many},
	}

	o.awaitRefusal(t)

	for name, tt := range tests {
		o.make(t, name, tt.accounts)

		if tt.annotated != "" {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationDeletion, tt.annotated)
			_, err := o.client.Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
			made(t, err)
		}

		err := o.client.Delete(t.Context(), name, metav1.DeleteOptions{})

		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.refused != "" && !apierrors.IsForbidden(err):
			t.Errorf("%s: deletion is answered with %v", name, err)
		case tt.refused != "":
			for _, want := range append([]string{o.kind + " " + name + " " + tt.refused, name + " " + v1alpha1.AnnotationDeletion + "=Allowed"}, o.says...) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the message %q does not say %q", name, err, want)
				}
			}
		}
	}

	// Deleting a whole list is no way around it.
	list := metav1.ListOptions{FieldSelector: metav1.ObjectNameField + "=accounts"}
	if err := o.client.DeleteCollection(t.Context(), metav1.DeleteOptions{}, list); !apierrors.IsForbidden(err) {
		t.Errorf("deletion of a list is answered with %v", err)
	}
}

// awaitRefusal waits until the API server enforces the admission policy.
func (o objectInUse) awaitRefusal(t *testing.T) {
	t.Helper()
	o.make(t, "probe", 1)

	ctx, cancel := context.WithTimeout(t.Context(), admissionPatience)
	defer cancel()

	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()

	for {
		err := o.client.Delete(ctx, "probe", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsForbidden(err) {
			return
		}

		select {
		case <-ctx.Done():
			t.Fatalf("the deletion of a %s in use is answered with %v", o.kind, err)
		case <-ticker.C:
		}
	}
}

func (o objectInUse) make(t *testing.T, name string, accounts int64) {
	t.Helper()

	object := &unstructured.Unstructured{Object: map[string]any{"spec": o.spec}}
	object.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
	object.SetKind(o.kind)
	object.SetName(name)

	_, err := o.client.Create(t.Context(), object, metav1.CreateOptions{})
	made(t, err)

	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())

		_, err := o.client.Patch(ctx, name, types.MergePatchType, allow, metav1.PatchOptions{})
		if err == nil {
			err = o.client.Delete(ctx, name, metav1.DeleteOptions{})
		}

		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})

	if accounts < 0 {
		return
	}

	status := fmt.Appendf(nil, `{"status":{"accounts":%d}}`, accounts)
	if _, err := o.client.Patch(t.Context(), name, types.MergePatchType, status, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

// TestDataIsNotDeletedByMistake: the namespaces and kinds that hold data are deleted by those only who say that they mean it.
func TestDataIsNotDeletedByMistake(t *testing.T) {
	policyInUse(t).awaitRefusal(t) // All admission policies were applied at the same time.

	dryRun := metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
	held := 0

	for _, object := range build(t, dataFolder) {
		resource := map[string]schema.GroupVersionResource{"Namespace": namespaces, "CustomResourceDefinition": kinds}[object.GetKind()]
		if resource.Empty() {
			continue
		}

		held++

		client, name := objects(t, resource), object.GetName()
		deletions := map[string]func() error{
			"by its name": func() error { return client.Delete(t.Context(), name, dryRun) },
		}

		if resource == kinds { // The API server has no deletion of a list of namespaces.
			deletions["in a list"] = func() error {
				list := metav1.ListOptions{FieldSelector: metav1.ObjectNameField + "=" + name}

				return client.DeleteCollection(t.Context(), dryRun, list)
			}
		}

		for way, deletion := range deletions {
			heldByGuard(t, name, way, deletion())
		}

		if _, err := client.Patch(t.Context(), name, types.MergePatchType, allow, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}

		for way, deletion := range deletions {
			if err := deletion(); err != nil {
				t.Errorf("%s %s, annotated: %v", name, way, err)
			}
		}

		if _, err := client.Patch(t.Context(), name, types.MergePatchType, forbid, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	if held != 6 {
		t.Errorf("config/data has %d namespaces and kinds, want 6", held)
	}

	// The label that all of Keyturn has selects all kinds.
	list := metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=keyturn"}
	if err := objects(t, kinds).DeleteCollection(t.Context(), dryRun, list); !apierrors.IsForbidden(err) {
		t.Errorf("deletion of all kinds with the label is answered with %v", err)
	}

	// Others are not its business.
	makeNamespace(t, clientset(t), "somebody-elses")

	if err := objects(t, namespaces).Delete(t.Context(), "somebody-elses", dryRun); err != nil {
		t.Error(err)
	}

	makeForeignKind(t)

	list = metav1.ListOptions{FieldSelector: metav1.ObjectNameField + "=things.somebody-elses.example"}
	if err := objects(t, kinds).DeleteCollection(t.Context(), metav1.DeleteOptions{}, list); err != nil {
		t.Error(err)
	}
}

// heldByGuard wants a deletion to be refused, and the message to say what can be done.
func heldByGuard(t *testing.T, name, way string, err error) {
	t.Helper()

	if !apierrors.IsForbidden(err) {
		t.Errorf("%s: deletion %s is answered with %v", name, way, err)

		return
	}

	for _, want := range []string{name + " holds data", "config/servers", "docs/uninstall.md", v1alpha1.AnnotationDeletion} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the message %q does not say %q", name, err, want)
		}
	}
}

// makeForeignKind makes a CustomResourceDefinition that is none of Keyturn's.
func makeForeignKind(t *testing.T) {
	t.Helper()

	kind := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"group": "somebody-elses.example",
		"scope": "Cluster",
		"names": map[string]any{"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
		"versions": []any{map[string]any{
			"name": "v1", "served": true, "storage": true,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
		}},
	}}}
	kind.SetAPIVersion("apiextensions.k8s.io/v1")
	kind.SetKind("CustomResourceDefinition")
	kind.SetName("things.somebody-elses.example")

	_, err := objects(t, kinds).Create(t.Context(), kind, metav1.CreateOptions{})
	made(t, err)
}
