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

// fakeServer is an API server with one credential. It records the resource version that each read must not be older than; that of a read
// from storage is "".
type fakeServer struct {
	client.Reader
	client.Writer
	version string
	// err is the answer to all reads and writes, and memoryErr that to reads from memory, where they are set.
	err, memoryErr error
	// waits has a read from memory wait until its client gives up.
	waits bool
	asked []string
}

func (f *fakeServer) Get(ctx context.Context, _ client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	o := client.GetOptions{}
	o.ApplyOptions(opts)
	asked := ""
	if o.Raw != nil {
		asked = o.Raw.ResourceVersion
	}
	f.asked = append(f.asked, asked)
	if asked != "" && f.waits {
		<-ctx.Done()
		return ctx.Err()
	}
	if asked != "" && f.memoryErr != nil {
		return f.memoryErr
	}
	if f.err != nil {
		return f.err
	}
	secret := object.(*corev1.Secret)
	encode(account.Credential{AccountID: "a", Owner: account.Owner{Namespace: "team", Name: "ada", UID: "u"}, CreatedTime: time.Now()}, secret)
	secret.ResourceVersion = f.version
	return nil
}

func (f *fakeServer) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	object.SetResourceVersion(f.version)
	return f.err
}

// last returns what the last of so many reads asked for, and forgets them.
func (f *fakeServer) last(t *testing.T, reads int) string {
	t.Helper()
	if len(f.asked) != reads {
		t.Fatalf("asked %q, want %d reads", f.asked, reads)
	}
	last := f.asked[len(f.asked)-1]
	f.asked = nil
	return last
}

// TestRecentReads: a read from memory asks for at least the newest version that the store has read or written, and there is one from
// storage every second.
func TestRecentReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{version: "90"}
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
			t.Errorf("the first read is at %q, want storage", got)
		}
		read()
		if got := server.last(t, 1); got != "90" {
			t.Errorf("the next is at %q, want the version of the first", got)
		}

		server.version = "100" // Longer, not greater as text.
		changed := record.Credential
		changed.SessionGeneration++
		if _, err := store.Update(t.Context(), record, changed); err != nil {
			t.Fatal(err)
		}
		read()
		if got := server.last(t, 1); got != "100" {
			t.Errorf("after a write it is at %q, want the version of the write", got)
		}
		server.version = "95"
		if _, err := store.Get(t.Context(), "y"); err != nil {
			t.Fatal(err)
		}
		server.asked = nil
		read()
		if got := server.last(t, 1); got != "100" {
			t.Errorf("after a read of an older one it is at %q, want the version of the write", got)
		}

		time.Sleep(storageInterval) //nolint:forbidigo // of the bubble's clock
		read()
		if got := server.last(t, 1); got != "" {
			t.Errorf("after a second it is at %q, want storage", got)
		}
	})
}

// TestRecentReadsNeedStorage: an API server that cannot reach its storage is relied upon for a second, and no longer.
func TestRecentReadsNeedStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{version: "90"}
		store := &Store{Reader: server, Writer: server}
		if _, err := store.Get(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(storageInterval) //nolint:forbidigo // of the bubble's clock
		server.err, server.asked = errors.New("etcdserver: request timed out"), nil
		for range 3 {
			if _, err := store.GetRecent(t.Context(), "x"); err == nil || errors.Is(err, ErrNotFound) {
				t.Fatalf("returned %v, want the error of the API server", err)
			}
			if got := server.last(t, 1); got != "" {
				t.Errorf("read at %q, want storage until one succeeds", got)
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
			t.Errorf("read at %q: an answer that there is no credential comes from storage, too", server.asked[0])
		}
		if got := server.last(t, 2); got != "" {
			t.Errorf("read at %q, want storage: it may have been created a moment ago", got)
		}
	})
}

// TestRecentReadsThatFail: after a read from memory has failed, all reads are from storage for a while. The newest version is not forgotten.
func TestRecentReadsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{version: "900"}
		store := &Store{Reader: server, Writer: server}
		record, err := store.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		server.memoryErr, server.asked = errors.New("Too large resource version"), nil
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
		server.memoryErr = nil
		read(1, "") // Storage has not answered for a second.
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

// TestRecentReadsAreQuick: where memory is behind, and the API server waits for it, the read goes to storage soon.
func TestRecentReadsAreQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{version: "900", waits: true}
		store := &Store{Reader: server, Writer: server}
		if _, err := store.Get(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := store.GetRecent(t.Context(), "x"); err != nil || time.Since(began) > memoryTimeout {
			t.Errorf("returned %v after %s", err, time.Since(began))
		}
	})
}

// TestWritesOutOfOrder: of two writes that are noted the wrong way round, the later one counts. A write with a smaller version than was
// known when it began was made in storage that has been restored.
func TestWritesOutOfOrder(t *testing.T) {
	var r recency
	r.noteVersion("9")
	before := r.newestVersion()
	r.noteWrite("11", before)
	r.noteWrite("10", before)
	if got := r.newestVersion(); got != "11" {
		t.Errorf("the newest is %s, want 11", got)
	}
	r.noteWrite("5", r.newestVersion())
	if got := r.newestVersion(); got != "5" {
		t.Errorf("after a restore, the newest is %s, want 5", got)
	}
}

// TestWritesOutOfOrderAfterARestore: of two writes that began before a restore was noticed, the later one counts. A read that began before
// the restore does no lasting harm.
func TestWritesOutOfOrderAfterARestore(t *testing.T) {
	var r recency
	r.noteVersion("11")
	before := r.newestVersion()
	r.noteWrite("7", before)
	r.noteWrite("6", before)
	if got := r.newestVersion(); got != "7" {
		t.Errorf("the newest is %s, want 7", got)
	}
	r.noteVersion("11")
	r.noteWrite("8", r.newestVersion())
	if got := r.newestVersion(); got != "8" {
		t.Errorf("the newest is %s, want 8", got)
	}
}
