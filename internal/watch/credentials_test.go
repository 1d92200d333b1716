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

// stubReader is an API server with some credentials; it counts how often they are listed.
type stubReader struct {
	client.Reader

	credentials []string // UIDs
	err         error
	lists       int
	// afterRead is called after the list was read and before it is returned.
	afterRead func()
}

func (s *stubReader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	s.lists++
	if s.afterRead != nil {
		defer s.afterRead()
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

// indexWith returns an index to which a watch has added credentials with these UIDs.
func indexWith(uids ...string) *sessionIndex {
	index := emptySessionIndex()
	for _, uid := range uids {
		index.OnAdd(credentialOf(uid, "3"), true)
	}
	return index
}

func healthy() error { return nil }

// TestSessionIndex: the index follows each event, and keeps nothing of a deleted credential.
func TestSessionIndex(t *testing.T) {
	index := indexWith("a", "b", "c")
	index.OnUpdate(credentialOf("a", "3"), credentialOf("a", "4"))
	index.OnUpdate(credentialOf("b", "3"), credentialOf("d", "1")) // deleted and created again while the watch was interrupted
	index.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "x", Obj: credentialOf("c", "3")})
	index.OnUpdate(nil, credentialOf("damaged", "many"))
	for uid, generation := range map[string]int64{"a": 4, "d": 1} {
		if found, ok := index.find(uid); !ok || found.err != nil || found.session.Generation != generation {
			t.Errorf("%s: %+v", uid, found)
		}
	}
	if found, ok := index.find("damaged"); !ok || !errors.Is(found.err, credential.ErrInvalid) {
		t.Errorf("a damaged one: %+v", found)
	}
	index.OnDelete(credentialOf("damaged", "many"))
	if len(index.byUID) != 2 {
		t.Errorf("the index has %d credentials, want 2", len(index.byUID))
	}
}

// TestCredentialThatTheWatchDoesNotHave: it is looked for in a live list, and one list answers for all tokens that were issued
// before it.
func TestCredentialThatTheWatchDoesNotHave(t *testing.T) {
	live := &stubReader{credentials: []string{"a", "b"}}
	c := newCredentials(indexWith("a"), nil, healthy, nil, live, "keyturn-credentials")
	long, justNow := time.Now().Add(-time.Hour), time.Now()
	for _, step := range []struct {
		uid    string
		issued time.Time
		want   error
		lists  int // live
	}{
		{"a", long, nil, 0},
		{"b", justNow, nil, 1},
		{"gone", long, credential.ErrNotFound, 1},
		{"gone too", long, credential.ErrNotFound, 1},
		{"gone as well", justNow, credential.ErrNotFound, 2}, // It could have been created after the list.
		{"gone as well", justNow, credential.ErrNotFound, 2}, // The list of this token did not have it.
		{"another", justNow, ErrBusy, 2},
		{"another", long, credential.ErrNotFound, 2},
		{"b", long, ErrBusy, 2}, // The last list had it, so it is no proof that it is gone.
		{"a", justNow, nil, 2},
	} {
		got, err := c.Session(t.Context(), step.uid, step.issued)
		if !errors.Is(err, step.want) || live.lists != step.lists {
			t.Fatalf("%q: %v after %d live lists, want %v after %d", step.uid, err, live.lists, step.want, step.lists)
		}
		if err == nil && (got.Generation != 3 || got.CredentialUID != step.uid || got.Owner.Name != "ada") {
			t.Errorf("%q: %+v", step.uid, got)
		}
	}
}

// TestCredentialOfALiveList: a credential that a live list has serves the session check that made the list, and no later one: the
// watch may report in the meantime that it was deleted. A UID that a list did not have is found as soon as the watch reports it, as
// after a restore from a backup.
func TestCredentialOfALiveList(t *testing.T) {
	watched, live := indexWith(), &stubReader{credentials: []string{"deleted"}}
	c := newCredentials(watched, nil, healthy, nil, live, "keyturn-credentials")
	live.afterRead = func() {
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

func TestCredentialWhileTheAPIServerIsDown(t *testing.T) {
	down := errors.New("down")
	c := newCredentials(indexWith(), nil, healthy, nil, &stubReader{err: down}, "keyturn-credentials")
	for range 2 {
		if _, err := c.Session(t.Context(), "a", time.Now().Add(-time.Hour)); !errors.Is(err, down) {
			t.Errorf("answered %v, want the API server's error: the credential may exist", err)
		}
	}
}

// TestCredentialsOfStaleWatches: neither a session nor a name is answered from watches that may be out of date.
func TestCredentialsOfStaleWatches(t *testing.T) {
	c := newCredentials(indexWith("a"), nil, func() error { return credential.ErrStale }, nil, &stubReader{}, "keyturn-credentials")
	if _, err := c.Session(t.Context(), "a", time.Now()); !errors.Is(err, credential.ErrStale) {
		t.Errorf("session: %v", err)
	}
	if _, err := c.Known(t.Context(), "account-a"); !errors.Is(err, credential.ErrStale) {
		t.Errorf("name: %v", err)
	}
}
