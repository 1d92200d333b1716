package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/session"
)

// reloadInterval bounds how often the ring is read live because of an unknown key: anybody can make up a key ID.
const reloadInterval = 10 * time.Second

// Keys holds the key ring as it is in the cluster.
type Keys struct {
	live    client.Reader
	key     client.ObjectKey
	ring    atomic.Pointer[session.Ring]
	reloads *rate.Limiter

	mu sync.Mutex
	// version is the resource version of the ring; empty where there is none.
	version string
}

func newKeys(ctx context.Context, watched cache.Cache, live client.Reader, namespace string) (*Keys, error) {
	k := &Keys{
		live:    live,
		key:     client.ObjectKey{Namespace: namespace, Name: session.SecretName},
		reloads: rate.NewLimiter(rate.Every(reloadInterval), 1),
	}
	k.ring.Store(&session.Ring{})
	informer, err := watched.GetInformer(ctx, &corev1.Secret{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("prepare watch of signing keys: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    k.observe,
		UpdateFunc: func(_, secret any) { k.observe(secret) },
		DeleteFunc: func(any) { k.observe(&corev1.Secret{}) },
	})
	if err != nil {
		return nil, fmt.Errorf("prepare watch of signing keys: %w", err)
	}
	return k, nil
}

// Ring returns the ring as it was last seen; it has no keys until the operator has made the first.
func (k *Keys) Ring() *session.Ring { return k.ring.Load() }

// decoyPurpose is what the key of the decoys is derived for. Another one makes all their counts begin anew.
const decoyPurpose = "decoys"

// DecoyKey returns the key of the decoys; nil as long as the operator has made none.
func (k *Keys) DecoyKey() credential.DecoyKey { return k.Ring().Derive(decoyPurpose) }

// Reload reads the ring live, for a token of an unknown key, and returns it. Where that was done a moment ago it returns
// the ring as it is: a key is published for minutes before it signs, so one that is still unknown is no key. The error
// is the API server's.
func (k *Keys) Reload(ctx context.Context) (*session.Ring, error) {
	if !k.reloads.Allow() {
		return k.Ring(), nil
	}
	secret := &corev1.Secret{}
	err := k.live.Get(ctx, k.key, secret)
	if apierrors.IsNotFound(err) {
		// Only the watch may say that the ring is gone: an answer without a Secret has no resource version, so it cannot be
		// told whether the watch has delivered a new ring since the API server gave it.
		return k.Ring(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	k.observe(secret)
	return k.Ring(), nil
}

func (k *Keys) observe(obj any) {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if order, err := resourceversion.CompareResourceVersion(secret.ResourceVersion, k.version); err == nil && order < 0 {
		return // The watch and a live read came the wrong way round.
	}
	ring, err := session.Decode(secret.Data)
	if err != nil {
		slog.Warn("Signing keys that cannot be used are left out", "error", err)
	}
	k.version = secret.ResourceVersion
	k.ring.Store(ring)
}
