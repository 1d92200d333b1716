package credential

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/test/controlplane"
)

// cluster is started by the first test that needs it, so that fuzzing and the pure tests do without.
var cluster *controlplane.ControlPlane

func TestMain(m *testing.M) {
	code := m.Run()
	if cluster != nil {
		if err := cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// newStore returns a store on the real API server, in a namespace of the test's own.
func newStore(t *testing.T) (*Store, client.WithWatch) {
	t.Helper()
	if cluster == nil {
		started, err := controlplane.Start(t.Context(), controlplane.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cluster = started
	}
	api, err := client.NewWithWatch(cluster.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "credentials-"}}
	if err := api.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return &Store{Reader: api, Writer: api, Namespace: namespace.Name}, api
}

func create(t *testing.T, s *Store, c account.Credential) *Record {
	t.Helper()
	record, err := s.Create(t.Context(), Name("org", "ada"), c)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func get(t *testing.T, s *Store) *Record {
	t.Helper()
	record, err := s.Get(t.Context(), Name("org", "ada"))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// wantRecord fails unless a record holds a credential, and is the one that is stored.
func wantRecord(t *testing.T, s *Store, got *Record, want account.Credential) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("holds\n%+v\nwant\n%+v", got.Credential, want)
	}
	stored := get(t, s)
	if !stored.Equal(want) || stored.UID() != got.UID() || stored.ResourceVersion() != got.ResourceVersion() || stored.Name() != got.Name() {
		t.Errorf("stored is %s at %s\n%+v\nwant %s at %s\n%+v", stored.UID(), stored.ResourceVersion(), stored.Credential,
			got.UID(), got.ResourceVersion(), want)
	}
}

func TestStoreCreateAndGet(t *testing.T) {
	s, _ := newStore(t)
	if _, err := s.Get(t.Context(), Name("org", "ada")); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get() of none = %v, want ErrNotFound", err)
	}
	record := create(t, s, full())
	wantRecord(t, s, record, full())
	if record.UID() == "" || record.ResourceVersion() == "" || record.Name() != Name("org", "ada") {
		t.Errorf("record is %s %s at %s", record.Name(), record.UID(), record.ResourceVersion())
	}
	if _, err := s.Create(t.Context(), Name("org", "ada"), least()); !errors.Is(err, ErrConflict) {
		t.Errorf("Create() where there is one = %v, want ErrConflict", err)
	}
	wantRecord(t, s, record, full())
}

func TestStoreCreateWithoutNamespace(t *testing.T) {
	s, api := newStore(t)
	missing := &Store{Reader: api, Writer: api, Namespace: s.Namespace + "-missing"}
	_, err := missing.Create(t.Context(), "any", least())
	if err == nil || errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), missing.Namespace) {
		t.Errorf("Create() = %v, want an error that names the namespace: deciding again does not help", err)
	}
}

func TestStoreUpdate(t *testing.T) {
	s, _ := newStore(t)
	record := create(t, s, least())
	updated, err := s.Update(t.Context(), record, full())
	if err != nil {
		t.Fatal(err)
	}
	wantRecord(t, s, updated, full())
	if updated.UID() != record.UID() {
		t.Error("is another object")
	}
	if !record.Equal(least()) {
		t.Error("the record that was given has changed")
	}

	if _, err := s.Update(t.Context(), record, least()); err != nil {
		t.Errorf("an update that changes nothing of what was read needs no write: %v", err)
	}
	changed := least()
	changed.Failures.Consecutive = 1
	if _, err := s.Update(t.Context(), record, changed); !errors.Is(err, ErrConflict) {
		t.Errorf("Update() of an old read = %v, want ErrConflict", err)
	}
	wantRecord(t, s, updated, full())
}

func TestStoreUpdateWritesNothingWhenEqual(t *testing.T) {
	s, api := newStore(t)
	record := create(t, s, full())
	writes := 0
	s.Writer = interceptor.NewClient(api, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, obj, opts...)
		},
	})
	same, err := s.Update(t.Context(), get(t, s), full())
	if err != nil {
		t.Fatal(err)
	}
	if writes != 0 || same.ResourceVersion() != record.ResourceVersion() {
		t.Errorf("%d writes", writes)
	}
	wantRecord(t, s, record, full())
}

// TestStoreUnknownKeys: an update keeps keys and annotations that this version does not know. A replacement, for a new person, drops them.
func TestStoreUnknownKeys(t *testing.T) {
	s, api := newStore(t)
	create(t, s, least())
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: s.Namespace, Name: Name("org", "ada")}
	read := func() {
		t.Helper()
		if err := api.Get(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
	}
	read()
	secret.Data["devices.remembered"] = []byte("kept")
	secret.Annotations["example.org/note"] = "kept"
	if err := api.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}

	updated, err := s.Update(t.Context(), get(t, s), full())
	if err != nil {
		t.Fatal(err)
	}
	read()
	if string(secret.Data["devices.remembered"]) != "kept" || secret.Annotations["example.org/note"] != "kept" {
		t.Errorf("Update() lost %v, %v", secret.Annotations, secret.Data["devices.remembered"])
	}

	next := least()
	next.AccountID, next.Owner.UID, next.SessionGeneration = "01", "u2", 8
	replaced, err := s.Replace(t.Context(), updated, next)
	if err != nil {
		t.Fatal(err)
	}
	wantRecord(t, s, replaced, next)
	read()
	if len(secret.Data) != 3 || len(secret.Annotations) != 4 {
		t.Errorf("Replace() left %d keys and %v", len(secret.Data), secret.Annotations)
	}
	if _, err := s.Replace(t.Context(), updated, next); !errors.Is(err, ErrConflict) {
		t.Errorf("Replace() of an old read = %v, want ErrConflict", err)
	}
}

func TestStoreDelete(t *testing.T) {
	s, _ := newStore(t)
	record := create(t, s, least())
	updated, err := s.Update(t.Context(), record, full())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), record); !errors.Is(err, ErrConflict) {
		t.Errorf("Delete() of an old read = %v, want ErrConflict", err)
	}
	wantRecord(t, s, updated, full())
	if err := s.Delete(t.Context(), updated); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), updated); err != nil {
		t.Errorf("Delete() of one that is gone = %v", err)
	}
	changed := full()
	changed.Failures.Consecutive++
	if _, err := s.Update(t.Context(), updated, changed); !errors.Is(err, ErrConflict) {
		t.Errorf("Update() of one that is gone = %v, want ErrConflict", err)
	}
	if _, err := s.Replace(t.Context(), updated, changed); !errors.Is(err, ErrConflict) {
		t.Errorf("Replace() of one that is gone = %v, want ErrConflict", err)
	}

	again := create(t, s, full())
	if err := s.Delete(t.Context(), updated); !errors.Is(err, ErrConflict) {
		t.Errorf("Delete() where another has its name = %v, want ErrConflict", err)
	}
	if _, err := s.Update(t.Context(), updated, changed); !errors.Is(err, ErrConflict) {
		t.Errorf("Update() where another has its name = %v, want ErrConflict", err)
	}
	if again.UID() == updated.UID() {
		t.Error("a credential that is created again has the UID of the former")
	}
	wantRecord(t, s, again, full())
}

func TestStoreGetInvalid(t *testing.T) {
	s, api := newStore(t)
	secret := encoded(full())
	secret.Namespace, secret.Name = s.Namespace, Name("org", "ada")
	secret.Data[keySetTime] = []byte(secretText)
	if err := api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), secret.Name)
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), keySetTime) || strings.Contains(err.Error(), secretText) {
		t.Errorf("Get() = %v, want ErrInvalid that names the key alone", err)
	}
}

// TestStoreErrorsShowNoHash: no error shows a hash, whatever the API server refuses, or however it fails.
func TestStoreErrorsShowNoHash(t *testing.T) {
	s, api := newStore(t)
	record := create(t, s, full())
	c := full()
	c.AccountID = strings.Repeat("x", 2<<20) // more than a Secret may hold
	_, tooLarge := s.Update(t.Context(), record, c)
	_, badName := s.Create(t.Context(), "Not A Name", full())
	s.Reader = interceptor.NewClient(api, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("the API server is away")
		},
	})
	_, away := s.Get(t.Context(), record.Name())
	for name, err := range map[string]error{"too large": tooLarge, "bad name": badName, "away": away} {
		if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want the API server's error", name, err)
		} else if strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %q shows a hash", name, err)
		}
	}
}

// TestStoreOnWrite: OnWrite is called once for every write that was made, and for nothing else.
func TestStoreOnWrite(t *testing.T) {
	s, _ := newStore(t)
	var writes []string
	s.OnWrite = func(_ context.Context, before, after *Record) {
		brief := func(r *Record) string {
			if r == nil {
				return "none"
			}
			return fmt.Sprint(r.AccountID, "/", r.Failures.Consecutive)
		}
		writes = append(writes, brief(before)+" "+brief(after))
	}
	want := func(lines ...string) {
		t.Helper()
		if !slices.Equal(writes, lines) {
			t.Errorf("called with %q, want %q", writes, lines)
		}
		writes = nil
	}
	first := least()
	first.AccountID = "a1"
	record := create(t, s, first)
	want("none a1/0")
	if _, err := s.Create(t.Context(), record.Name(), first); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), record, first); err != nil {
		t.Fatal(err)
	}
	want()
	failed := first
	failed.Failures.Consecutive = 1
	updated, err := s.Update(t.Context(), record, failed)
	if err != nil {
		t.Fatal(err)
	}
	want("a1/0 a1/1")
	if _, err := s.Update(t.Context(), record, failed); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if _, err := s.Replace(t.Context(), record, failed); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	want()
	next := least()
	next.AccountID, next.Owner.UID = "a2", "u2"
	replaced, err := s.Replace(t.Context(), updated, next)
	if err != nil {
		t.Fatal(err)
	}
	want("a1/1 a2/0")
	for range 2 { // The second time it is gone already.
		if err := s.Delete(t.Context(), replaced); err != nil {
			t.Fatal(err)
		}
	}
	want("a2/0 none")
}
