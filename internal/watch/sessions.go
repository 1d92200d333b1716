package watch

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/keyturn/keyturn/internal/credential"
)

// sessionIndex has the session state of every watched credential, decoded, by the UID of the credential. So a session check
// decodes no annotations. The index is some microseconds behind the watch.
type sessionIndex struct {
	mu    sync.RWMutex
	byUID map[types.UID]indexedSession
}

// indexedSession is what credential.SessionOf returned for a credential.
type indexedSession struct {
	session credential.Session
	err     error
}

// newSessionIndex returns an index that follows the watch of credentials, and a function that tells whether it has all
// credentials that were there at the start.
func newSessionIndex(ctx context.Context, watched cache.Cache) (*sessionIndex, toolscache.InformerSynced, error) {
	index := &sessionIndex{byUID: map[types.UID]indexedSession{}}
	informer, err := watched.GetInformer(ctx, secretMetadata(), cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare watch of credentials: %w", err)
	}
	registration, err := informer.AddEventHandler(index)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare watch of credentials: %w", err)
	}
	return index, registration.HasSynced, nil
}

// find returns the session state of the credential with a UID.
func (i *sessionIndex) find(uid string) (found indexedSession, ok bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	found, ok = i.byUID[types.UID(uid)]
	return found, ok
}

// OnAdd implements toolscache.ResourceEventHandler.
func (i *sessionIndex) OnAdd(obj any, _ bool) { i.OnUpdate(nil, obj) }

// OnUpdate implements toolscache.ResourceEventHandler. When a credential was deleted and created again while the watch was
// interrupted, the informer reports an update, with another UID.
func (i *sessionIndex) OnUpdate(before, obj any) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	session, err := credential.SessionOf(&meta.ObjectMeta)
	i.mu.Lock()
	defer i.mu.Unlock()
	if former, ok := before.(*metav1.PartialObjectMetadata); ok && former.UID != meta.UID {
		delete(i.byUID, former.UID)
	}
	i.byUID[meta.UID] = indexedSession{session: session, err: err}
}

// OnDelete implements toolscache.ResourceEventHandler.
func (i *sessionIndex) OnDelete(obj any) {
	if missed, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = missed.Obj
	}
	if meta, ok := obj.(*metav1.PartialObjectMetadata); ok {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.byUID, meta.UID)
	}
}
