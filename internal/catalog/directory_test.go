package catalog

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/internal/policy"
)

// Compiled lists are as large as their ConfigMaps, so those that are gone, or not asked for any more, are not held for ever.
func TestDenyListsAreForgotten(t *testing.T) {
	c := fake.NewFakeClient()
	d := New(c, "system")
	under := func(name string) policy.Policy { return policy.Policy{DenyLists: []string{name}} }
	list := func(n int) *corev1.ConfigMap {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: fmt.Sprintf("list-%d", n)},
			Data:       map[string]string{"words": "one\ntwo\n"},
		}
	}
	for n := range maxLists + 5 {
		if err := c.Create(t.Context(), list(n)); err != nil {
			t.Fatal(err)
		}
		lists, err := d.DenyLists(t.Context(), under(list(n).Name))
		if err != nil || len(lists) != 1 {
			t.Fatalf("%d lists, %v", len(lists), err)
		}
		if again, err := d.DenyLists(t.Context(), under(list(n).Name)); err != nil || again[0] != lists[0] {
			t.Errorf("list %d is compiled a second time (%v)", n, err)
		}
	}
	if len(d.lists) != maxLists {
		t.Errorf("%d lists are held, want %d", len(d.lists), maxLists)
	}
	last := list(maxLists + 4)
	if err := c.Delete(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DenyLists(t.Context(), under(last.Name)); !errors.Is(err, ErrDenyListNotFound) {
		t.Errorf("a list that is gone: %v", err)
	}
	if _, held := d.lists[last.Name]; held {
		t.Error("a list that is gone is held")
	}
}
