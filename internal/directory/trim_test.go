package directory

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
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
	policy := &v1alpha1.PasswordPolicy{ObjectMeta: full()}
	policy.Finalizers = []string{"one"}
	for name, tt := range map[string]struct {
		object client.Object
		trim   func(any) (any, error)
		want   string
	}{
		"account": {&v1alpha1.UserAccount{ObjectMeta: full()}, TrimAccount, `"annotations":{"accounts.keyturn.dev/initialized":"true"}`},
		"policy": {
			policy, TrimPolicy, `"annotations":{"accounts.keyturn.dev/is-default-policy":"true"},"finalizers":["one"]`,
		},
		"namespace": {&metav1.PartialObjectMetadata{ObjectMeta: full()}, TrimNamespace, `"labels":{"a":"label"}`},
		"Secret":    {&metav1.PartialObjectMetadata{ObjectMeta: full()}, TrimAll, ""},
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
			t.Errorf("%s: it cannot be told which it is: %.600s", name, content)
		}
	}
}
