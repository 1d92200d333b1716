package watch

import (
	"context"
	"fmt"

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
	"github.com/keyturn/keyturn/internal/token"
)

// Namespaces that the login server reads besides those of accounts.
type Namespaces struct {
	// System has the ConfigMaps of refused passwords and the signing keys.
	System string
	// Credentials has the credentials.
	Credentials string
}

// Caches are the watches of the login server.
type Caches struct {
	// objects has all but the signing keys.
	objects cache.Cache
	// keys has one Secret by its name, which is all that the server may read there.
	keys cache.Cache
	// sessions has what credentials tell of sessions, once sessionsSynced says so.
	sessions       *known
	sessionsSynced toolscache.InformerSynced
	accounts       *Accounts
	contact        *Contact
	// live reads past the caches.
	live       client.Reader
	namespaces Namespaces
}

// NewScheme returns the scheme of every kind that the server reads.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	return scheme, nil
}

// NewCaches prepares the watches; Start begins them. live reads from the API server itself. Both are made with config, in which
// contact listens.
func NewCaches(ctx context.Context, config *rest.Config, live client.Client, contact *Contact, namespaces Namespaces) (*Caches, error) {
	only := func(namespace string) map[string]cache.Config { return map[string]cache.Config{namespace: {}} }
	options := cache.Options{
		Scheme: live.Scheme(), Mapper: live.RESTMapper(),
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
	}
	objects, keys := options, options
	objects.ByObject = map[client.Object]cache.ByObject{
		&v1alpha1.UserAccount{}:    {Transform: trimAccount},
		&v1alpha1.PasswordPolicy{}: {Transform: catalog.TrimPolicy},
		namespaceMetadata():        {Transform: catalog.TrimNamespace},
		credentialMetadata():       {Namespaces: only(namespaces.Credentials)},
		&corev1.ConfigMap{}:        {Namespaces: only(namespaces.System), Transform: catalog.TrimAll},
	}
	// By a selector of its namespace too, and not by Namespaces: the watch is of that namespace then, and has one store, which
	// Keys reads.
	keys.ByObject = map[client.Object]cache.ByObject{&corev1.Secret{}: {Field: fields.SelectorFromSet(fields.Set{
		metav1.ObjectNameField: token.SecretName, "metadata.namespace": namespaces.System,
	})}}

	c := &Caches{live: live, contact: contact, namespaces: namespaces}
	var err error
	if c.objects, err = cache.New(config, objects); err != nil {
		return nil, fmt.Errorf("prepare watches: %w", err)
	}
	if c.keys, err = cache.New(config, keys); err != nil {
		return nil, fmt.Errorf("prepare watch of signing keys: %w", err)
	}
	for _, kind := range []client.Object{
		&v1alpha1.UserAccount{}, &v1alpha1.PasswordPolicy{}, &corev1.ConfigMap{}, namespaceMetadata(), credentialMetadata(),
	} {
		if _, err := c.objects.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("prepare watch of %T: %w", kind, err)
		}
	}
	if c.accounts, err = watchedAccounts(ctx, c.objects); err != nil {
		return nil, err
	}
	if c.sessions, c.sessionsSynced, err = watchSessions(ctx, c.objects); err != nil {
		return nil, err
	}
	return c, nil
}

// Start runs the watches until the context ends.
func (c *Caches) Start(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range []cache.Cache{c.objects, c.keys} {
		group.Go(func() error { return one.Start(ctx) })
	}
	group.Go(func() error { c.contact.Run(ctx, c.live); return nil })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("follow the cluster: %w", err)
	}
	return nil
}

// WaitForSync waits until all that was there at the start is known. It returns false when the context ended before.
func (c *Caches) WaitForSync(ctx context.Context) bool {
	return c.objects.WaitForCacheSync(ctx) && c.keys.WaitForCacheSync(ctx) &&
		toolscache.WaitForCacheSync(ctx.Done(), c.sessionsSynced)
}

// Reader reads accounts, policies, namespaces (by metadata) and the ConfigMaps of the system namespace from the watches.
func (c *Caches) Reader() client.Reader { return c.objects }

// Accounts returns what the watch knows of accounts.
func (c *Caches) Accounts() *Accounts { return c.accounts }

// Credentials returns what the watches know of credentials.
func (c *Caches) Credentials() *Credentials {
	return newCredentials(c.sessions, c.contact, c.objects, c.live, c.namespaces.Credentials)
}

// Keys returns the key ring.
func (c *Caches) Keys(ctx context.Context) (*Keys, error) {
	return newKeys(ctx, c.keys, c.live, c.namespaces.System)
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}

func credentialMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return m
}

// trimAccount leaves out what the server never reads of an account, the status included.
func trimAccount(obj any) (any, error) {
	if declared, ok := obj.(*v1alpha1.UserAccount); ok {
		declared.Status = v1alpha1.UserAccountStatus{}
	}
	return catalog.TrimAccount(obj)
}
