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

// stores returns records over a cache that lags as far behind as the test wants: what is written to the API server is
// in the cache only after catchUp.
func stores(t *testing.T) (r *records, cache client.Client, catchUp func()) {
	t.Helper()
	live := fake.NewFakeClient()
	cache = fake.NewFakeClient()
	r = newRecords(
		&credential.Store{Reader: cache, Namespace: credentials},
		&credential.Store{Reader: live, Writer: live, Namespace: credentials},
	)
	return r, cache, func() {
		t.Helper()
		all := &corev1.SecretList{}
		if err := live.List(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if err := cache.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(credentials)); err != nil {
			t.Fatal(err)
		}
		// The fake's own versions begin anew, so the cache is made of objects that have theirs already.
		cache = fake.NewClientBuilder().WithLists(all).Build()
		r.cached.Reader = cache
	}
}

func newCredential() account.Credential {
	return account.Credential{AccountID: "one", Owner: account.Owner{Namespace: "acme", Name: "ada", UID: "1"}, SessionGeneration: 1}
}

func TestRecordsReadWhatWasWritten(t *testing.T) {
	r, _, catchUp := stores(t)
	if _, err := r.get(t.Context(), "ada", false); !errors.Is(err, credential.ErrNotFound) {
		t.Fatalf("before all: %v", err)
	}
	c := newCredential()
	read, err := r.put(t.Context(), "ada", nil, false, c)
	if err != nil {
		t.Fatal(err)
	}
	for generation := int64(2); generation < 5; generation++ {
		got, err := r.get(t.Context(), "ada", false)
		if err != nil || !got.Equal(c) {
			t.Fatalf("get = %v, %v; want generation %d", got, err, c.SessionGeneration)
		}
		if generation%2 == 0 {
			catchUp()
		}
		c.SessionGeneration = generation
		if read, err = r.put(t.Context(), "ada", read, false, c); err != nil {
			t.Fatal(err)
		}
	}
	catchUp()
	if _, err := r.get(t.Context(), "ada", false); err != nil || !r.written.CaughtUp("ada", "") {
		t.Errorf("the cache has caught up, and the write is remembered (%v)", err)
	}
	r.live.Reader = nil // Whatever is in the cache is taken from there.
	if got, err := r.get(t.Context(), "ada", false); err != nil || !got.Equal(c) {
		t.Errorf("get = %v, %v from the cache", got, err)
	}
}

func TestRecordsAskLiveWhereTheCacheHasNone(t *testing.T) {
	r, _, _ := stores(t)
	if _, err := r.live.Create(t.Context(), "ada", newCredential()); err != nil { // Another process.
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if got, err := r.get(t.Context(), "ada", fresh); err != nil || got.AccountID != "one" {
			t.Errorf("get = %v, %v", got, err)
		}
	}
}

func TestRecordsRefuseStaleWrites(t *testing.T) {
	r, _, catchUp := stores(t)
	read, err := r.put(t.Context(), "ada", nil, false, newCredential())
	if err != nil {
		t.Fatal(err)
	}
	catchUp()
	stale, err := r.get(t.Context(), "ada", false)
	if err != nil {
		t.Fatal(err)
	}
	theirs := newCredential()
	theirs.SessionGeneration = 7
	if _, err := r.live.Update(t.Context(), read, theirs); err != nil {
		t.Fatal(err)
	}
	mine := newCredential()
	mine.SessionGeneration = 2
	for _, replace := range []bool{false, true} {
		if _, err := r.put(t.Context(), "ada", stale, replace, mine); !errors.Is(err, credential.ErrConflict) {
			t.Errorf("put over another's write (replace %t): %v", replace, err)
		}
	}
	if _, err := r.put(t.Context(), "ada", nil, false, mine); !errors.Is(err, credential.ErrConflict) {
		t.Errorf("create of what exists: %v", err)
	}
	if got, err := r.get(t.Context(), "ada", true); err != nil || got.SessionGeneration != 7 {
		t.Errorf("fresh get = %v, %v", got, err)
	}
}

func TestRecordsWriteNothingThatIsThere(t *testing.T) {
	r, _, _ := stores(t)
	read, err := r.put(t.Context(), "ada", nil, false, newCredential())
	if err != nil {
		t.Fatal(err)
	}
	r.live.Writer = nil
	if again, err := r.put(t.Context(), "ada", read, false, newCredential()); err != nil || again != read {
		t.Errorf("put = %v, %v", again, err)
	}
}

// A Secret that is no credential is an error, from the cache and live, and stays the same one.
func TestRecordsTellOfInvalidOnes(t *testing.T) {
	r, cache, _ := stores(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: credentials, Name: "ada"}, Type: credential.SecretType}
	if err := cache.Create(t.Context(), secret.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.get(t.Context(), "ada", false); !errors.Is(err, credential.ErrInvalid) {
		t.Errorf("get = %v", err)
	}
}
