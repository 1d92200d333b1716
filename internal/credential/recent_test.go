package credential

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/account"
)

// versions is an API server with one credential, which notes how recent each read has to be: "" is live.
type versions struct {
	client.Reader
	client.Writer
	version string
	// err is the answer to reads, and cached to those from memory, where set.
	err, cached error
	// waits tells that a read from memory waits for as long as it may.
	waits bool
	asked []string
}

func (v *versions) Get(ctx context.Context, _ client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	o := client.GetOptions{}
	o.ApplyOptions(opts)
	asked := ""
	if o.Raw != nil {
		asked = o.Raw.ResourceVersion
	}
	v.asked = append(v.asked, asked)
	if asked != "" && v.waits {
		<-ctx.Done()
		return ctx.Err()
	}
	if asked != "" && v.cached != nil {
		return v.cached
	}
	if v.err != nil {
		return v.err
	}
	secret := object.(*corev1.Secret)
	encode(account.Credential{AccountID: "a", Owner: account.Owner{Namespace: "team", Name: "ada", UID: "u"}, CreatedTime: time.Now()}, secret)
	secret.ResourceVersion = v.version
	return nil
}

func (v *versions) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	object.SetResourceVersion(v.version)
	return v.err
}

// last returns how recent the last read had to be, and forgets all.
func (v *versions) last(t *testing.T, reads int) string {
	t.Helper()
	if len(v.asked) != reads {
		t.Fatalf("asked %q, want %d reads", v.asked, reads)
	}
	last := v.asked[len(v.asked)-1]
	v.asked = nil
	return last
}

func TestRecentReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &versions{version: "90"}
		store := &Store{Reader: server, Writer: server}
		read := func() *Record {
			t.Helper()
			record, err := store.GetRecent(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			return record
		}
		record := read()
		if got := server.last(t, 1); got != "" {
			t.Errorf("the first read is at %q, want live", got)
		}
		read()
		if got := server.last(t, 1); got != "90" {
			t.Errorf("the next is at %q, want as of the first", got)
		}

		server.version = "100" // Longer, not greater as text.
		changed := record.Credential
		changed.SessionGeneration++
		if _, err := store.Update(t.Context(), record, changed); err != nil {
			t.Fatal(err)
		}
		read()
		if got := server.last(t, 1); got != "100" {
			t.Errorf("after a write it is at %q, want as of the write", got)
		}
		server.version = "95"
		if _, err := store.Get(t.Context(), "y"); err != nil {
			t.Fatal(err)
		}
		server.asked = nil
		read()
		if got := server.last(t, 1); got != "100" {
			t.Errorf("after a read of an older one it is at %q, want as of the write", got)
		}

		time.Sleep(confirmInterval) //nolint:forbidigo // of the bubble's clock
		read()
		if got := server.last(t, 1); got != "" {
			t.Errorf("after a second it is at %q, want live", got)
		}
	})
}

// TestRecentReadsNeedStorage: an API server that has lost its storage is not believed for longer than a second.
func TestRecentReadsNeedStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &versions{version: "90"}
		store := &Store{Reader: server, Writer: server}
		if _, err := store.Get(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(confirmInterval) //nolint:forbidigo // of the bubble's clock
		server.err, server.asked = errors.New("etcdserver: request timed out"), nil
		for range 3 {
			if _, err := store.GetRecent(t.Context(), "x"); err == nil || errors.Is(err, ErrNotFound) {
				t.Fatalf("answered %v, want the fault", err)
			}
			if got := server.last(t, 1); got != "" {
				t.Errorf("read at %q, want live until one succeeds", got)
			}
		}
		server.err = apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "x")
		if _, err := store.GetRecent(t.Context(), "x"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		server.asked = nil
		if _, err := store.GetRecent(t.Context(), "x"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if server.asked[0] != "90" {
			t.Errorf("read at %q: that there is none shows that storage is there", server.asked[0])
		}
		if got := server.last(t, 2); got != "" {
			t.Errorf("read at %q, want live: it may have been created a moment ago", got)
		}
	})
}

// TestRecentReadsThatFail: memory that cannot answer is left alone for a while, and what is known is not forgotten.
func TestRecentReadsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &versions{version: "900"}
		store := &Store{Reader: server, Writer: server}
		record, err := store.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		server.cached, server.asked = errors.New("Too large resource version"), nil
		read := func(reads int, want string) {
			t.Helper()
			if _, err := store.GetRecent(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if got := server.last(t, reads); got != want {
				t.Errorf("read at %q, want %q", got, want)
			}
		}
		read(2, "")
		read(1, "")
		time.Sleep(memoryPause) //nolint:forbidigo // of the bubble's clock
		server.cached = nil
		read(1, "") // A second has passed since storage answered.
		read(1, "900")

		// Storage that was restored to an earlier state gives a smaller version to a write.
		server.version = "50"
		changed := record.Credential
		changed.SessionGeneration++
		if _, err := store.Update(t.Context(), record, changed); err != nil {
			t.Fatal(err)
		}
		read(1, "50")
	})
}

// TestRecentReadsAreQuick: a client that waits for memory, as it does where that is behind, is not waited for.
func TestRecentReadsAreQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &versions{version: "900", waits: true}
		store := &Store{Reader: server, Writer: server}
		if _, err := store.Get(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := store.GetRecent(t.Context(), "x"); err != nil || time.Since(began) > memoryTimeout {
			t.Errorf("answered %v after %s", err, time.Since(began))
		}
	})
}

// TestWritesOutOfOrder: of two writes that were noted the wrong way round, the later one is remembered; one that is smaller
// than what was known when it began comes from storage that was restored.
func TestWritesOutOfOrder(t *testing.T) {
	var r recency
	r.seen("9")
	before := r.known()
	r.wrote("11", before)
	r.wrote("10", before)
	if got := r.known(); got != "11" {
		t.Errorf("the newest is %s, want 11", got)
	}
	r.wrote("5", r.known())
	if got := r.known(); got != "5" {
		t.Errorf("after a restore, the newest is %s, want 5", got)
	}
}

// TestWritesOutOfOrderAfterARestore: of two writes that began before a restore was noticed, the later one is remembered, and a
// read that was on its way since before the restore holds up nothing.
func TestWritesOutOfOrderAfterARestore(t *testing.T) {
	var r recency
	r.seen("11")
	before := r.known()
	r.wrote("7", before)
	r.wrote("6", before)
	if got := r.known(); got != "7" {
		t.Errorf("the newest is %s, want 7", got)
	}
	r.seen("11")
	r.wrote("8", r.known())
	if got := r.known(); got != "8" {
		t.Errorf("the newest is %s, want 8", got)
	}
}
