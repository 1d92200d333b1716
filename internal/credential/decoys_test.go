package credential

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/internal/account"
)

// decoyStore returns a store with all decoys.
func decoyStore(t *testing.T) (*Store, client.Client) {
	t.Helper()
	c := fake.NewClientBuilder().Build()
	s := &Store{Reader: c, Writer: c, Namespace: "credentials"}
	for i := range Decoys {
		if err := s.CreateDecoy(t.Context(), DecoyName(i)); err != nil {
			t.Fatal(err)
		}
	}
	return s, c
}

// fail records failures of a name that nobody has.
func fail(t *testing.T, s *Store, key DecoyKey, name string, f account.Failures) {
	t.Helper()
	r, err := s.GetDecoy(t.Context(), key, name, false)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Credential
	c.Failures = f
	if _, err := s.Update(t.Context(), r, c); err != nil {
		t.Fatal(err)
	}
}

func failuresOf(t *testing.T, s *Store, key DecoyKey, name string) account.Failures {
	t.Helper()
	r, err := s.GetDecoy(t.Context(), key, name, true)
	if err != nil {
		t.Fatal(err)
	}
	return r.Failures
}

// TestDecoysAreLeftOutOfBackups: Velero leaves decoys out of a backup by their label, also one that a former version has made without it
// and that was counted on since. Those of a backup would collide with the ones that the operator makes.
func TestDecoysAreLeftOutOfBackups(t *testing.T) {
	s, c := decoyStore(t)
	for i := range Decoys {
		secret := &corev1.Secret{}
		secret.Namespace, secret.Name = s.Namespace, DecoyName(i)
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
			t.Fatal(err)
		}
		if secret.Labels["velero.io/exclude-from-backup"] != "true" {
			t.Fatalf("%s has the labels %v", secret.Name, secret.Labels)
		}
		secret.Labels = nil
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	key := DecoyKey("a key")
	fail(t, s, key, "somebody", account.Failures{Consecutive: 1})
	name, _ := key.place("somebody")
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: s.Namespace, Name: name}, secret); err != nil || len(secret.Labels) != 1 {
		t.Errorf("after a failure %s has the labels %v, %v", name, secret.Labels, err)
	}
}

// TestDecoyRemembers: the failures of a name are read again with the same key, and with no other.
func TestDecoyRemembers(t *testing.T) {
	s, _ := decoyStore(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	for name, f := range map[string]account.Failures{
		"one":    {Times: []time.Time{at, at.Add(time.Second)}, Consecutive: 12},
		"locked": {LockedTime: at, Consecutive: 100},
	} {
		fail(t, s, DecoyKey("k"), name, f)
		if got := failuresOf(t, s, DecoyKey("k"), name); fmt.Sprint(got) != fmt.Sprint(f) {
			t.Errorf("came back as %+v, want %+v", got, f)
		}
		if got := failuresOf(t, s, DecoyKey("other"), name); got.Consecutive != 0 {
			t.Errorf("another key finds %+v", got)
		}
	}
}

// TestDecoyForgetsTheLeastRecent: of the names that share a decoy, the one is forgotten that was not tried for the longest time. The
// decoy is as large as a credential all the time.
func TestDecoyForgetsTheLeastRecent(t *testing.T) {
	s, c := decoyStore(t)
	key := DecoyKey("k")
	decoy, _ := key.place("name 0")
	var sharing []string
	for i := 0; len(sharing) < namesPerDecoy+1; i++ {
		name := fmt.Sprint("name ", i)
		if place, _ := key.place(name); place == decoy {
			sharing = append(sharing, name)
		}
	}
	last := sharing[namesPerDecoy]
	for _, name := range sharing[:namesPerDecoy] {
		fail(t, s, key, name, account.Failures{Consecutive: 1})
	}
	fail(t, s, key, sharing[0], account.Failures{Consecutive: 2})
	fail(t, s, key, last, account.Failures{Consecutive: 1})
	for name, want := range map[string]int{sharing[0]: 2, sharing[1]: 0, sharing[2]: 1, last: 1} {
		if got := failuresOf(t, s, key, name).Consecutive; got != want {
			t.Errorf("%q has %d failures, want %d", name, got, want)
		}
	}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "credentials", Name: decoy}, secret); err != nil {
		t.Fatal(err)
	}
	if size := len(secret.Data[keyNames]) + len(secret.Data[keyPadding]); size != decoyBytes {
		t.Errorf("it has %d bytes, want %d", size, decoyBytes)
	}
	if text := fmt.Sprint(secret); strings.Contains(text, "name 0") {
		t.Error("the decoy has a name that was typed")
	}
}

// TestDecoyPlaces: names are spread over all decoys.
func TestDecoyPlaces(t *testing.T) {
	used, entries := map[string]int{}, map[string]bool{}
	for i := range 20 * Decoys {
		decoy, entry := DecoyKey("k").place(fmt.Sprint(i))
		if !IsDecoyName(decoy) {
			t.Fatalf("%q is no decoy's name", decoy)
		}
		used[decoy]++
		entries[entry] = true
	}
	if len(used) != Decoys || len(entries) != 20*Decoys {
		t.Errorf("%d decoys are used, for %d names", len(used), len(entries))
	}
	for _, name := range []string{"decoy-256", "decoy-1", "decoy-0001", "decoy-", "account-x", "decoy--01", "decoy-+01"} {
		if IsDecoyName(name) {
			t.Errorf("%q passes for one", name)
		}
	}
}

// TestDamagedDecoy: of a decoy that was edited by hand, only the lines are lost that cannot be read.
func TestDamagedDecoy(t *testing.T) {
	s, c := decoyStore(t)
	key := DecoyKey("k")
	fail(t, s, key, "ada", account.Failures{Consecutive: 3})
	decoy, entry := key.place("ada")
	secret := &corev1.Secret{}
	id := client.ObjectKey{Namespace: "credentials", Name: decoy}
	if err := c.Get(t.Context(), id, secret); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"", "x", "x y 0", "x 1", "x 1 z", "x 1 0 z"} {
		secret.Data[keyNames] = append([]byte(line+"\n"), secret.Data[keyNames]...)
	}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if got := failuresOf(t, s, key, "ada").Consecutive; got != 3 {
		t.Errorf("%d failures of %s, want 3", got, entry)
	}
	if err := c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetDecoy(t.Context(), key, "ada", false); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), decoy) {
		t.Errorf("a missing one: %v", err)
	}
	if _, err := s.Create(t.Context(), decoy, account.Credential{AccountID: "1", Owner: account.Owner{Namespace: "a", Name: "b", UID: "c"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetDecoy(t.Context(), key, "ada", false); !errors.Is(err, ErrInvalid) {
		t.Errorf("one of another type: %v", err)
	}
}

// TestDecoyIsNoCredential: a decoy cannot be read as a credential.
func TestDecoyIsNoCredential(t *testing.T) {
	s, _ := decoyStore(t)
	if _, err := s.Get(t.Context(), DecoyName(0)); !errors.Is(err, ErrInvalid) {
		t.Errorf("read as a credential: %v", err)
	}
}
