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

// known is what the watch of credentials has told of sessions, by the UID of the credential: each session check looks here,
// and reads nothing out of annotations. It follows the watch by microseconds.
type known struct {
	mu    sync.RWMutex
	byUID map[types.UID]knownSession
}

// knownSession is what credential.SessionOf made of a credential.
type knownSession struct {
	session credential.Session
	err     error
}

// watchSessions has the watch of credentials tell a new index. The function tells whether all that was there at the start
// is in it.
func watchSessions(ctx context.Context, watched cache.Cache) (*known, toolscache.InformerSynced, error) {
	k := &known{byUID: map[types.UID]knownSession{}}
	informer, err := watched.GetInformer(ctx, credentialMetadata(), cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare watch of credentials: %w", err)
	}
	registration, err := informer.AddEventHandler(k)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare watch of credentials: %w", err)
	}
	return k, registration.HasSynced, nil
}

// find returns what is known of the credential with a UID.
func (k *known) find(uid string) (found knownSession, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	found, ok = k.byUID[types.UID(uid)]
	return found, ok
}

// OnAdd implements toolscache.ResourceEventHandler.
func (k *known) OnAdd(obj any, _ bool) { k.OnUpdate(nil, obj) }

// OnUpdate implements toolscache.ResourceEventHandler. A watch that was away for a while tells of a credential that was
// deleted and created again as of one that has changed.
func (k *known) OnUpdate(before, obj any) {
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	told, err := credential.SessionOf(&meta.ObjectMeta)
	k.mu.Lock()
	defer k.mu.Unlock()
	if former, ok := before.(*metav1.PartialObjectMetadata); ok && former.UID != meta.UID {
		delete(k.byUID, former.UID)
	}
	k.byUID[meta.UID] = knownSession{session: told, err: err}
}

// OnDelete implements toolscache.ResourceEventHandler.
func (k *known) OnDelete(obj any) {
	if unseen, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = unseen.Obj
	}
	meta, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byUID, meta.UID)
}
