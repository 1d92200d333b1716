package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// TestUnreadableObjects: for each field of each kind, an object with an unreadable value is stored, under a schema that accepts
// everything. The operator and the login server go on for all other objects, on open watches and after a restart. The CustomResourceDefinitions concern
// everybody, so nothing runs beside it.
func TestUnreadableObjects(t *testing.T) {
	definitions, err := controlplane.Kustomize(t.Context(), "../../config/crd")
	must(t, err)

	fields := map[string][]string{}
	loose := make([]*unstructured.Unstructured, len(definitions))

	for i, definition := range definitions {
		kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		loose[i] = definition.DeepCopy()
		fields[kind] = loosen(t, loose[i])
	}

	o := newOrganisation(t)
	before := o.settled(t, "before", nil)
	token := before.login(t, before.password, granted).Token

	install := func(definitions []*unstructured.Unstructured, takesAll bool) {
		ctx := context.WithoutCancel(t.Context())
		for _, definition := range definitions {
			must(t, controlplane.Apply(ctx, plane.Config(), definition.DeepCopy()))
		}

		for kind := range fields {
			eventually(t, "the schema of "+kind, func() error {
				err := kube.Create(ctx, badObject(o, kind, "probe", "spec", "none"), client.DryRunAll)
				if (err == nil) != takesAll {
					return fmt.Errorf("the API server says %w to an object that is none", err)
				}

				return nil
			})
		}
	}

	t.Cleanup(func() { install(definitions, false) }) // Also where the test fails before: all others need the defaults of the schema.
	install(loose, true)

	var bad []*unstructured.Unstructured

	t.Cleanup(func() {
		for _, object := range bad {
			// Bad IdentityProviders that stayed would leave no room for others.
			if err := kube.Delete(context.Background(), object); err != nil && object.GetKind() == "IdentityProvider" {
				t.Error(err)
			}
		}
	})

	for _, kind := range slices.Sorted(maps.Keys(fields)) {
		for i, field := range fields[kind] {
			for j, value := range []any{"2026-11-29t01:00:00z", map[string]any{"a": "b"}, []any{int64(1)}} {
				name := fmt.Sprintf("%s-bad-%d-%d", o.name, i, j)
				part, _, _ := strings.Cut(field, ".")
				object := badObject(o, kind, name, field, value)
				must(t, kube.Create(t.Context(), object.DeepCopy()))

				if part == "status" {
					patch, err := json.Marshal(map[string]any{"status": object.Object["status"]})
					must(t, err)
					must(t, kube.Status().Patch(t.Context(), object.DeepCopy(), client.RawPatch(types.MergePatchType, patch)))
				}

				bad = append(bad, object)
			}
		}
	}

	install(definitions, false)

	othersGoOn := func(name string) {
		t.Helper()

		p := o.settled(t, name, nil)
		p.login(t, p.password, granted)
		before.login(t, before.password, granted)
		session(t, token, 200)

		q, _ := governed(t, v1alpha1.PasswordPolicySpec{})
		q.settled(t, "ada", nil)
	}

	othersGoOn("watched")

	for _, s := range []*server{operator, login} {
		s.kill()
		s.start(t)
	}

	othersGoOn("listed")

	t.Run("statuses", func(t *testing.T) {
		refused := 0

		for _, object := range bad {
			if object.GetKind() == "IdentityProvider" {
				continue // The directory server writes their status, and does not run here.
			}

			// Where a rule of the schema cannot be evaluated, as of a spec that is a list, the API server refuses every write.
			probe := client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":1}}`))
			if err := kube.Status().Patch(t.Context(), object.DeepCopy(), probe, client.DryRunAll); apierrors.IsInvalid(err) {
				refused++
				continue
			}

			eventually(t, object.GetKind()+" "+object.GetName()+" has a status that can be read", func() error { return statusReadable(t, object) })
		}

		if refused > len(bad)/2 {
			t.Errorf("%d of %d statuses cannot be written by anybody", refused, len(bad))
		}
	})

	for name, field := range map[string]string{"start": "spec.startTime", "end": "spec.endTime", "groups": "spec.groups"} {
		t.Run(name, func(t *testing.T) {
			i := slices.Index(fields["UserAccount"], field)
			if i < 0 {
				t.Fatalf("the schema has no %s", field)
			}

			name := fmt.Sprintf("%s-bad-%d-0", o.name, i)
			message := o.awaitCondition(t, name, v1alpha1.ConditionSpecReadable, metav1.ConditionFalse, v1alpha1.ConditionReasonSpecUnreadable)

			if !strings.Contains(message, field) {
				t.Errorf("the condition says %q", message)
			}

			o.awaitStanding(t, name, v1alpha1.StandingDisabled, v1alpha1.ReasonSpecUnreadable)
		})
	}

	t.Run("a request", func(t *testing.T) {
		name := fmt.Sprintf("%s-bad-%d-0", o.name, slices.Index(fields["UserAccount"], "spec.signOutTime"))
		o.awaitCondition(t, name, v1alpha1.ConditionSpecReadable, metav1.ConditionFalse, v1alpha1.ConditionReasonSpecUnreadable)
		o.awaitStanding(t, name, v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	})

	t.Run("a policy", func(t *testing.T) {
		name := fmt.Sprintf("%s-bad-%d-0", o.name, slices.Index(fields["PasswordPolicy"], "spec.changeRequiredTime"))

		within(t, 30*time.Second, "the policy reports it", func() error {
			p := &v1alpha1.PasswordPolicy{}
			if err := kube.Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
				return err
			}

			for _, c := range p.Status.Conditions {
				if c.Reason == v1alpha1.ConditionReasonSpecUnreadable && strings.Contains(c.Message, "spec.changeRequiredTime") {
					return nil
				}
			}

			return errors.New("it does not")
		})
	})
}

// statusReadable reports whether the status of an object is about it as it is stored now, and holds nothing that cannot be read.
func statusReadable(t *testing.T, object client.Object) error {
	t.Helper()

	var (
		observed   int64
		unreadable []string
		stored     client.Object
		err        error
	)

	switch key := client.ObjectKeyFromObject(object); object.GetObjectKind().GroupVersionKind().Kind {
	case "UserAccount":
		a := &v1alpha1.UserAccount{}
		err = kube.Get(t.Context(), key, a)
		stored, observed, unreadable = a, a.Status.ObservedGeneration, a.Status.Unreadable
	default:
		p := &v1alpha1.PasswordPolicy{}
		err = kube.Get(t.Context(), key, p)
		stored, observed, unreadable = p, p.Status.ObservedGeneration, p.Status.Unreadable
	}

	if err == nil && (observed != stored.GetGeneration() || len(unreadable) > 0) {
		err = fmt.Errorf("it is of generation %d, and of it cannot be read: %q", observed, unreadable)
	}

	return err
}

// loosen has a definition take everything, and returns the fields that it had.
func loosen(t *testing.T, definition *unstructured.Unstructured) (fields []string) {
	t.Helper()

	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	version, _ := versions[0].(map[string]any)

	for _, part := range []string{"spec", "status"} {
		schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", part)
		fields = append(fields, fieldsOf(part, schema)...)
		must(t, unstructured.SetNestedMap(version, map[string]any{"x-kubernetes-preserve-unknown-fields": true},
			"schema", "openAPIV3Schema", "properties", part))
	}

	unstructured.RemoveNestedField(version, "schema", "openAPIV3Schema", "x-kubernetes-validations")
	unstructured.RemoveNestedField(version, "schema", "openAPIV3Schema", "required")
	must(t, unstructured.SetNestedSlice(definition.Object, []any{version}, "spec", "versions"))

	return fields
}

// fieldsOf lists a field and all below it. Lists end it.
func fieldsOf(path string, schema map[string]any) []string {
	all := []string{path}

	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		below, _ := properties[name].(map[string]any)
		all = append(all, fieldsOf(path+"."+name, below)...)
	}

	return all
}

// badObject is an object that holds a value in a field.
func badObject(o *organisation, kind, name, field string, value any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(kind))
	object.SetName(name)
	object.SetAnnotations(map[string]string{v1alpha1.AnnotationDeletion: v1alpha1.DeletionAllowed})

	if kind == "UserAccount" {
		object.SetNamespace(o.name)
	}

	_ = unstructured.SetNestedField(object.Object, value, strings.Split(field, ".")...)

	return object
}
