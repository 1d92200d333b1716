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

// reloadInterval and reloadBurst bound how often the ring is read live because of an unknown key: anybody can make up a key ID.
const (
	reloadInterval = time.Second
	reloadBurst    = 5
)

// Keys is the key ring as it is in the cluster: what the watch holds, and nothing else.
//
// The ring has one writer, the watch, which may be late but ends with what is stored. A live read is used for the request that
// asked for it, and never kept: its answer can be on its way while the watch tells that the ring was deleted and made anew.
// Resource versions cannot tell which of the two is later. A ring that is not there has none, and storage that was restored
// to an earlier state begins with smaller ones.
type Keys struct {
	live    client.Reader
	key     client.ObjectKey
	reloads *rate.Limiter
	// watched has the Secret under the name watchedName, or nothing.
	watched     toolscache.Store
	watchedName string

	mu sync.Mutex
	// decoded is the ring of the Secret that was asked about last. It spares decoding it anew, and decides nothing.
	decoded atomic.Pointer[decodedRing]
}

// decodedRing is the ring of a Secret that the watch has held; nil for that there was none.
type decodedRing struct {
	secret *corev1.Secret
	ring   *token.Ring
}

func newKeys(ctx context.Context, watched cache.Cache, live client.Reader, namespace string) (*Keys, error) {
	informer, err := watched.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("prepare watch of signing keys: %w", err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("prepare watch of signing keys: %T has no index", informer)
	}
	key := client.ObjectKey{Namespace: namespace, Name: token.SecretName}
	return &Keys{
		live: live, key: key, reloads: rate.NewLimiter(rate.Every(reloadInterval), reloadBurst),
		watched: shared.GetIndexer(), watchedName: key.String(),
	}, nil
}

// Ring returns the ring as the watch holds it; it has no keys until the operator has made the first.
func (k *Keys) Ring() *token.Ring {
	if last := k.decoded.Load(); last != nil && last.secret == k.secret() {
		return last.ring
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	next := &decodedRing{secret: k.secret()}
	if last := k.decoded.Load(); last != nil && last.hasDataOf(next.secret) {
		next.ring = last.ring // Another request has decoded it in the meantime, or the watch began anew and found the same keys.
	} else {
		next.ring = decodeRing(next.secret)
	}
	k.decoded.Store(next)
	return next.ring
}

// hasDataOf tells whether a Secret has the very keys that were decoded. The ring is kept then, with the tokens that it has verified.
func (d *decodedRing) hasDataOf(secret *corev1.Secret) bool {
	if d.secret == nil || secret == nil {
		return d.secret == secret
	}
	return maps.EqualFunc(d.secret.Data, secret.Data, bytes.Equal)
}

// secret returns the Secret that the watch holds; nil where it holds none. The watch puts another object in its place where it
// has changed, so two that are the same pointer are the same ring.
func (k *Keys) secret() *corev1.Secret {
	found, _, _ := k.watched.GetByKey(k.watchedName) // A store in memory has no errors.
	secret, _ := found.(*corev1.Secret)
	return secret
}

// decoyPurpose is what the key of the decoys is derived for. Another one makes all their counts begin anew.
const decoyPurpose = "decoys"

// DecoyKey returns the key of the decoys; nil as long as the operator has made none.
func (k *Keys) DecoyKey() credential.DecoyKey { return k.Ring().Derive(decoyPurpose) }

// Reload reads the ring live, for one request with a token of a key that the watch does not know, and returns it for that request
// alone. Where that was done too often of late it returns the ring that the watch holds: a key is published for minutes before
// it signs, so one that is still unknown is as good as no key, and where the ring was lost and made anew the watch knows that
// within a moment. The error is the API server's.
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

// decodeRing returns the ring of a Secret, with the keys of it that can be used; nil has none.
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
