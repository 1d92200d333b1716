package useraccount

import (
	"context"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// TestCredentialUpdatesEnqueue: an update of a credential enqueues its owner, and all accounts of the username where the owner has
// changed. One more failed login may wait; a lock, or anything else that was written with it, may not.
func TestCredentialUpdatesEnqueue(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	secret := func(change func(*account.Credential)) *corev1.Secret {
		c := account.Credential{
			AccountID: "1", Owner: account.Owner{Namespace: "team", Name: "ada", UID: "u"},
			Failures: account.Failures{Consecutive: 1, Times: []time.Time{now}},
		}
		change(&c)
		api := fake.NewClientBuilder().Build()
		store := &credential.Store{Reader: api, Writer: api, Namespace: "credentials"}
		if _, err := store.Create(t.Context(), "ada", c); err != nil {
			t.Fatal(err)
		}
		stored := &corev1.Secret{}
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: "credentials", Name: "ada"}, stored); err != nil {
			t.Fatal(err)
		}
		return stored
	}
	fails := func(c *account.Credential) {
		c.Failures = account.Failures{Consecutive: 2, Times: []time.Time{now, now.Add(time.Second)}}
	}
	for name, row := range map[string]struct {
		change func(*account.Credential)
		later  bool
	}{
		"one more": {fails, true},
		"one of a device": {func(c *account.Credential) {
			fails(c)
			c.Devices = []account.DeviceFailures{{ID: "d", Times: []time.Time{now}}}
		}, true},
		"nothing":           {func(*account.Credential) {}, false},
		"a success":         {func(c *account.Credential) { c.Failures = account.Failures{} }, false},
		"a lock":            {func(c *account.Credential) { fails(c); c.Failures.Times, c.Failures.LockedTime = nil, now }, false},
		"a request with it": {func(c *account.Credential) { fails(c); c.Handled.SignOut = now }, false},
	} {
		t.Run(name, func(t *testing.T) {
			owner := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "team", Name: "ada"}}
			if added, later := enqueued(t, secret(func(*account.Credential) {}), secret(row.change)); later != row.later || !slices.Equal(added, []reconcile.Request{owner}) {
				t.Errorf("enqueued are %v, later: %t", added, later)
			}
		})
	}
	damaged := secret(fails)
	damaged.Data["format"] = []byte("99")
	heir := secret(func(c *account.Credential) { c.Owner.UID = "other" })
	for name, after := range map[string]*corev1.Secret{"one that cannot be read": damaged, "another owner": heir} {
		if added, later := enqueued(t, secret(func(*account.Credential) {}), after); later || !slices.Equal(added, sameUsername) {
			t.Errorf("%s: enqueued are %v, later: %t", name, added, later)
		}
	}
}

// sameUsername are all accounts of one username.
var sameUsername = []reconcile.Request{
	{NamespacedName: types.NamespacedName{Namespace: "team", Name: "ada"}},
	{NamespacedName: types.NamespacedName{Namespace: "team", Name: "ada-too"}},
}

// enqueued returns the accounts that an update of a credential enqueues, and whether that is later.
func enqueued(t *testing.T, before, after *corev1.Secret) (added []reconcile.Request, later bool) {
	t.Helper()
	q := &recordingQueue{}
	ofUsername := func(context.Context, client.Object) []reconcile.Request { return sameUsername }
	newCredentialHandler(ofUsername, func(context.Context, *credential.Record, *credential.Record) {}).
		Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
	return q.added, q.later
}

// recordingQueue records what is added.
type recordingQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	added []reconcile.Request
	later bool
}

func (q *recordingQueue) Add(r reconcile.Request) { q.added = append(q.added, r) }
func (q *recordingQueue) AddAfter(r reconcile.Request, delay time.Duration) {
	q.added, q.later = append(q.added, r), delay > 0
}
