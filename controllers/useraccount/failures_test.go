package useraccount

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// TestIsFailure: a failure alone can wait to be told; a lock, or anything else that was written with it, cannot.
func TestIsFailure(t *testing.T) {
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
		want   bool
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
			if got := isFailure(secret(func(*account.Credential) {}), secret(row.change)); got != row.want {
				t.Errorf("answered %t", got)
			}
		})
	}
	damaged := secret(fails)
	damaged.Data["format"] = []byte("99")
	if isFailure(secret(func(*account.Credential) {}), damaged) {
		t.Error("one that cannot be read is taken for a failure")
	}
}
