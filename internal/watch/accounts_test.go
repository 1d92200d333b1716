package watch

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
)

// TestAccounts: an account is found as soon as the watch has it. "Not found" is answered only after the watch has synced.
func TestAccounts(t *testing.T) {
	synced, afterSynced := false, func() {}
	watched := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})
	a := &Accounts{watched: watched, synced: func() bool { was := synced; afterSynced(); return was }}
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
	afterSynced = func() { synced = true; add("bob") } // between the two steps of a look-up
	expect("bob", nil)
	expect("ada", nil)
	expect("carol", catalog.ErrNotFound)
}
