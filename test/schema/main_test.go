package schema_test

import (
	"context"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

const definitions = "../../config/crd"

var (
	cluster *controlplane.ControlPlane
	// api refuses unknown fields, so that a row with a misspelt field cannot pass for another refusal.
	api client.Client
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // the clients' own, which have nothing to say

	os.Exit(controlplane.Main(m, controlplane.Options{}, func(ctx context.Context, c *controlplane.ControlPlane) error {
		plain, err := client.New(c.Config(), client.Options{})
		if err != nil {
			return err
		}

		cluster, api = c, client.WithFieldValidation(plain, "Strict")

		return c.ApplyKustomization(ctx, definitions)
	}))
}

var (
	userAccount      = v1alpha1.SchemeGroupVersion.WithKind("UserAccount")
	passwordPolicy   = v1alpha1.SchemeGroupVersion.WithKind("PasswordPolicy")
	identityProvider = v1alpha1.SchemeGroupVersion.WithKind("IdentityProvider")

	kinds = []schema.GroupVersionKind{userAccount, passwordPolicy, identityProvider}
)

// declared makes an object of a kind with a spec from YAML. Of a provider, the YAML is what stands in place of leastProvider, or of
// leastDirectory where it has the type of one.
func declared(t *testing.T, kind schema.GroupVersionKind, name, spec string) *unstructured.Unstructured {
	t.Helper()

	o := object(t, kind, name, "spec", spec)
	if kind == identityProvider {
		spec, least := child(o.Object, "spec"), leastProvider()
		if kind, _ := spec["type"].(string); kind == "LDAP" || kind == "ActiveDirectory" {
			least = leastDirectory(kind)
		}

		o.Object["spec"] = over(least, spec)
	}

	return o
}

// object makes an object of a kind, with one more top-level field ("spec" or "status") from YAML.
func object(t *testing.T, kind schema.GroupVersionKind, name, field, content string) *unstructured.Unstructured {
	t.Helper()

	var value any
	if err := yaml.Unmarshal([]byte(content), &value); err != nil {
		t.Fatalf("the row's YAML: %v\n%s", err, content)
	}

	o := &unstructured.Unstructured{Object: map[string]any{field: value}}
	o.SetGroupVersionKind(kind)
	o.SetName(name)

	if kind == userAccount {
		o.SetNamespace("default")
	}

	return o
}

// create stores an object until the end of the test.
func create(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()

	if err := api.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := api.Delete(context.WithoutCancel(t.Context()), o); err != nil {
			t.Errorf("clearing away: %v", err)
		}
	})
}
