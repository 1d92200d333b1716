package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/session"
)

// stubReader answers with what it is given, and counts how often it is asked.
type stubReader struct {
	credentials []string // UIDs
	keys        map[string][]byte
	err         error
	asked       int
}

func (s *stubReader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	s.asked++
	for _, uid := range s.credentials {
		list.(*metav1.PartialObjectMetadataList).Items = append(list.(*metav1.PartialObjectMetadataList).Items, *credentialOf(uid, "3"))
	}
	return s.err
}

// credentialOf is the metadata of a credential.
func credentialOf(uid, generation string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Annotations: map[string]string{
		v1alpha1.GroupName + "/account-namespace": "team", v1alpha1.GroupName + "/account-name": "ada",
		v1alpha1.GroupName + "/account-uid": "u", v1alpha1.GroupName + "/session-generation": generation,
	}}}
}

// knowing is an index of credentials that a watch has told of.
func knowing(uids ...string) *known {
	k := &known{byUID: map[types.UID]knownSession{}}
	for _, uid := range uids {
		k.OnAdd(credentialOf(uid, "3"), true)
	}
	return k
}

// inTouch is contact that is never lost.
type inTouch struct{}

func (inTouch) Err() error { return nil }

// TestSessionsOfTheWatch: each event shows at once, and a credential that is gone leaves nothing behind.
func TestSessionsOfTheWatch(t *testing.T) {
	k := knowing("a", "b", "c")
	k.OnUpdate(credentialOf("a", "3"), credentialOf("a", "4"))
	k.OnUpdate(credentialOf("b", "3"), credentialOf("d", "1")) // deleted and created again while the watch was away
	k.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "x", Obj: credentialOf("c", "3")})
	k.OnUpdate(nil, credentialOf("damaged", "many"))
	for uid, generation := range map[string]int64{"a": 4, "d": 1} {
		if found, ok := k.find(uid); !ok || found.err != nil || found.session.Generation != generation {
			t.Errorf("%s: %+v", uid, found)
		}
	}
	if found, ok := k.find("damaged"); !ok || !errors.Is(found.err, credential.ErrInvalid) {
		t.Errorf("one that is damaged: %+v", found)
	}
	k.OnDelete(credentialOf("damaged", "many"))
	if len(k.byUID) != 2 {
		t.Errorf("%d are known, want 2", len(k.byUID))
	}
}

func (s *stubReader) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.asked++
	object.(*corev1.Secret).Data = s.keys
	return s.err
}

// TestCredentialBehindTheWatch: one list answers for all tokens that were issued before it, however many ask.
func TestCredentialBehindTheWatch(t *testing.T) {
	live := &stubReader{credentials: []string{"a", "b"}}
	c := newCredentials(knowing("a"), inTouch{}, nil, live, "keyturn-credentials")
	long, justNow := time.Now().Add(-time.Hour), time.Now()
	for _, step := range []struct {
		uid    string
		issued time.Time
		want   error
		asked  int // live
	}{
		{"a", long, nil, 0},
		{"b", justNow, nil, 1},
		{"gone", long, credential.ErrNotFound, 1},
		{"gone too", long, credential.ErrNotFound, 1},
		{"gone as well", justNow, credential.ErrNotFound, 2}, // It could have been created after the list.
		{"gone as well", justNow, credential.ErrNotFound, 2}, // It was looked for.
		{"another", justNow, ErrBusy, 2},
		{"another", long, credential.ErrNotFound, 2},
		{"b", long, ErrBusy, 2}, // It was there.
		{"a", justNow, nil, 2},
	} {
		got, err := c.Session(t.Context(), step.uid, step.issued)
		if !errors.Is(err, step.want) || live.asked != step.asked {
			t.Fatalf("%q: %v after %d live lists, want %v after %d", step.uid, err, live.asked, step.want, step.asked)
		}
		if err == nil && (got.Generation != 3 || got.CredentialUID != step.uid || got.Owner.Name != "ada") {
			t.Errorf("%q: %+v", step.uid, got)
		}
	}
}

func TestCredentialWhileTheAPIServerIsAway(t *testing.T) {
	away := errors.New("away")
	c := newCredentials(knowing(), inTouch{}, nil, &stubReader{err: away}, "keyturn-credentials")
	for range 2 {
		if _, err := c.Session(t.Context(), "a", time.Now().Add(-time.Hour)); !errors.Is(err, away) {
			t.Errorf("answered %v: what is not known must not be taken for gone", err)
		}
	}
}

// outOfTouch has lost its watches.
type outOfTouch struct{}

func (outOfTouch) Err() error { return credential.ErrStale }

// TestOutOfTouch: nothing is told that may be over by now, of names neither.
func TestOutOfTouch(t *testing.T) {
	c := newCredentials(knowing("a"), outOfTouch{}, nil, &stubReader{}, "keyturn-credentials")
	if _, err := c.Session(t.Context(), "a", time.Now()); !errors.Is(err, credential.ErrStale) {
		t.Errorf("of a session: %v", err)
	}
	if _, err := c.Known(t.Context(), "account-a"); !errors.Is(err, credential.ErrStale) {
		t.Errorf("of a name: %v", err)
	}
}

func TestKeysReload(t *testing.T) {
	now := time.Now()
	ring, _, _, err := (&session.Ring{}).Rotate(now, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	live := &stubReader{keys: ring.Encode()}
	k := &Keys{live: live, reloads: rate.NewLimiter(rate.Every(time.Hour), 1)}
	k.ring.Store(&session.Ring{})
	for range 3 {
		got, err := k.Reload(t.Context())
		if err != nil || got.Len() != 1 || k.Ring().Len() != 1 {
			t.Fatalf("reloaded %v, %v", got, err)
		}
	}
	if live.asked != 1 {
		t.Errorf("%d live reads: anybody can make up a key", live.asked)
	}

	live.err, k.reloads = errors.New("away"), rate.NewLimiter(rate.Inf, 1)
	if _, err := k.Reload(t.Context()); !errors.Is(err, live.err) || k.Ring().Len() != 1 {
		t.Errorf("while the API server is away: %v, %v", err, k.Ring())
	}
	live.err, live.keys = apierrors.NewNotFound(schema.GroupResource{}, "x"), nil
	// The watch may have delivered a new ring since the API server said so.
	if got, err := k.Reload(t.Context()); err != nil || got.Len() != 1 || k.Ring().Len() != 1 {
		t.Errorf("after a live read that found no keys: %v, %v; only the watch may say that they are gone", got, err)
	}
}

func TestKeysThatAreDamaged(t *testing.T) {
	k := &Keys{}
	ring, _, _, err := (&session.Ring{}).Rotate(time.Now(), time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	data := ring.Encode()
	data["damaged"] = []byte("-----BEGIN nonsense")
	k.observe(&corev1.Secret{Data: data})
	if k.Ring().Len() != 1 {
		t.Errorf("%v, want the key that is whole", k.Ring())
	}
}

// TestKeysOutOfOrder: what a live read has brought is not undone by what a watch brings late.
func TestKeysOutOfOrder(t *testing.T) {
	k := &Keys{}
	older, _, _, err := (&session.Ring{}).Rotate(time.Now().Add(-2*time.Hour), time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	newer, _, _, err := older.Rotate(time.Now(), time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(ring *session.Ring, version string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}, Data: ring.Encode()}
	}
	k.observe(secret(newer, "100"))
	k.observe(secret(older, "99"))
	if k.Ring().Len() != newer.Len() {
		t.Errorf("%d keys, want the %d of the newer ring", k.Ring().Len(), newer.Len())
	}
	k.observe(&corev1.Secret{})
	if k.Ring().Len() != 0 {
		t.Error("deleted keys still sign")
	}
	k.observe(secret(older, "101"))
	if k.Ring().Len() != older.Len() {
		t.Error("keys that were made anew are not taken")
	}
}

func TestStrip(t *testing.T) {
	declared := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{
			ManagedFields: []metav1.ManagedFieldsEntry{{}},
			Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "other": "kept"},
		},
		Status: v1alpha1.UserAccountStatus{Username: "ada"},
	}
	if _, err := strip(declared); err != nil {
		t.Fatal(err)
	}
	if declared.ManagedFields != nil || len(declared.Annotations) != 1 || declared.Status.Username != "" {
		t.Errorf("left is %+v", declared)
	}
}
