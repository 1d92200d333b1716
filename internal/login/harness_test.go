package login_test

import (
	"context"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/policy"
)

const (
	team     = "team"
	password = "correct horse battery"
	wrong    = "wrong horse battery"
	fresh    = "another staple entirely"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a cluster with one organisation under one policy, and what happens at its API.
type world struct {
	t      *testing.T
	client client.WithWatch
	store  *credential.Store
	clock  *clocktesting.FakePassiveClock
	policy *v1alpha1.PasswordPolicy
	// external verifies the secrets of external accounts, and findAccount finds those of assertions; nil: there is none.
	external    authn.Verifier
	findAccount authn.Finder

	mu sync.Mutex
	// beforeGet and beforeUpdate, where set, are called before a credential is read or written by a service; an error
	// takes the place of the call.
	beforeGet, beforeUpdate func() error
	// afterUpdate, where set, is called after a credential was written; an error takes the place of the answer.
	afterUpdate func() error
	// behind, where set, is what the API server still has in memory.
	behind *corev1.Secret
	// watched is the version that the watch of the replica knows of every credential.
	watched string
	// blind, where set, is why the watch knows nothing.
	blind error
	// updates counts writes, and reads the reads of credentials and decoys.
	updates, reads int
}

// newWorld makes one whose hashes are cheap.
func newWorld(t *testing.T, spec v1alpha1.PasswordPolicySpec) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	spec.Hashing.Argon2id = &v1alpha1.Argon2idParameters{
		MemoryKiB: new(int32(64)), Iterations: new(int32(1)), Parallelism: new(int32(1)),
	}
	w := &world{t: t, clock: clocktesting.NewFakePassiveClock(now), policy: &v1alpha1.PasswordPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "standard", Annotations: map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"}},
		Spec:       spec,
	}}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team}}, w.policy)
	if err := catalog.IndexSubjects(t.Context(), indexer{b}); err != nil {
		t.Fatal(err)
	}
	w.client = b.Build()
	w.store = &credential.Store{Reader: w.client, Writer: w.client, Namespace: credential.DefaultNamespace}
	return w
}

// indexer indexes what a fake client has, as a cache would.
type indexer struct{ builder *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	i.builder.WithIndex(obj, field, extract)
	return nil
}

// provider declares an identity provider.
func (w *world) provider(name string) *v1alpha1.IdentityProvider {
	w.t.Helper()
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       v1alpha1.IdentityProviderSpec{AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}},
	}
	if err := w.client.Create(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// directory declares an LDAP directory that serves the namespaces which it allows.
func (w *world) directory(allowed v1alpha1.NamespacesFrom) {
	w.t.Helper()
	p := w.provider("directory")
	p.Spec.Type, p.Spec.AllowedNamespaces.From = v1alpha1.IdentityProviderLDAP, allowed
	w.update(p)
}

// update writes what is declared.
func (w *world) update(obj client.Object) {
	w.t.Helper()
	if err := w.client.Update(context.Background(), obj); err != nil {
		w.t.Fatal(err)
	}
}

// decoys makes what counts the failures of names that nobody has.
func (w *world) decoys() {
	w.t.Helper()
	for i := range credential.Decoys {
		if err := w.store.CreateDecoy(w.t.Context(), credential.DecoyName(i)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// service returns a replica of the login server.
func (w *world) service(hashes, queue int) *login.Service {
	call := func(hook *func() error) error {
		w.mu.Lock()
		f := *hook
		w.mu.Unlock()
		if f == nil {
			return nil
		}
		return f()
	}
	c := interceptor.NewClient(w.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if err := call(&w.beforeGet); err != nil {
				return err
			}
			w.mu.Lock()
			w.reads++
			behind := w.behind
			w.mu.Unlock()
			options := client.GetOptions{}
			if options.ApplyOptions(opts); behind != nil && options.Raw != nil && options.Raw.ResourceVersion != "" {
				behind.DeepCopyInto(obj.(*corev1.Secret))
				return nil
			}
			return c.Get(ctx, key, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			if err := call(&w.beforeUpdate); err != nil {
				return err
			}
			err := c.Update(ctx, obj, opts...)
			if err != nil {
				return err
			}
			w.mu.Lock()
			w.updates++
			w.mu.Unlock()
			return call(&w.afterUpdate)
		},
	})
	store := &credential.Store{Reader: c, Writer: c, Namespace: credential.DefaultNamespace}
	workers := worker.InProcess(hashes)
	w.t.Cleanup(workers.Close)
	hasher := hash.NewBounded(workers, hashes)
	return login.NewService(login.Options{
		Catalog: catalog.New(w.client, "keyturn-system"), Store: store, Clock: w.clock, Watch: w, Hasher: hasher,
		Verifiers: authn.Verifiers{Local: &local.Verifier{Hasher: hasher}, External: w.external}, FindAccount: w.findAccount,
		DecoyKey: func() credential.DecoyKey { return credential.DecoyKey("key") }, Hashes: hashes, Queue: queue,
	})
}

// on sets the hooks.
func (w *world) on(beforeGet, beforeUpdate func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beforeGet, w.beforeUpdate = beforeGet, beforeUpdate
}

// once returns a hook that lets something happen before the first call.
func once(f func()) func() error {
	var o sync.Once
	return func() error { o.Do(f); return nil }
}

func (w *world) parameters() hash.Parameters { return policy.From("", &w.policy.Spec).Hashing }

func (w *world) hash(text string) hash.Encoded {
	w.t.Helper()
	encoded, err := hash.Create(text, w.parameters())
	if err != nil {
		w.t.Fatal(err)
	}
	return encoded
}

// person declares an account whose password was chosen two days ago.
func (w *world) person(name string, spec v1alpha1.UserAccountSpec, changes ...func(*account.Credential)) login.Who {
	w.t.Helper()
	a := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: name, UID: types.UID("uid-of-" + name)}, Spec: spec,
	}
	if err := w.client.Create(context.Background(), a); err != nil {
		w.t.Fatal(err)
	}
	rules := account.NewRules(&spec, policy.Default(), now.Add(-48*time.Hour))
	c := rules.Change(rules.New(account.OwnerOf(a), "id-of-"+name), w.hash(password), account.Digests{})
	for _, change := range changes {
		change(&c)
	}
	if _, err := w.store.Create(context.Background(), credential.Name(team, name), c); err != nil {
		w.t.Fatal(err)
	}
	return login.Who{Namespace: team, Username: name}
}

func (w *world) record(who login.Who) *credential.Record {
	w.t.Helper()
	r, err := w.store.Get(context.Background(), credential.Name(who.Namespace, who.Username))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// Known is what the replica's watch knows: what is stored, but for what a test says.
func (w *world) Known(ctx context.Context, name string) (*login.Known, error) {
	w.mu.Lock()
	watched, blind := w.watched, w.blind
	w.mu.Unlock()
	if blind != nil {
		return nil, blind
	}
	secret := &corev1.Secret{}
	err := w.client.Get(ctx, client.ObjectKey{Namespace: w.store.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := &login.Known{Version: watched, UID: string(secret.UID), Generation: credential.GenerationOf(&secret.ObjectMeta)}
	if session, err := credential.SessionOf(&secret.ObjectMeta); err == nil {
		known.Owner = session.Owner
	}
	if watched == "" {
		known.Version = secret.ResourceVersion
	}
	return known, nil
}

// lag keeps a credential as it is now in the API server's memory.
func (w *world) lag(who login.Who) {
	w.t.Helper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: w.store.Namespace, Name: credential.Name(who.Namespace, who.Username)}
	if err := w.client.Get(context.Background(), key, secret); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = secret
}

// write writes a credential as another server would.
func (w *world) write(who login.Who, change func(*account.Credential)) {
	w.t.Helper()
	r := w.record(who)
	c := r.Credential
	change(&c)
	if _, err := w.store.Update(context.Background(), r, c); err != nil {
		w.t.Error(err)
	}
}

// reset does what the operator does when an administrator hands out another password.
func (w *world) reset(who login.Who, next string) {
	w.write(who, func(c *account.Credential) {
		c.Password = account.Password{Hash: w.hash(next), SetTime: now, SetBy: v1alpha1.SetByReset}
		c.Failures = account.Failures{}
		c.SessionGeneration++
	})
}
