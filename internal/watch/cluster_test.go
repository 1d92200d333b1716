package watch

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// stubReader answers with what it is given, and counts how often it is asked.
type stubReader struct {
	client.Reader

	credentials []string // UIDs
	err         error
	asked       int
	// reading is called while the answer is on its way.
	reading func()
}

func (s *stubReader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	s.asked++
	if s.reading != nil {
		defer s.reading()
	}
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

// TestCredentialOfALiveList counts for the session check that asked, and for no other: while the list is on its way the watch can
// tell that the credential was deleted. A UID that the list did not have is forgotten as soon as the watch tells of it, as it does
// after a restore.
func TestCredentialOfALiveList(t *testing.T) {
	watched, live := knowing(), &stubReader{credentials: []string{"deleted"}}
	c := newCredentials(watched, inTouch{}, nil, live, "keyturn-credentials")
	live.reading = func() {
		watched.OnAdd(credentialOf("deleted", "3"), false)
		watched.OnDelete(credentialOf("deleted", "3"))
		live.credentials = nil
	}
	issued := time.Now()
	for _, want := range []error{nil, credential.ErrNotFound} {
		if _, err := c.Session(t.Context(), "deleted", issued); !errors.Is(err, want) {
			t.Errorf("answered %v, want %v", err, want)
		}
	}
	watched.OnAdd(credentialOf("deleted", "2"), false)
	if found, err := c.Session(t.Context(), "deleted", issued); err != nil || found.Generation != 2 {
		t.Errorf("restored: %+v, %v", found, err)
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
