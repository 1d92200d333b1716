package web_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/transitions"
	"github.com/keyturn/keyturn/internal/ui"
	"github.com/keyturn/keyturn/internal/watch"
	"github.com/keyturn/keyturn/internal/web"
	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	systemNamespace = "keyturn-system"
	// marker is part of every password in these tests: what holds it has leaked one.
	marker   = "xyzzy"
	password = "correct horse " + marker
	wrong    = "wrong horse " + marker
	fresh    = "another staple " + marker
)

// shared is the login server under test, under the rights of its own ServiceAccount, and an administrator beside it.
var shared struct {
	admin    client.Client
	store    *credential.Store
	caches   *watch.Caches
	sessions *sessions.Service
	registry *prometheus.Registry
	hasher   *hash.Bounded
	// logins are the options of the service that the server under test asks.
	logins login.Options
	// series are those of the registry before anybody asked for anything.
	series map[string]float64
	// depends is what the server was made of.
	depends web.Dependencies
	url     string
	logs    *lockedBuffer
}

// lockedBuffer holds what was logged.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestMain(m *testing.M) {
	shared.logs = &lockedBuffer{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(shared.logs, nil)))
	ctx, end := context.WithCancel(context.Background())
	code := controlplane.Main(m, controlplane.Options{}, func(_ context.Context, c *controlplane.ControlPlane) error {
		return prepare(ctx, c)
	})
	end()
	if leaks := leaksIn(shared.logs.String()); len(leaks) > 0 {
		fmt.Fprintln(os.Stderr, "the log holds secrets:", leaks)
		code = 1
	}
	if grown, err := grownSeries(); err != nil || len(grown) > 0 {
		fmt.Fprintln(os.Stderr, "requests have made series:", grown, err)
		code = 1
	}
	os.Exit(code)
}

// grownSeries names the series that no test may make, whatever it sends: all that there can be are there from the start.
func grownSeries() (grown []string, err error) {
	if shared.series == nil {
		return nil, nil // Nothing has begun.
	}
	series, err := readSeries(shared.registry)
	for name := range series {
		if _, known := shared.series[name]; !known {
			grown = append(grown, name)
		}
	}
	return grown, err
}

// leaksIn returns the passwords, hashes and tokens in a text.
func leaksIn(text string) []string {
	var leaks []string
	for _, secret := range []string{marker, "$argon2id$", "$2b$", "eyJ"} {
		if strings.Contains(text, secret) {
			leaks = append(leaks, secret)
		}
	}
	return leaks
}

func prepare(ctx context.Context, c *controlplane.ControlPlane) error {
	definitions, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range definitions {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return err
		}
		if err := controlplane.Apply(ctx, c.Config(), object); err != nil {
			return err
		}
	}
	scheme, err := watch.NewScheme()
	if err != nil {
		return err
	}
	if shared.admin, err = client.New(c.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	for _, object := range rights() {
		if err := shared.admin.Create(ctx, object); err != nil {
			return err
		}
	}
	config, err := c.TokenFor(ctx, systemNamespace, "login")
	if err != nil {
		return err
	}
	config.QPS = -1
	namespaces := watch.Namespaces{System: systemNamespace, Credentials: credential.DefaultNamespace, Providers: provider.DefaultNamespace}
	if shared.caches, err = watch.NewCaches(ctx, config, watch.Options{Namespaces: namespaces, MaxStaleness: time.Minute}); err != nil {
		return err
	}
	live, keys := shared.caches.Live(), shared.caches.Keys()
	shared.store = &credential.Store{Reader: live, Writer: shared.admin, Namespace: credential.DefaultNamespace}
	for i := range credential.Decoys {
		if err := shared.store.CreateDecoy(ctx, credential.DecoyName(i)); err != nil {
			return err
		}
	}
	organisations := catalog.New(shared.caches.Reader(), systemNamespace)
	shared.registry = prometheus.NewRegistry()
	buildinfo.Register(shared.registry, "v0.0.0-test", "unknown")
	metrics.RegisterLimits(shared.registry, 2, 64)
	store := &credential.Store{Reader: live, Writer: live, Namespace: credential.DefaultNamespace}
	shared.hasher = hash.NewBounded(worker.InProcess(2), 2)
	shared.hasher.Observe = metrics.ObserveHashes(shared.registry)
	verifiers := authn.Verifiers{Local: &local.Verifier{Hasher: shared.hasher}}
	shared.logins = login.Options{
		Catalog: organisations, Store: store, Clock: clock.RealClock{}, Watch: shared.caches.Credentials(),
		Verifiers: verifiers, Hasher: shared.hasher, DecoyKey: keys.DecoyKey, Hashes: 2, Queue: 64,
	}
	logins := login.NewService(shared.logins)
	metrics.RegisterKeys(shared.registry, keys)
	counts := metrics.New(shared.registry, shared.hasher.Running, logins.Waiting)
	if shared.series, err = readSeries(shared.registry); err != nil {
		return err
	}
	store.OnWrite = (&transitions.Notifier{
		Catalog: organisations, Clock: clock.RealClock{}, Listeners: []transitions.Listener{counts.Transition},
	}).Wrote
	shared.sessions = &sessions.Service{
		Keys: keys, Credentials: shared.caches.Credentials(), Accounts: shared.caches.Accounts(), Catalog: organisations, Store: store,
		Clock: clock.RealClock{},
	}
	pages, err := ui.New(ui.Options{ProductName: "Keyturn"})
	if err != nil {
		return err
	}
	shared.depends = web.Dependencies{
		Logins: logins, Catalog: organisations, Sessions: shared.sessions,
		Metrics: counts, UI: pages, DefaultNamespace: "default",
	}
	server := httptest.NewServer(web.Handler(shared.depends))
	shared.url = server.URL
	go func() { _ = shared.caches.Start(ctx) }()
	if !shared.caches.WaitForSync(ctx) {
		return fmt.Errorf("caches do not sync")
	}
	return writeKeys(ctx)
}

// writeKeys does what the operator does at its first start.
func writeKeys(ctx context.Context) error {
	ring, _, _, err := (&token.Ring{}).Rotate(time.Now(), 24*time.Hour, 31*24*time.Hour)
	if err != nil {
		return err
	}
	err = shared.admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: token.SecretName},
		Data:       ring.Encode(),
	})
	for err == nil && !shared.sessions.Ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return err
}

// rights are those of the login server, and no more.
func rights() []client.Object {
	meta := func(namespace string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: "login"}
	}
	follow := []string{"get", "list", "watch"}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: credential.DefaultNamespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: provider.DefaultNamespace}},
		&corev1.ServiceAccount{ObjectMeta: meta(systemNamespace)},
		&rbacv1.ClusterRole{ObjectMeta: meta(""), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"useraccounts", "passwordpolicies", "identityproviders"}, Verbs: follow},
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: follow},
		}},
		&rbacv1.Role{ObjectMeta: meta(credential.DefaultNamespace), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: append([]string{"update"}, follow...)},
		}},
		&rbacv1.Role{ObjectMeta: meta(provider.DefaultNamespace), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: follow},
		}},
		&rbacv1.Role{ObjectMeta: meta(systemNamespace), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: follow},
			{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{token.SecretName}, Verbs: follow},
		}},
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: systemNamespace, Name: "login"}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: "login"}
	}
	objects = append(objects, &rbacv1.ClusterRoleBinding{ObjectMeta: meta(""), Subjects: subjects, RoleRef: ref("ClusterRole")})
	for _, namespace := range []string{systemNamespace, credential.DefaultNamespace, provider.DefaultNamespace} {
		objects = append(objects, &rbacv1.RoleBinding{ObjectMeta: meta(namespace), Subjects: subjects, RoleRef: ref("Role")})
	}
	return objects
}

// eventually tries until the function succeeds.
func eventually(t testing.TB, try func(gomega.Gomega)) {
	t.Helper()
	gomega.NewWithT(t).Eventually(try, 10*time.Second, 5*time.Millisecond).Should(gomega.Succeed())
}

// create creates an object and waits until the server under test has received it.
func create(t testing.TB, object client.Object) {
	t.Helper()
	if err := shared.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	awaitSeen(t, object)
}

func update(t *testing.T, object client.Object) {
	t.Helper()
	if err := shared.admin.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	awaitSeen(t, object)
}

func awaitSeen(t testing.TB, object client.Object) {
	t.Helper()
	var seen client.Object
	switch object.(type) {
	case *v1alpha1.UserAccount:
		seen = &v1alpha1.UserAccount{}
	case *v1alpha1.PasswordPolicy:
		seen = &v1alpha1.PasswordPolicy{}
	case *v1alpha1.IdentityProvider:
		seen = &v1alpha1.IdentityProvider{}
	case *corev1.Namespace:
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		seen = m
	}
	eventually(t, func(g gomega.Gomega) {
		g.Expect(shared.caches.Reader().Get(context.Background(), client.ObjectKeyFromObject(object), seen)).To(gomega.Succeed())
		g.Expect(seen.GetResourceVersion()).To(gomega.Equal(object.GetResourceVersion()))
	})
}

// organisation makes a namespace, with a policy of its own if there is one.
func organisation(t testing.TB, spec *v1alpha1.PasswordPolicySpec) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	if spec != nil {
		p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: "policy-"}, Spec: *spec}
		create(t, p)
		ns.Labels = map[string]string{v1alpha1.LabelPasswordPolicy: p.Name}
	}
	create(t, ns)
	return ns.Name
}

// person declares an account, and gives it a credential with a password that the person chose an hour ago.
func person(t testing.TB, namespace, name string, spec v1alpha1.UserAccountSpec, changes ...func(*account.Credential)) *v1alpha1.UserAccount {
	t.Helper()
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	create(t, a)
	hourAgo := time.Now().Add(-time.Hour)
	rules := account.NewRules(&a.Spec, policy.Default(), hourAgo)
	c := rules.Change(rules.New(account.OwnerOf(a), "id-of-"+name), hashOf(password), account.Digests{})
	for _, change := range changes {
		change(&c)
	}
	if _, err := shared.store.Create(t.Context(), credentialName(a), c); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(g gomega.Gomega) {
		g.Expect(shared.caches.Credentials().Known(t.Context(), credentialName(a))).NotTo(gomega.BeNil())
	})
	return a
}

var hashOf = func() func(string) hash.Encoded {
	var mu sync.Mutex
	known := map[string]hash.Encoded{}
	return func(text string) hash.Encoded {
		mu.Lock()
		defer mu.Unlock()
		if _, found := known[text]; !found {
			encoded, err := hash.Create(text, hash.DefaultParameters())
			if err != nil {
				panic(err)
			}
			known[text] = encoded
		}
		return known[text]
	}
}()

func credentialName(a *v1alpha1.UserAccount) string {
	folded, err := policy.FoldUsername(a.Username())
	if err != nil {
		panic(err)
	}
	return credential.Name(a.Namespace, folded)
}

func record(t *testing.T, a *v1alpha1.UserAccount) *credential.Record {
	t.Helper()
	r, err := shared.store.Get(t.Context(), credentialName(a))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
