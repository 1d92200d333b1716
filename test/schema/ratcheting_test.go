package schema_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/controlplane"
)

// loosened are the keywords that a new version may tighten while objects are stored that break them.
var loosened = []string{
	"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum", "x-kubernetes-validations",
}

// TestRatcheting stores what each row holds under a schema without rules, brings the rules back, and wants the objects
// to live on: Keyturn can write their status, people can edit the rest of them.
func TestRatcheting(t *testing.T) {
	strict := customResources(t)
	loose := make([]*unstructured.Unstructured, len(strict))

	for i, definition := range strict {
		loose[i] = definition.DeepCopy()
		walk("spec", child(version(loose[i]), "schema", "openAPIV3Schema", "properties", "spec"),
			func(_ string, node map[string]any) {
				maps.DeleteFunc(node, func(keyword string, _ any) bool { return slices.Contains(loosened, keyword) })
			})
	}

	install(t, loose, true)
	defer install(t, strict, false)

	stored := map[string]refusal{}

	for _, r := range allRefusals() {
		if r.field == "spec" && !isStructural(r) {
			name := fmt.Sprintf("stored-%d", len(stored))
			create(t, declared(t, r.kind, name, r.content))
			stored[name] = r
		}
	}

	install(t, strict, false)

	for name, r := range stored {
		t.Run(r.name(), func(t *testing.T) { checkRatcheting(t, name, r) })
	}
}

func checkRatcheting(t *testing.T, name string, r refusal) {
	status := object(t, r.kind, name, "status", `{observedGeneration: 1, conditions: [`+fmt.Sprintf(condition, 0)+`]}`)
	if err := api.Status().Patch(t.Context(), status, merge(t, status, "status")); err != nil {
		t.Errorf("the status cannot be written: %v", err)
	}

	marked := object(t, r.kind, name, "metadata", `{}`)
	if err := api.Patch(t.Context(), marked, client.RawPatch(types.MergePatchType, []byte(
		`{"metadata":{"annotations":{"accounts.keyturn.dev/initialized":"true"}}}`))); err != nil {
		t.Errorf("the metadata cannot be written: %v", err)
	}

	unrelated := map[schema.GroupVersionKind]string{
		userAccount: "{signOutTime: 2026-01-01T00:00:00Z}", passwordPolicy: "{changeRequiredTime: 2026-01-01T00:00:00Z}",
		identityProvider: "{session: {maxMinutes: 60}}",
	}

	edit := object(t, r.kind, name, "spec", unrelated[r.kind])
	err := api.Patch(t.Context(), edit, merge(t, edit, "spec"))

	switch {
	case !r.whole && err != nil:
		t.Errorf("another field of the spec cannot be edited: %v", err)
	case r.whole && err == nil:
		t.Error("the rule is marked as one about the whole spec, but another field can be edited")
	case r.whole:
		if got := refusals(t, err); !slices.Equal(got, slices.Sorted(slices.Values(r.want))) {
			t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(r.want, "\n\t"))
		}
	}
}

// isStructural says whether a row is about what no version of a schema can loosen and tighten again: the type of a
// field, its presence, the keys of lists.
func isStructural(r refusal) bool {
	return slices.ContainsFunc(r.want, func(message string) bool {
		return strings.Contains(message, "must be of type") || strings.HasSuffix(message, ": Required value") ||
			strings.Contains(message, ": Duplicate value: ")
	})
}

// install changes the definitions and waits until the API server goes by them: until an account that breaks a rule is
// accepted, or refused. (The other kinds likewise: they change one after the other.)
func install(t *testing.T, definitions []*unstructured.Unstructured, accepted bool) {
	t.Helper()

	ctx := context.WithoutCancel(t.Context())

	for _, definition := range definitions {
		// A copy, since applying fills in what the API server answers.
		if err := controlplane.Apply(ctx, cluster.Config(), definition.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}

	for kind, content := range map[schema.GroupVersionKind]string{
		userAccount: "access: Perhaps", passwordPolicy: "maxAgeDays: -1", identityProvider: "access: Perhaps",
	} {
		err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := api.Create(ctx, declared(t, kind, "probe", content), client.DryRunAll)

			return (err == nil) == accepted, nil
		})
		if err != nil {
			t.Fatalf("waiting for the definition of %s: %v", kind.Kind, err)
		}
	}
}

// merge is a merge patch of one top-level field of an object.
func merge(t *testing.T, o *unstructured.Unstructured, field string) client.Patch {
	t.Helper()

	content, err := json.Marshal(map[string]any{field: o.Object[field]})
	if err != nil {
		t.Fatal(err)
	}

	return client.RawPatch(types.MergePatchType, content)
}
