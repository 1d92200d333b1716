package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// liveListInterval and liveListBurst bound how often credentials are listed live. Few lists are needed: only a token that was
	// signed here can cause one, and the watch is milliseconds behind.
	liveListInterval = 2 * time.Second
	liveListBurst    = 2
	// maxMissing bounds Credentials.missing.
	maxMissing = 1024
)

// ErrBusy means that credentials were listed live too often of late. Try again in a few seconds.
var ErrBusy = errors.New("credentials were looked up too often: try again in a few seconds")

// Credentials reads the metadata of credentials, from their watch and sometimes live.
type Credentials struct {
	watched      *sessionIndex
	accounts     *Accounts
	health       func() error
	cached, live client.Reader
	namespace    string
	liveLists    *rate.Limiter

	mu sync.Mutex
	// lastList is when the last live list began, and listed has the UIDs that it returned.
	lastList time.Time
	listed   map[string]struct{}
	// missing has the UIDs of tokens that were looked for in a live list and not found.
	missing map[string]struct{}
}

func newCredentials(watched *sessionIndex, accounts *Accounts, health func() error, cached, live client.Reader, namespace string) *Credentials {
	return &Credentials{
		watched: watched, accounts: accounts, health: health, cached: cached, live: live, namespace: namespace,
		liveLists: rate.NewLimiter(rate.Every(liveListInterval), liveListBurst),
	}
}

// Session returns the session state of the credential with a UID, for a token that was issued at a time. A credential that the
// watch does not have is looked for in a live list, because a token names no Secret; such lists are limited, and one list answers for all
// tokens that were issued before it. Errors: credential.ErrNotFound if there is certainly no such credential,
// credential.ErrStale if the watches may be out of date, credential.ErrInvalid, ErrBusy, or the API server's.
func (c *Credentials) Session(ctx context.Context, uid string, issued time.Time) (credential.Session, error) {
	if err := c.health(); err != nil {
		return credential.Session{}, err
	}
	if found, ok := c.watched.find(uid); ok {
		return found.session, found.err
	}
	found, err := c.findLive(ctx, uid, issued)
	if err != nil {
		return credential.Session{}, err
	}
	return credential.SessionOf(&found.ObjectMeta)
}

// Known returns what the watch has of the credential with a name; nil if it has none. Errors: credential.ErrStale if the watches
// may be out of date, or the cache's before it has synced.
func (c *Credentials) Known(ctx context.Context, name string) (*login.Known, error) {
	if err := c.health(); err != nil {
		return nil, err
	}
	found, err := c.watchedMetadata(ctx, name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up credential: %w", err)
	}
	known := &login.Known{Version: found.ResourceVersion, UID: string(found.UID), Generation: credential.GenerationOf(found)}
	if session, err := credential.SessionOf(found); err == nil {
		known.Owner = session.Owner
	}
	return known, nil
}

// HasDecoys tells whether the watch has all decoys for unknown usernames, which the operator makes.
func (c *Credentials) HasDecoys(ctx context.Context) bool {
	for i := range credential.Decoys {
		if _, err := c.watchedMetadata(ctx, credential.DecoyName(i)); err != nil {
			return false
		}
	}
	return true
}

// Owner returns the account that the credential with a name belongs to; false if the watch has no such credential.
func (c *Credentials) Owner(ctx context.Context, name string) (account.Owner, bool) {
	found, err := c.watchedMetadata(ctx, name)
	if err != nil {
		return account.Owner{}, false
	}
	session, err := credential.SessionOf(found)
	return session.Owner, err == nil
}

// OwnerOfIdentity returns the UID of the credential that is bound to somebody at a provider (provider.Identity), as far as the watch knows; false where
// there is none. A credential whose account is gone binds nobody: it is kept for the case that the account is restored.
func (c *Credentials) OwnerOfIdentity(identity string) (credentialUID string, found bool) {
	for _, session := range c.watched.ofIdentity(identity) {
		if c.accounts.mayExist(session.Owner) {
			return session.CredentialUID, true
		}
	}
	return "", false
}

// watchedMetadata returns the metadata of the credential with a name as the watch has it. It must not be changed.
func (c *Credentials) watchedMetadata(ctx context.Context, name string) (*metav1.ObjectMeta, error) {
	found := secretMetadata()
	err := c.cached.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, found, client.UnsafeDisableDeepCopy)
	return &found.ObjectMeta, err
}

// findLive looks for a credential in a live list. It makes none for a UID that is certainly gone: a list that began after the
// token was issued did not have it, and a UID comes back only by a restore from a backup, which the watch reports.
func (c *Credentials) findLive(ctx context.Context, uid string, issued time.Time) (*metav1.PartialObjectMetadata, error) {
	c.mu.Lock()
	_, listed := c.listed[uid]
	_, gone := c.missing[uid]
	gone = gone || !listed && issued.Add(token.ClockSkew).Before(c.lastList)
	c.mu.Unlock()
	switch {
	case gone:
		return nil, credential.ErrNotFound
	case !c.liveLists.Allow():
		return nil, ErrBusy
	}
	began := time.Now()
	list := secretMetadataList()
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
	if began.After(c.lastList) {
		c.lastList, c.listed = began, uids
	}
	if found != nil {
		return found, nil
	}
	if c.missing == nil || len(c.missing) >= maxMissing {
		c.missing = map[string]struct{}{}
	}
	c.missing[uid] = struct{}{}
	return nil, credential.ErrNotFound
}
