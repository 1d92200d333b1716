package watch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/token"
)

// reloadInterval and reloadBurst bound how often the ring is read live: anybody can send a token with an invented key ID.
const (
	reloadInterval = time.Second
	reloadBurst    = 5
)

// Keys is the key ring as the watch of its Secret has it.
//
// Only the watch changes the ring: it may be late, but it ends with what is stored. The result of a live read serves the request
// that caused it and is not kept, because the watch may report in the meantime that the ring was deleted and made anew. Comparing
// resource versions does not help: a missing Secret has none, and storage that was restored from a backup begins with smaller ones.
type Keys struct {
	live    client.Reader
	key     client.ObjectKey
	reloads *rate.Limiter
	// watched has the Secret under the name watchedName, or nothing.
	watched     toolscache.Store
	watchedName string

	mu sync.Mutex
	// decoded saves decoding the same Secret for every request.
	decoded atomic.Pointer[decodedRing]
}

// decodedRing is the ring of a Secret that the watch has had; secret is nil if there was none.
type decodedRing struct {
	secret *corev1.Secret
	ring   *token.Ring
}

func newKeys(ctx context.Context, watched cache.Cache, live client.Reader, namespace string) (*Keys, error) {
	informer, err := informerOf(ctx, watched, &corev1.Secret{})
	if err != nil {
		return nil, err
	}
	key := client.ObjectKey{Namespace: namespace, Name: token.SecretName}
	return &Keys{
		live: live, key: key, reloads: rate.NewLimiter(rate.Every(reloadInterval), reloadBurst),
		watched: informer.GetIndexer(), watchedName: key.String(),
	}, nil
}

// Ring returns the ring as the watch has it. It has no keys until the operator has made the first.
func (k *Keys) Ring() *token.Ring {
	if last := k.decoded.Load(); last != nil && last.secret == k.secret() {
		return last.ring
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	next := &decodedRing{secret: k.secret()}
	if last := k.decoded.Load(); last != nil && last.hasSameData(next.secret) {
		next.ring = last.ring // It remembers the tokens that it has verified.
	} else {
		next.ring = decodeRing(next.secret)
	}
	k.decoded.Store(next)
	return next.ring
}

// hasSameData tells whether a Secret has the data that was decoded, as after a change of its labels.
func (d *decodedRing) hasSameData(secret *corev1.Secret) bool {
	if d.secret == nil || secret == nil {
		return d.secret == secret
	}
	return maps.EqualFunc(d.secret.Data, secret.Data, bytes.Equal)
}

// secret returns the Secret that the watch has; nil if it has none. The watch replaces the object when it has changed, so the same
// pointer means the same ring.
func (k *Keys) secret() *corev1.Secret {
	found, _, _ := k.watched.GetByKey(k.watchedName) // A store in memory returns no errors.
	secret, _ := found.(*corev1.Secret)
	return secret
}

// decoyPurpose is what the key of the decoys is derived for. With another purpose all their counts would begin anew.
const decoyPurpose = "decoys"

// DecoyKey returns the key of the decoys; nil until the operator has made the key ring.
func (k *Keys) DecoyKey() credential.DecoyKey { return k.Ring().Derive(decoyPurpose) }

// Reload reads the ring live, for one request whose token is signed with a key that the watch does not have. If that was done too
// often of late, it returns the ring of the watch instead. That loses little: a new key is published for minutes before it signs,
// and a ring that was lost and made anew reaches the watch within a moment. The error is the API server's.
func (k *Keys) Reload(ctx context.Context) (*token.Ring, error) {
	if !k.reloads.Allow() {
		return k.Ring(), nil
	}
	secret := &corev1.Secret{}
	err := k.live.Get(ctx, k.key, secret)
	if apierrors.IsNotFound(err) {
		return &token.Ring{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	return decodeRing(secret), nil
}

// decodeRing returns the ring of a Secret, without the keys that cannot be used. It is empty for nil.
func decodeRing(secret *corev1.Secret) *token.Ring {
	if secret == nil {
		return &token.Ring{}
	}
	ring, err := token.Decode(secret.Data)
	if err != nil {
		slog.Warn("Signing keys that cannot be used are left out", "error", err)
	}
	return ring
}
