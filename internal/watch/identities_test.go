package watch

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// boundTo is the metadata of a credential of an account of the namespace team, that is bound to somebody at a provider.
func boundTo(uid, account, identity string, created time.Time) *metav1.PartialObjectMetadata {
	meta := credentialOf(uid, "3")
	meta.CreationTimestamp = metav1.NewTime(created)
	meta.Annotations[v1alpha1.GroupName+"/account-name"], meta.Annotations[v1alpha1.GroupName+"/account-uid"] = account, "uid-of-"+account
	if identity != "" {
		meta.Annotations[v1alpha1.GroupName+"/external-identity"] = identity
	}
	return meta
}

// TestOwnerOfIdentity: an identity is the oldest credential's that is bound to it and whose account exists. The index has no other credentials.
func TestOwnerOfIdentity(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	accounts := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{})
	declare := func(name string) *v1alpha1.UserAccount {
		a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-of-" + name)}}
		if err := accounts.Add(a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	ada, _ := declare("ada"), declare("eve")
	synced := true
	index := emptySessionIndex()
	c := newCredentials(index, &Accounts{watched: accounts, synced: func() bool { return synced }}, healthy, nil, nil, "keyturn-credentials")
	expect := func(when, identity, want string) {
		t.Helper()
		if uid, found := c.OwnerOfIdentity(identity); uid != want || found != (want != "") {
			t.Errorf("%s: %s is that of %q, %t; want %q", when, identity, uid, found, want)
		}
	}
	index.OnAdd(boundTo("plain", "bob", "", now), true)
	expect("nobody is bound", "i-1", "")
	expect("nobody is bound", "", "")
	late, early := boundTo("a", "ada", "i-1", now.Add(time.Minute)), boundTo("b", "eve", "i-1", now)
	index.OnAdd(late, true)
	expect("one is bound", "i-1", "a")
	index.OnAdd(early, true)
	expect("an older one is bound as well", "i-1", "b")
	index.OnUpdate(early, boundTo("b", "eve", "i-2", now))
	expect("the older one is bound to another", "i-1", "a")
	expect("the older one is bound to another", "i-2", "b")
	index.OnUpdate(boundTo("b", "eve", "i-2", now), boundTo("b2", "eve", "i-2", now))
	expect("it was created again", "i-2", "b2")

	ada.DeletionTimestamp = new(metav1.NewTime(now))
	expect("the account is being deleted", "i-1", "")
	if err := accounts.Delete(ada); err != nil {
		t.Fatal(err)
	}
	expect("the account is gone", "i-1", "")
	synced = false
	expect("accounts are not known yet", "i-1", "a")
	synced = true
	declare("ada").UID = "of another account"
	expect("another account has its name", "i-1", "")

	index.OnDelete(late)
	index.OnDelete(boundTo("b2", "eve", "i-2", now))
	index.OnDelete(boundTo("plain", "bob", "", now))
	if len(index.byUID)+len(index.byIdentity) > 0 {
		t.Errorf("the index keeps %d credentials and %d identities", len(index.byUID), len(index.byIdentity))
	}
}
