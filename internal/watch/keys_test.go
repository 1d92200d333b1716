package watch

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/token"
)

// keyServer is an API server that has the Secret of the key ring, or none. Its watch reports only the events that the test sends.
type keyServer struct {
	client.Reader

	mu sync.Mutex
	// stored is what a live read finds; nil is no Secret.
	stored *corev1.Secret
	// listed is what a watch that has to begin anew lists.
	listed *corev1.Secret
	opened *apiwatch.FakeWatcher
	// afterRead is called after a live read and before its answer arrives.
	afterRead func()
	err       error
	reads     int
}

// Get answers a live read.
func (s *keyServer) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.reads++
	found, err := s.stored, s.err
	if s.afterRead != nil {
		s.afterRead()
	}
	switch {
	case err != nil:
		return err
	case found == nil:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, token.SecretName)
	}
	found.DeepCopyInto(object.(*corev1.Secret))
	return nil
}

// list is what a list of the Secrets answers.
func (s *keyServer) list() *corev1.SecretList {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	if s.listed != nil {
		list.ResourceVersion = s.listed.ResourceVersion
		list.Items = []corev1.Secret{*s.listed.DeepCopy()}
	}
	return list
}

// keyWatch is the watch of a keyServer.
type keyWatch struct{ server *keyServer }

// IsWatchListSemanticsUnSupported has the watch begin with a list.
func (keyWatch) IsWatchListSemanticsUnSupported() bool { return true }

// List implements toolscache.ListerWatcher.
func (w keyWatch) List(metav1.ListOptions) (runtime.Object, error) { return w.server.list(), nil }

// Watch implements toolscache.ListerWatcher.
func (w keyWatch) Watch(metav1.ListOptions) (apiwatch.Interface, error) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	w.server.opened = apiwatch.NewFakeWithChanSize(8, false)
	return w.server.opened, nil
}

// send has the watch report an event.
func (s *keyServer) send(event apiwatch.EventType, secret *corev1.Secret) {
	s.mu.Lock()
	opened := s.opened
	s.mu.Unlock()
	opened.Action(event, secret.DeepCopy())
	synctest.Wait()
}

// breakWatch interrupts the watch, so that it begins anew with a list.
func (s *keyServer) breakWatch(listed *corev1.Secret) {
	s.mu.Lock()
	s.listed = listed
	opened := s.opened
	s.mu.Unlock()
	opened.Action(apiwatch.Error, &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired})
	<-time.After(time.Minute) // of the bubble's clock: the watch backs off
	synctest.Wait()
}

// keyCache is a cache of the key ring alone.
type keyCache struct {
	cache.Cache

	informer toolscache.SharedIndexInformer
}

func (c keyCache) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return c.informer, nil
}

// followKeys follows the key ring of a server that has a Secret, or nil for none. Only in a synctest bubble.
func followKeys(t *testing.T, secret *corev1.Secret) (*Keys, *keyServer) {
	t.Helper()
	server := &keyServer{stored: secret, listed: secret}
	informer := toolscache.NewSharedIndexInformer(keyWatch{server}, &corev1.Secret{}, 0, toolscache.Indexers{})
	k, err := newKeys(t.Context(), keyCache{informer: informer}, server, "keyturn-system")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); informer.RunWithContext(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	synctest.Wait()
	return k, server
}

// ringSecret is the Secret of a new ring, at a resource version.
func ringSecret(t *testing.T, version int) *corev1.Secret {
	t.Helper()
	ring, _, _, err := (&token.Ring{}).Rotate(time.Now(), time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "keyturn-system", Name: token.SecretName, ResourceVersion: fmt.Sprint(version)},
		Data:       ring.Encode(),
	}
}

// deletedAt is the object in the event of a deletion.
func deletedAt(secret *corev1.Secret, version int) *corev1.Secret {
	gone := secret.DeepCopy()
	gone.ResourceVersion = fmt.Sprint(version)
	return gone
}

// expectRing fails the test unless a ring has the keys of a Secret; none for nil. Keys are not printed.
func expectRing(t *testing.T, what string, ring *token.Ring, want *corev1.Secret) {
	t.Helper()
	data := map[string][]byte{}
	if want != nil {
		data = want.Data
	}
	if !reflect.DeepEqual(ring.Encode(), data) {
		t.Errorf("%s: a ring of %d keys, want the other one, which has %d entries", what, ring.Len(), len(data))
	}
}

// TestKeysDuringALiveRead: whatever the watch reports during a live read, the ring is afterwards what the watch reported last. The
// answer of the live read serves the request that caused it, and no other.
func TestKeysDuringALiveRead(t *testing.T) {
	for name, during := range map[string]func(t *testing.T, s *keyServer, first, second *corev1.Secret) (answer, after *corev1.Secret){
		"found nothing, and the ring is made anew": func(_ *testing.T, s *keyServer, first, second *corev1.Secret) (_, after *corev1.Secret) {
			s.stored = nil
			s.afterRead = func() {
				s.send(apiwatch.Deleted, deletedAt(first, 11))
				s.send(apiwatch.Added, second)
			}
			return nil, second
		},
		"found nothing, and the watch has not reported that yet": func(_ *testing.T, s *keyServer, first, _ *corev1.Secret) (_, after *corev1.Secret) {
			s.stored = nil
			return nil, first
		},
		"found the ring, and it is deleted": func(_ *testing.T, s *keyServer, first, _ *corev1.Secret) (answer, _ *corev1.Secret) {
			s.afterRead = func() { s.send(apiwatch.Deleted, deletedAt(first, 11)) }
			return first, nil
		},
		"found the ring, and it is replaced": func(_ *testing.T, s *keyServer, first, second *corev1.Secret) (answer, after *corev1.Secret) {
			s.afterRead = func() { s.send(apiwatch.Modified, second) }
			return first, second
		},
		"found a ring, and the watch reports later that it was made and deleted": func(_ *testing.T, s *keyServer, first, second *corev1.Secret) (answer, _ *corev1.Secret) {
			s.stored = second
			s.afterRead = func() {
				s.send(apiwatch.Deleted, deletedAt(first, 11))
				s.send(apiwatch.Added, second)
				s.send(apiwatch.Deleted, deletedAt(second, 21))
			}
			return second, nil
		},
		"found a ring that the watch has not reported yet": func(_ *testing.T, s *keyServer, first, second *corev1.Secret) (answer, after *corev1.Secret) {
			s.stored = second
			return second, first
		},
		"failed": func(_ *testing.T, s *keyServer, first, _ *corev1.Secret) (_, after *corev1.Secret) {
			s.err = errors.New("down")
			return nil, first
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := ringSecret(t, 10), ringSecret(t, 20)
				k, server := followKeys(t, first)
				expectRing(t, "at first", k.Ring(), first)
				answer, after := during(t, server, first, second)
				got, err := k.Reload(t.Context())
				if !errors.Is(err, server.err) {
					t.Errorf("reloaded: %v", err)
				}
				if err == nil {
					expectRing(t, "for the request", got, answer)
				}
				expectRing(t, "afterwards", k.Ring(), after)
			})
		})
	}
}

// TestKeysFollowTheWatch: the ring is what the watch holds, in whichever order the events come. Resource versions play no part:
// storage that was restored to an earlier state begins with smaller ones, and may give one of them to another ring.
func TestKeysFollowTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, server := followKeys(t, nil)
		expectRing(t, "before there is a Secret", k.Ring(), nil)
		first := ringSecret(t, 10)
		server.send(apiwatch.Added, first)
		expectRing(t, "made", k.Ring(), first)
		once := k.Ring()
		relabelled := first.DeepCopy()
		relabelled.ResourceVersion, relabelled.Labels = "15", map[string]string{"team": "red"}
		for range 2 {
			if once != k.Ring() {
				t.Error("the same keys are decoded again, which forgets the tokens that they have verified")
			}
			server.send(apiwatch.Modified, relabelled)
		}
		rotated := ringSecret(t, 20)
		server.send(apiwatch.Modified, rotated)
		expectRing(t, "rotated", k.Ring(), rotated)

		server.breakWatch(nil)
		expectRing(t, "deleted while the watch was interrupted", k.Ring(), nil)
		anew := ringSecret(t, 40)
		server.breakWatch(anew)
		expectRing(t, "made anew while the watch was interrupted", k.Ring(), anew)
		server.breakWatch(first)
		expectRing(t, "restored to an earlier state", k.Ring(), first)
		other := ringSecret(t, 10)
		server.breakWatch(other)
		expectRing(t, "restored, and the same version is another ring's", k.Ring(), other)
		server.send(apiwatch.Modified, ringSecret(t, 11))
		server.send(apiwatch.Deleted, deletedAt(other, 12))
		expectRing(t, "deleted", k.Ring(), nil)
	})
}

// TestDamagedKeys: the keys beside a damaged entry stay in use, and a Secret with damaged entries alone has no keys.
func TestDamagedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := ringSecret(t, 10)
		damaged := whole.DeepCopy()
		damaged.Data["damaged"] = []byte("-----BEGIN nonsense")
		k, server := followKeys(t, damaged)
		if k.Ring().Len() != 1 {
			t.Errorf("%v, want the key that is whole", k.Ring())
		}
		for name := range damaged.Data {
			damaged.Data[name] = []byte("-----BEGIN nonsense")
		}
		damaged.ResourceVersion = "11"
		server.send(apiwatch.Modified, damaged)
		if k.Ring().Len() != 0 {
			t.Errorf("%v, want no key", k.Ring())
		}
		whole.ResourceVersion = "12"
		server.send(apiwatch.Modified, whole)
		expectRing(t, "mended", k.Ring(), whole)
	})
}

// TestKeysAreReadLiveRarely: anybody can send tokens with invented key IDs, so live reads have a limit.
func TestKeysAreReadLiveRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watched := ringSecret(t, 10)
		k, server := followKeys(t, watched)
		server.stored = ringSecret(t, 20)
		for range reloadBurst {
			got, err := k.Reload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			expectRing(t, "within the limit", got, server.stored)
		}
		got, err := k.Reload(t.Context())
		if err != nil || server.reads != reloadBurst {
			t.Errorf("%d live reads, %v", server.reads, err)
		}
		expectRing(t, "beyond the limit", got, watched)
		<-time.After(reloadInterval)
		if got, err = k.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectRing(t, "a while later", got, server.stored)
	})
}
