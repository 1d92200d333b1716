package schema_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestStoredObjects: objects that an earlier version has stored can be written again, and nothing of them is lost or changed, neither by
// the API server nor by the types that Keyturn reads them with. The files of testdata/stored are examples of what clusters hold: they are
// never written anew. They were read from an API server with the definitions of commit 3b1b295, without managedFields; together
// they have every field of these. Those of identity providers and directories, and of accounts that name one, are from the first definitions that had
// such.
func TestStoredObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/stored/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("there are %d files, %v", len(files), err)
	}

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			stored := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(text, &stored.Object); err != nil {
				t.Fatal(err)
			}

			written := restored(stored)
			create(t, written)
			contains(t, "spec", written.Object["spec"], stored.Object["spec"], sameText)

			if stored.Object["status"] != nil {
				written.Object["status"] = stored.DeepCopy().Object["status"]
				if err := api.Status().Update(t.Context(), written, client.DryRunAll); err != nil {
					t.Fatal(err)
				}

				contains(t, "status", written.Object["status"], stored.Object["status"], sameText)
			}

			readByKeyturn(t, stored)
		})
	}
}

// restored is an object as a backup tool creates it again.
func restored(stored *unstructured.Unstructured) *unstructured.Unstructured {
	o := stored.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}

	unstructured.RemoveNestedField(o.Object, "status")

	return o
}

// readByKeyturn checks that Keyturn's types know every field of a stored object.
func readByKeyturn(t *testing.T, stored *unstructured.Unstructured) {
	t.Helper()

	var (
		read       any = &v1alpha1.UserAccount{}
		unreadable     = func() []string { return nil }
	)

	switch stored.GetKind() {
	case "UserAccount":
		a := &v1alpha1.UserAccount{}
		read, unreadable = a, func() []string { return append(a.Spec.UnreadableFields(), a.Status.Unreadable...) }
	case "PasswordPolicy":
		p := &v1alpha1.PasswordPolicy{}
		read, unreadable = p, func() []string { return append(p.Spec.UnreadableFields(), p.Status.Unreadable...) }
	case "IdentityProvider":
		p := &v1alpha1.IdentityProvider{}
		read, unreadable = p, func() []string { return append(p.Spec.Unreadable, p.Status.Unreadable...) }
	default:
		t.Fatalf("%s is no kind of Keyturn", stored.GetKind())
	}

	text, err := json.Marshal(stored.Object)
	if err != nil {
		t.Fatal(err)
	}

	if err := json.Unmarshal(text, read); err != nil {
		t.Fatal(err)
	}

	if fields := unreadable(); len(fields) > 0 {
		t.Errorf("cannot be read: %v", fields)
	}

	again, err := runtime.DefaultUnstructuredConverter.ToUnstructured(read)
	if err != nil {
		t.Fatal(err)
	}

	contains(t, "as Keyturn reads it, spec", again["spec"], stored.Object["spec"], sameSecond)

	if stored.Object["status"] != nil {
		contains(t, "as Keyturn reads it, status", again["status"], stored.Object["status"], sameSecond)
	}
}

// contains checks that a part of an object has all that was stored. It may have more: fields that are newer, with their defaults.
func contains(t *testing.T, at string, is, stored any, same func(a, b string) bool) {
	t.Helper()

	switch stored := stored.(type) {
	case map[string]any:
		fields, _ := is.(map[string]any)
		for name, value := range stored {
			contains(t, at+"."+name, fields[name], value, same)
		}
	case []any:
		items, _ := is.([]any)
		if len(items) != len(stored) {
			t.Errorf("%s is %v, was stored as %v", at, is, stored)

			return
		}

		for i, value := range stored {
			contains(t, fmt.Sprintf("%s[%d]", at, i), items[i], value, same)
		}
	default:
		if got, want := fmt.Sprint(is), fmt.Sprint(stored); !same(got, want) {
			t.Errorf("%s is %s, was stored as %s", at, got, want)
		}
	}
}

func sameText(a, b string) bool { return a == b }

// sameSecond also takes two times for the same that are within one second, in whatever time zone: so Keyturn's types write them. (Keyturn
// writes no spec, and of a status what it has computed.)
func sameSecond(a, b string) bool {
	first, errA := time.Parse(time.RFC3339Nano, a)
	second, errB := time.Parse(time.RFC3339Nano, b)

	return a == b || errA == nil && errB == nil && first.Truncate(time.Second).Equal(second.Truncate(time.Second))
}

// TestRollbackOfASchema: a field that the schema does not know is hidden, and comes back with a schema that knows it, until the object is
// written, be it only its status. Then it is lost. docs/upgrade.md says so.
func TestRollbackOfASchema(t *testing.T) {
	older := customResources(t)
	newer := make([]*unstructured.Unstructured, len(older))

	for i, definition := range older {
		newer[i] = definition.DeepCopy()
		child(version(newer[i]), "schema", "openAPIV3Schema", "properties", "spec", "properties")["later"] = map[string]any{"type": "string"}
	}

	turn := func(definitions []*unstructured.Unstructured, knows bool) {
		t.Helper()
		install(t, definitions, false)
		awaitField(t, knows)
	}

	turn(newer, true)
	defer turn(older, false)

	names := []string{"untouched", "status-written"}
	for _, name := range names {
		create(t, object(t, userAccount, name, "spec", "{displayName: Ada, later: kept}"))
	}

	later := func(name string) string {
		t.Helper()

		o := object(t, userAccount, name, "spec", "{}")
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}

		value, _, _ := unstructured.NestedString(o.Object, "spec", "later")

		return value
	}

	turn(older, false)

	for _, name := range names {
		if got := later(name); got != "" {
			t.Errorf("%s: the older schema shows %q", name, got)
		}
	}

	status := object(t, userAccount, "status-written", "status", "{observedGeneration: 1}")
	if err := api.Status().Patch(t.Context(), status, merge(t, status, "status")); err != nil {
		t.Fatal(err)
	}

	turn(newer, true)

	if got := later("untouched"); got != "kept" {
		t.Errorf("what nobody has written has the field %q, want it back", got)
	}

	if got := later("status-written"); got != "" {
		t.Errorf("what was written has the field %q, want it lost, as docs/upgrade.md says", got)
	}
}

// awaitField waits until the API server goes by a schema that knows the field later, or does not.
func awaitField(t *testing.T, knows bool) {
	t.Helper()

	ctx := context.WithoutCancel(t.Context())

	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := api.Create(ctx, object(t, userAccount, "probe", "spec", "{later: kept}"), client.DryRunAll)
		if err != nil && !strings.Contains(err.Error(), `unknown field "spec.later"`) {
			return false, err
		}

		return (err == nil) == knows, nil
	})
	if err != nil {
		t.Fatalf("waiting for the other schema: %v", err)
	}
}
