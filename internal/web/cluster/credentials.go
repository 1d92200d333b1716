package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
)

const (
	// liveListInterval bounds how often credentials are looked up past the watch. Only a token that was signed here can
	// ask for it, and a watch that works is milliseconds behind.
	liveListInterval = 2 * time.Second
	liveListBurst    = 2
	// maxGone bounds what is remembered of credentials that are no more.
	maxGone = 4096
)

// ErrBusy means that credentials were looked up live too often of late. Try again in a few seconds.
var ErrBusy = errors.New("credentials were looked up too often: try again in a few seconds")

// Credentials tells of credentials what sessions need to know, from a watch of their metadata.
type Credentials struct {
	watched      *known
	contact      interface{ Err() error }
	cached, live client.Reader
	namespace    string
	lists        *rate.Limiter

	mu sync.Mutex
	// gone are UIDs that a live list did not have. None ever comes back.
	gone map[string]struct{}
}

func newCredentials(watched *known, contact interface{ Err() error }, cached, live client.Reader, namespace string) *Credentials {
	return &Credentials{
		watched: watched, contact: contact, cached: cached, live: live, namespace: namespace,
		lists: rate.NewLimiter(rate.Every(liveListInterval), liveListBurst),
		gone:  map[string]struct{}{},
	}
}

// Session returns what is known of the credential with a UID. One that the watch does not know is looked up live: a token
// names no credential but by its UID, so that takes a list of metadata, and is limited. Errors: credential.ErrNotFound
// where there is none for certain, credential.ErrStale where the watches are out of touch, credential.ErrInvalid, ErrBusy, or the API server's.
func (c *Credentials) Session(ctx context.Context, uid string) (credential.Session, error) {
	if err := c.contact.Err(); err != nil {
		return credential.Session{}, err
	}
	if told, ok := c.watched.find(uid); ok {
		return told.session, told.err
	}
	found, err := c.findLive(ctx, uid)
	if err != nil {
		return credential.Session{}, err
	}
	return credential.SessionOf(&found.ObjectMeta)
}

// Known returns what the watch knows of the credential of a name; nil where it knows none. The error is the cache's, which
// knows nothing yet.
func (c *Credentials) Known(ctx context.Context, name string) (*login.Known, error) {
	found := credentialMetadata()
	err := c.cached.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, found, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up credential: %w", err)
	}
	return &login.Known{
		Version: found.ResourceVersion, UID: string(found.UID), Generation: credential.GenerationOf(&found.ObjectMeta),
	}, nil
}

// Owner returns the account that the credential of a name belongs to; false where the watch knows none.
func (c *Credentials) Owner(ctx context.Context, name string) (account.Owner, bool) {
	found := credentialMetadata()
	if err := c.cached.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, found, client.UnsafeDisableDeepCopy); err != nil {
		return account.Owner{}, false
	}
	known, err := credential.SessionOf(&found.ObjectMeta)
	return known.Owner, err == nil
}

func (c *Credentials) findLive(ctx context.Context, uid string) (*metav1.PartialObjectMetadata, error) {
	c.mu.Lock()
	_, gone := c.gone[uid]
	c.mu.Unlock()
	switch {
	case gone:
		return nil, credential.ErrNotFound
	case !c.lists.Allow():
		return nil, ErrBusy
	}
	found, err := c.find(ctx, uid)
	if found != nil || err != nil {
		return found, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.gone) >= maxGone {
		clear(c.gone)
	}
	c.gone[uid] = struct{}{}
	return nil, credential.ErrNotFound
}

// find looks a credential up live.
func (c *Credentials) find(ctx context.Context, uid string) (*metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := c.live.List(ctx, list, client.InNamespace(c.namespace)); err != nil {
		return nil, fmt.Errorf("look up credential of a session: %w", err)
	}
	for i := range list.Items {
		if string(list.Items[i].UID) == uid {
			return &list.Items[i], nil
		}
	}
	return nil, nil
}
