package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestTrim: of a megabyte of metadata of each sort, what is left is what the servers read.
func TestTrim(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	full := func() metav1.ObjectMeta {
		m := metav1.ObjectMeta{
			Namespace: "team", Name: "ada", UID: "u", ResourceVersion: "7", Generation: 3, CreationTimestamp: now, DeletionTimestamp: &now,
			Labels: map[string]string{"a": "label"},
			Annotations: map[string]string{
				v1alpha1.AnnotationInitialized: "true", v1alpha1.AnnotationDefaultPolicy: "true",
				v1alpha1.AnnotationResetHandledTime: strings.Repeat("9", 1<<20), "other": strings.Repeat("x", 1<<20),
				corev1.LastAppliedConfigAnnotation: "plaintext",
			},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}, OwnerReferences: []metav1.OwnerReference{{Name: "o"}},
		}
		for range 4000 {
			m.Finalizers = append(m.Finalizers, "somebody.example.org/"+strings.Repeat("f", 200))
		}
		return m
	}
	declared := func(providerName string) v1alpha1.UserAccountSpec {
		spec := v1alpha1.UserAccountSpec{
			DisplayName: "plaintext", Email: "plaintext", Groups: []string{"plaintext"}, PolicyRef: &v1alpha1.PolicyReference{Name: "plaintext"}, Access: v1alpha1.AccessDisabled,
		}
		if providerName != "" {
			spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: providerName}}
		}
		return spec
	}
	held := &v1alpha1.PasswordPolicy{ObjectMeta: full()}
	held.Finalizers = []string{"one"}
	labelled := full()
	labelled.Labels[v1alpha1.LabelPasswordPolicy] = "strict"
	for n := range 3700 {
		labelled.Labels[fmt.Sprintf("%d.%s/l", n, strings.Repeat("p", 200))] = strings.Repeat("v", 63)
	}
	for name, tt := range map[string]struct {
		object client.Object
		trim   func(any) (any, error)
		want   string
	}{
		"account":               {&v1alpha1.UserAccount{ObjectMeta: full()}, TrimAccount, `"annotations":{"accounts.keyturn.dev/initialized":"true"}`},
		"account for the sweep": {&v1alpha1.UserAccount{ObjectMeta: full(), Spec: declared("corp")}, TrimAccountForSweep, `"authentication":{"type":"External","providerRef":{"name":"corp"}},"access":"Disabled"}`},
		"account without a provider, for the sweep": {&v1alpha1.UserAccount{ObjectMeta: full(), Spec: declared("")}, TrimAccountForSweep, `"deletionTimestamp":"2026-03-01T12:00:00Z"}}`},
		"policy": {
			held, TrimPolicy, `"annotations":{"accounts.keyturn.dev/is-default-policy":"true"},"finalizers":["one"]`,
		},
		"provider":  {&v1alpha1.IdentityProvider{ObjectMeta: full()}, TrimProvider, ""},
		"namespace": {&metav1.PartialObjectMetadata{ObjectMeta: full()}, TrimNamespace, `"labels":{"a":"label"}`},
		"namespace with a megabyte of labels": {
			&metav1.PartialObjectMetadata{ObjectMeta: labelled}, TrimNamespace,
			`"labels":{"accounts.keyturn.dev/labels omitted":"","accounts.keyturn.dev/password-policy":"strict"}`,
		},
		"Secret": {&metav1.PartialObjectMetadata{ObjectMeta: full()}, TrimAll, ""},
	} {
		if _, err := tt.trim(tt.object); err != nil {
			t.Fatal(err)
		}
		content, err := json.Marshal(tt.object)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) > 600 || !strings.Contains(string(content), tt.want) || strings.Contains(string(content), "plaintext") {
			t.Errorf("%s: left are %d bytes: %.600s", name, len(content), content)
		}
		if tt.object.GetUID() != "u" || tt.object.GetResourceVersion() != "7" || tt.object.GetGeneration() != 3 ||
			tt.object.GetDeletionTimestamp() == nil || tt.object.GetName() != "ada" || tt.object.GetNamespace() != "team" {
			t.Errorf("%s: it cannot be identified: %.600s", name, content)
		}
	}
}

// TestBoundedLabels: up to the bound labels are as they are, and beyond it none is left that a selector could match. Labels that were bounded
// once stay so.
func TestBoundedLabels(t *testing.T) {
	few := map[string]string{"a": strings.Repeat("v", maxLabels-1)}
	if got := boundedLabels(few); !maps.Equal(got, few) {
		t.Errorf("of %d bytes %d labels are left", maxLabels, len(got))
	}
	many := map[string]string{"ab": strings.Repeat("v", maxLabels-1)}
	want := map[string]string{policy.LabelsOmitted: ""}
	once := boundedLabels(many)
	if twice := boundedLabels(once); !maps.Equal(once, want) || !maps.Equal(twice, want) {
		t.Errorf("left are %v, then %v", once, twice)
	}
	if len(validation.IsQualifiedName(policy.LabelsOmitted)) == 0 {
		t.Error("anybody can set the label that stands for those that were left out")
	}
}
