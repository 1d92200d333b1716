package watch

import (
	"errors"
	"slices"
	"strings"
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

// TestInNamespace: all accounts of a namespace are found and no others, with the index of informers and without, and as many as the
// caller wants.
func TestInNamespace(t *testing.T) {
	for _, indexers := range []toolscache.Indexers{{}, {toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc}} {
		watched := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, indexers)
		for _, key := range []string{"acme/ada", "acme/grace", "platform/sam"} {
			namespace, name, _ := strings.Cut(key, "/")
			if err := watched.Add(&v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}); err != nil {
				t.Fatal(err)
			}
		}
		a := &Accounts{watched: watched}
		for namespace, want := range map[string][]string{
			"": {"ada", "grace", "sam"}, "acme": {"ada", "grace"}, "platform": {"sam"}, "nowhere": nil,
		} {
			var got []string
			for account := range a.InNamespace(namespace) {
				got = append(got, account.Name)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%d indexes, namespace %q: %v, want %v", len(indexers), namespace, got, want)
			}
		}
		for range a.InNamespace("") {
			break
		}
	}
}
