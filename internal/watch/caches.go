package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/reconnect"
	"github.com/keyturn/keyturn/internal/token"
)

// apiTimeout bounds each live read and write, so that people get an answer while there is time for one.
const apiTimeout = 5 * time.Second

// Namespaces are those that the login server reads besides the namespaces of accounts.
type Namespaces struct {
	// System has the ConfigMaps of refused passwords and the signing keys.
	System string
	// Credentials has the credentials.
	Credentials string
	// Providers has the Secrets and the certificates of identity providers.
	Providers string
}

// Caches are the watches of the login server.
type Caches struct {
	// objects watches all kinds but those that the caches below do.
	objects cache.Cache
	// keys watches one Secret by its name: the server may read no other in that namespace.
	keys cache.Cache
	// providers watches the Secrets and ConfigMaps of identity providers.
	providers cache.Cache
	keyRing   *Keys
	accounts  *Accounts
	// sessions is complete when sessionsSynced returns true.
	sessions       *sessionIndex
	sessionsSynced toolscache.InformerSynced
	health         *watchHealth
	live           client.Client
	options        Options
}

// Options of the watches.
type Options struct {
	Namespaces

	// MaxStaleness is how long the API server may not be followed before Health fails.
	MaxStaleness time.Duration
	// KeepStatus keeps how accounts stand, for those who list them.
	KeepStatus bool
}

// NewScheme returns the scheme of every kind that the server reads.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	return scheme, nil
}

// NewCaches prepares the watches; Start begins them.
func NewCaches(ctx context.Context, config *rest.Config, o Options) (*Caches, error) {
	if o.System == "" || o.Credentials == "" || o.Providers == "" { // An empty namespace stands for all of them.
		return nil, errors.New("prepare watches: a namespace is missing")
	}
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	c := &Caches{health: newWatchHealth(config, o.Credentials, o.MaxStaleness), options: o}
	liveConfig := rest.CopyConfig(config)
	liveConfig.Timeout = apiTimeout // Not for watches, which last for minutes.
	if c.live, err = client.New(liveConfig, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	reconnect.Wrap(config)
	if err := c.prepareCaches(ctx, config); err != nil {
		return nil, err
	}
	if c.accounts, err = newAccounts(ctx, c.objects); err != nil {
		return nil, err
	}
	if c.sessions, c.sessionsSynced, err = newSessionIndex(ctx, c.objects); err != nil {
		return nil, err
	}
	if c.keyRing, err = newKeys(ctx, c.keys, c.live, o.System); err != nil {
		return nil, err
	}
	return c, nil
}

// prepareCaches makes the caches, with an informer for each kind that Reader reads.
func (c *Caches) prepareCaches(ctx context.Context, config *rest.Config) (err error) {
	only := func(namespace string) map[string]cache.Config { return map[string]cache.Config{namespace: {}} }
	options := cache.Options{
		Scheme: c.live.Scheme(), Mapper: c.live.RESTMapper(),
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
	}
	objects, keys, providers := options, options, options
	objects.ByObject = map[client.Object]cache.ByObject{
		&v1alpha1.UserAccount{}:      {Transform: trimAccount(c.options.KeepStatus)},
		&v1alpha1.PasswordPolicy{}:   {Transform: catalog.TrimPolicy},
		&v1alpha1.IdentityProvider{}: {Transform: catalog.TrimProvider},
		metadataOf("Namespace"):      {Transform: catalog.TrimNamespace},
		secretMetadata():             {Namespaces: only(c.options.Credentials)},
		&corev1.ConfigMap{}:          {Namespaces: only(c.options.System), Transform: catalog.TrimAll},
	}
	providers.ByObject = map[client.Object]cache.ByObject{
		&corev1.Secret{}:    {Namespaces: only(c.options.Providers), Transform: catalog.TrimAll},
		&corev1.ConfigMap{}: {Namespaces: only(c.options.Providers), Transform: catalog.TrimAll},
	}
	// The namespace is selected by a field, not by Namespaces: so the informer has one store, which Keys reads.
	keys.ByObject = map[client.Object]cache.ByObject{&corev1.Secret{}: {Field: fields.SelectorFromSet(fields.Set{
		metav1.ObjectNameField: token.SecretName, "metadata.namespace": c.options.System,
	})}}
	if c.objects, err = cache.New(config, objects); err != nil {
		return fmt.Errorf("prepare watches: %w", err)
	}
	if c.keys, err = cache.New(config, keys); err != nil {
		return fmt.Errorf("prepare watch of signing keys: %w", err)
	}
	if c.providers, err = cache.New(config, providers); err != nil {
		return fmt.Errorf("prepare watch of what goes with providers: %w", err)
	}
	if err := catalog.IndexSubjects(ctx, c.objects); err != nil {
		return err
	}
	return errors.Join(addInformers(ctx, c.objects, objects), addInformers(ctx, c.providers, providers))
}

// addInformers adds an informer to a cache for each kind that its options name.
func addInformers(ctx context.Context, to cache.Cache, options cache.Options) error {
	for kind := range options.ByObject {
		if _, err := to.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("prepare watch of %T: %w", kind, err)
		}
	}
	return nil
}

// informerOf returns the informer of a kind that a cache watches, with the store that the informer fills. It fails for kinds whose
// ByObject has Namespaces: these have an informer for each namespace.
func informerOf(ctx context.Context, watched cache.Cache, kind client.Object) (toolscache.SharedIndexInformer, error) {
	informer, err := watched.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("prepare watch of %T: %w", kind, err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("prepare watch of %T: %T has no index", kind, informer)
	}
	return shared, nil
}

// Start runs the watches until the context ends.
func (c *Caches) Start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.objects.Start(ctx) })
	group.Go(func() error { return c.keys.Start(ctx) })
	group.Go(func() error { return c.providers.Start(ctx) })
	group.Go(func() error { c.health.run(ctx, c.live); return nil })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("follow the cluster: %w", err)
	}
	return nil
}

// WaitForSync waits until the watches have all objects that were there at the start, but for what goes with identity providers: other logins
// do without it. It returns false if the context ends before.
func (c *Caches) WaitForSync(ctx context.Context) bool {
	return c.objects.WaitForCacheSync(ctx) && c.keys.WaitForCacheSync(ctx) &&
		toolscache.WaitForCacheSync(ctx.Done(), c.sessionsSynced)
}

// Health returns an error that wraps credential.ErrStale when the watches that session checks read may be out of date.
func (c *Caches) Health() error { return c.health.err() }

// Live returns the client that reads from the API server itself, and writes.
func (c *Caches) Live() client.Client { return c.live }

// Reader reads accounts, policies, namespaces (by metadata) and the ConfigMaps of the system namespace from the watches.
func (c *Caches) Reader() client.Reader { return c.objects }

// Providers reads the Secrets and the ConfigMaps in the namespace of identity providers. Until the watch has them, it waits: give it a time limit.
func (c *Caches) Providers() client.Reader { return c.providers }

// Accounts returns the accounts, for session checks.
func (c *Caches) Accounts() *Accounts { return c.accounts }

// Credentials returns the metadata of credentials.
func (c *Caches) Credentials() *Credentials {
	return newCredentials(c.sessions, c.accounts, c.health.err, c.objects, c.live, c.options.Credentials)
}

// Keys returns the key ring.
func (c *Caches) Keys() *Keys { return c.keyRing }

// metadataOf returns an object of a core kind that stands for its metadata alone.
func metadataOf(kind string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kind}}
}

func secretMetadata() *metav1.PartialObjectMetadata { return metadataOf("Secret") }

func secretMetadataList() *metav1.PartialObjectMetadataList {
	return &metav1.PartialObjectMetadataList{TypeMeta: metadataOf("SecretList").TypeMeta}
}

// trimAccount leaves out what the server never reads of an account. Of the status that is all or, for lists of accounts, all but how the
// account stands.
func trimAccount(keepStatus bool) toolscache.TransformFunc {
	return func(obj any) (any, error) {
		if account, ok := obj.(*v1alpha1.UserAccount); ok {
			kept := v1alpha1.UserAccountStatus{}
			if keepStatus {
				kept = v1alpha1.UserAccountStatus{
					Standing: account.Status.Standing, StandingReason: account.Status.StandingReason,
					Password: account.Status.Password, Login: account.Status.Login,
				}
			}
			account.Status = kept
		}
		return catalog.TrimAccount(obj)
	}
}
