package watch

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
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// liveListInterval bounds how often credentials are looked up past the watch. Only a token that was signed here can
	// ask for it, and a watch that works is milliseconds behind.
	liveListInterval = 2 * time.Second
	liveListBurst    = 2
	// maxGone bounds what is remembered of credentials that are no more, besides the last list.
	maxGone = 1024
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
	// listTime is when the last live list began, and listed the UIDs that it had.
	listTime time.Time
	listed   map[string]struct{}
	// gone are UIDs that were looked for in a live list, and not there: of tokens that were issued only just before it.
	gone map[string]struct{}
}

func newCredentials(watched *known, contact interface{ Err() error }, cached, live client.Reader, namespace string) *Credentials {
	return &Credentials{
		watched: watched, contact: contact, cached: cached, live: live, namespace: namespace,
		lists: rate.NewLimiter(rate.Every(liveListInterval), liveListBurst),
	}
}

// Session returns what is known of the credential with a UID, of a token that was issued at a time. One that the watch does
// not know is looked up live: a token names no credential but by its UID, so that takes a list of metadata, and is limited.
// One list answers for all that were issued before it. Errors: credential.ErrNotFound where there is none for certain,
// credential.ErrStale where the watches are out of touch, credential.ErrInvalid, ErrBusy, or the API server's.
func (c *Credentials) Session(ctx context.Context, uid string, issued time.Time) (credential.Session, error) {
	if err := c.contact.Err(); err != nil {
		return credential.Session{}, err
	}
	if told, ok := c.watched.find(uid); ok {
		return told.session, told.err
	}
	found, err := c.findLive(ctx, uid, issued)
	if err != nil {
		return credential.Session{}, err
	}
	return credential.SessionOf(&found.ObjectMeta)
}

// Known returns what the watch knows of the credential of a name; nil where it knows none. Errors: credential.ErrStale where
// the watches are out of touch, or the cache's, which knows nothing yet.
func (c *Credentials) Known(ctx context.Context, name string) (*login.Known, error) {
	if err := c.contact.Err(); err != nil {
		return nil, err
	}
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

// HasDecoys tells whether the watch knows all decoys of unknown accounts, which the operator makes.
func (c *Credentials) HasDecoys(ctx context.Context) bool {
	for i := range credential.Decoys {
		key := client.ObjectKey{Namespace: c.namespace, Name: credential.DecoyName(i)}
		if err := c.cached.Get(ctx, key, credentialMetadata(), client.UnsafeDisableDeepCopy); err != nil {
			return false
		}
	}
	return true
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

// findLive looks a credential up in a list, unless the last one has shown already that it is gone: it was there before the
// token was, and no UID comes back but by a restore, of which the watch tells.
func (c *Credentials) findLive(ctx context.Context, uid string, issued time.Time) (*metav1.PartialObjectMetadata, error) {
	c.mu.Lock()
	_, listed := c.listed[uid]
	_, gone := c.gone[uid]
	gone = gone || !listed && issued.Add(token.ClockSkew).Before(c.listTime)
	c.mu.Unlock()
	switch {
	case gone:
		return nil, credential.ErrNotFound
	case !c.lists.Allow():
		return nil, ErrBusy
	}
	began := time.Now()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := c.live.List(ctx, list, client.InNamespace(c.namespace)); err != nil {
		return nil, fmt.Errorf("look up credential of a session: %w", err)
	}
	var found *metav1.PartialObjectMetadata
	uids := make(map[string]struct{}, len(list.Items))
	for i := range list.Items {
		uids[string(list.Items[i].UID)] = struct{}{}
		if string(list.Items[i].UID) == uid {
			found = &list.Items[i]
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if began.After(c.listTime) {
		c.listTime, c.listed = began, uids
	}
	if found != nil {
		return found, nil
	}
	if c.gone == nil || len(c.gone) >= maxGone {
		c.gone = map[string]struct{}{}
	}
	c.gone[uid] = struct{}{}
	return nil, credential.ErrNotFound
}
