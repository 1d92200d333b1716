package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

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
	// byIdentity has the UIDs of those that are of somebody at a provider, by credential.Session.Identity. As a rule that is one.
	byIdentity map[string][]types.UID
}

// indexedSession is what credential.SessionOf returned for a credential.
type indexedSession struct {
	session credential.Session
	err     error
	// created is when the credential was created.
	created time.Time
}

func emptySessionIndex() *sessionIndex {
	return &sessionIndex{byUID: map[types.UID]indexedSession{}, byIdentity: map[string][]types.UID{}}
}

// newSessionIndex returns an index that follows the watch of credentials, and a function that tells whether it has all
// credentials that were there at the start.
func newSessionIndex(ctx context.Context, watched cache.Cache) (*sessionIndex, toolscache.InformerSynced, error) {
	index := emptySessionIndex()
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

// ofIdentity returns the session states of the credentials of somebody at a provider. The one that was created first comes first, so that all servers
// have the same order.
func (i *sessionIndex) ofIdentity(identity string) []credential.Session {
	i.mu.RLock()
	defer i.mu.RUnlock()
	var found []indexedSession
	for _, uid := range i.byIdentity[identity] {
		found = append(found, i.byUID[uid])
	}
	slices.SortFunc(found, func(a, b indexedSession) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.session.CredentialUID, b.session.CredentialUID))
	})
	var sessions []credential.Session
	for _, f := range found {
		sessions = append(sessions, f.session)
	}
	return sessions
}

// put keeps the session state of a credential, and drop forgets it. The caller holds the lock.
func (i *sessionIndex) put(uid types.UID, s indexedSession) {
	i.drop(uid)
	i.byUID[uid] = s
	if identity := s.session.Identity; identity != "" {
		i.byIdentity[identity] = append(i.byIdentity[identity], uid)
	}
}

func (i *sessionIndex) drop(uid types.UID) {
	identity := i.byUID[uid].session.Identity
	delete(i.byUID, uid)
	if identity == "" {
		return
	}
	others := slices.DeleteFunc(i.byIdentity[identity], func(other types.UID) bool { return other == uid })
	if i.byIdentity[identity] = others; len(others) == 0 {
		delete(i.byIdentity, identity)
	}
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
		i.drop(former.UID)
	}
	i.put(meta.UID, indexedSession{session: session, err: err, created: meta.CreationTimestamp.Time})
}

// OnDelete implements toolscache.ResourceEventHandler.
func (i *sessionIndex) OnDelete(obj any) {
	if missed, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = missed.Obj
	}
	if meta, ok := obj.(*metav1.PartialObjectMetadata); ok {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.drop(meta.UID)
	}
}
