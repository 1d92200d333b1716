package transitions

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestWrote: each transition of a write reaches all listeners, with the account that it is about. Decoys have no transitions.
func TestWrote(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	ada := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ada", UID: "u1"}}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(ada).Build()
	var heard []string
	listener := func(name string) Listener {
		return func(_ context.Context, transition account.Transition, a *v1alpha1.UserAccount) {
			about := "nobody"
			if a != nil {
				about = a.Name + " " + string(a.UID)
			}
			heard = append(heard, name+": "+string(transition.Kind)+" of "+about)
		}
	}
	notifier := &Notifier{
		Catalog: catalog.New(api, "system"), Clock: testingclock.NewFakePassiveClock(now),
		Listeners: []Listener{listener("first"), listener("second")},
	}
	store := &credential.Store{Reader: api, Writer: api, Namespace: "credentials", OnWrite: notifier.Wrote}
	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(heard, want) {
			t.Errorf("%s: the listeners heard %q, want %q", what, heard, want)
		}
		heard = nil
	}

	rules := account.NewRules(&ada.Spec, policy.Default(), now)
	source := account.Source{SecretName: "ada", ResourceVersion: "1"}
	former, err := store.Create(t.Context(), credential.Name("acme", "ada"), rules.New(account.Owner{Namespace: "acme", Name: "ada", UID: "u0"}, "a0"))
	if err != nil {
		t.Fatal(err)
	}
	expect("no transition")
	heir := rules.Reset(rules.Succeed(former.Credential, account.OwnerOf(ada), "a1"), source, "hash", account.Digests{})
	record, err := store.Replace(t.Context(), former, heir)
	if err != nil {
		t.Fatal(err)
	}
	expect("of a former account and of its successor",
		"first: SessionsEnded of nobody", "second: SessionsEnded of nobody",
		"first: PasswordReset of ada u1", "second: PasswordReset of ada u1")
	if err := store.Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	expect("of a deletion", "first: SessionsEnded of ada u1", "second: SessionsEnded of ada u1")

	for i := range credential.Decoys {
		if err := store.CreateDecoy(t.Context(), credential.DecoyName(i)); err != nil {
			t.Fatal(err)
		}
	}
	decoy, err := store.GetDecoy(t.Context(), credential.DecoyKey("key"), "nobody", true)
	if err != nil {
		t.Fatal(err)
	}
	locked := decoy.Credential
	locked.Failures.LockedTime = now
	if _, err := store.Update(t.Context(), decoy, locked); err != nil {
		t.Fatal(err)
	}
	expect("of a decoy")
}
