package useraccount

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

const credentials = "keyturn-credentials"

// laggingCache returns a credentialCache whose cache has what is written to the API server only after catchUp.
func laggingCache(t *testing.T) (c *credentialCache, cached client.Client, catchUp func()) {
	t.Helper()
	live := fake.NewFakeClient()
	cached = fake.NewFakeClient()
	c = newCredentialCache(
		&credential.Store{Reader: cached, Namespace: credentials},
		&credential.Store{Reader: live, Writer: live, Namespace: credentials},
	)
	return c, cached, func() {
		t.Helper()
		all := &corev1.SecretList{}
		if err := live.List(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if err := cached.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(credentials)); err != nil {
			t.Fatal(err)
		}
		// A fake client gives the objects that are created in it versions of its own, so it is made with the objects.
		cached = fake.NewClientBuilder().WithLists(all).Build()
		c.cached.Reader = cached
	}
}

func newCredential() account.Credential {
	return account.Credential{AccountID: "one", Owner: account.Owner{Namespace: "acme", Name: "ada", UID: "1"}, SessionGeneration: 1}
}

// TestCredentialCacheHasOwnWrites: what this process has written is read, live until the cache has it.
func TestCredentialCacheHasOwnWrites(t *testing.T) {
	cache, _, catchUp := laggingCache(t)
	if _, err := cache.get(t.Context(), "ada", false); !errors.Is(err, credential.ErrNotFound) {
		t.Fatalf("get of none = %v", err)
	}
	c := newCredential()
	read, err := cache.put(t.Context(), "ada", nil, false, c)
	if err != nil {
		t.Fatal(err)
	}
	for generation := int64(2); generation < 5; generation++ {
		got, err := cache.get(t.Context(), "ada", false)
		if err != nil || !got.Equal(c) {
			t.Fatalf("get = %v, %v; want generation %d", got, err, c.SessionGeneration)
		}
		if generation%2 == 0 {
			catchUp()
		}
		c.SessionGeneration = generation
		if read, err = cache.put(t.Context(), "ada", read, false, c); err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	if _, err := cache.get(t.Context(), "ada", false); err != nil || !cache.written.CaughtUp("ada", "") {
		t.Errorf("the cache has caught up, and the write is still tracked (%v)", err)
	}
	cache.live.Reader = nil // From here on, a live read would panic.
	if got, err := cache.get(t.Context(), "ada", false); err != nil || !got.Equal(c) {
		t.Errorf("get = %v, %v from the cache", got, err)
	}
}

// TestCredentialCacheReadsLiveWhatItLacks: a credential that is not in the cache may just have been created by another process.
func TestCredentialCacheReadsLiveWhatItLacks(t *testing.T) {
	cache, _, _ := laggingCache(t)
	if _, err := cache.live.Create(t.Context(), "ada", newCredential()); err != nil { // Another process.
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if got, err := cache.get(t.Context(), "ada", fresh); err != nil || got.AccountID != "one" {
			t.Errorf("get = %v, %v", got, err)
		}
	}
}

// TestCredentialCacheRefusesOutdatedWrites: over another's write, nothing is written that was decided before.
func TestCredentialCacheRefusesOutdatedWrites(t *testing.T) {
	cache, _, catchUp := laggingCache(t)
	read, err := cache.put(t.Context(), "ada", nil, false, newCredential())
	if err != nil {
		t.Fatal(err)
	}
	catchUp()
	outdated, err := cache.get(t.Context(), "ada", false)
	if err != nil {
		t.Fatal(err)
	}
	theirs := newCredential()
	theirs.SessionGeneration = 7
	if _, err := cache.live.Update(t.Context(), read, theirs); err != nil {
		t.Fatal(err)
	}
	mine := newCredential()
	mine.SessionGeneration = 2
	for _, replace := range []bool{false, true} {
		if _, err := cache.put(t.Context(), "ada", outdated, replace, mine); !errors.Is(err, credential.ErrConflict) {
			t.Errorf("put over another's write (replace %t): %v", replace, err)
		}
	}
	if _, err := cache.put(t.Context(), "ada", nil, false, mine); !errors.Is(err, credential.ErrConflict) {
		t.Errorf("create of what exists: %v", err)
	}
	if got, err := cache.get(t.Context(), "ada", true); err != nil || got.SessionGeneration != 7 {
		t.Errorf("fresh get = %v, %v", got, err)
	}
}

// TestCredentialCacheWritesChangesOnly: what is stored already is not written again.
func TestCredentialCacheWritesChangesOnly(t *testing.T) {
	cache, _, _ := laggingCache(t)
	read, err := cache.put(t.Context(), "ada", nil, false, newCredential())
	if err != nil {
		t.Fatal(err)
	}
	cache.live.Writer = nil
	if again, err := cache.put(t.Context(), "ada", read, false, newCredential()); err != nil || again != read {
		t.Errorf("put = %v, %v", again, err)
	}
}

// TestCredentialCacheReturnsErrors: a Secret in the cache that is no credential is an error, and not looked up live.
func TestCredentialCacheReturnsErrors(t *testing.T) {
	cache, cached, _ := laggingCache(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: credentials, Name: "ada"}, Type: credential.SecretType}
	if err := cached.Create(t.Context(), secret.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.get(t.Context(), "ada", false); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("get = %v", err)
	}
}
