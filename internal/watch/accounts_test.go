package watch

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
)

// TestAccounts: what the watch has told is found at once, and that there is none is said only when it has told all.
func TestAccounts(t *testing.T) {
	synced, during := false, func() {}
	watched := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})
	a := &Accounts{watched: watched, synced: func() bool { was := synced; during(); return was }}
	add := func(name string) {
		if err := watched.Add(&v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name string, want error) {
		t.Helper()
		found, err := a.Account(t.Context(), "team", name)
		if !errors.Is(err, want) || err == nil && found.Name != name {
			t.Errorf("%s: found %v, %v, want %v", name, found, err, want)
		}
	}
	add("ada")
	expect("ada", nil)
	expect("bob", errAccountsUnknown)
	during = func() { synced = true; add("bob") } // while it is looked for
	expect("bob", nil)
	expect("ada", nil)
	expect("carol", catalog.ErrNotFound)
}
