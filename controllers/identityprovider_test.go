package controllers_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/directorysweep"
	"github.com/keyturn/keyturn/controllers/identityprovider"
	"github.com/keyturn/keyturn/internal/provider"
)

// directory is a running directory server, whose tests of connections come to what a test of it says.
type directory struct {
	traffic *traffic
	// tests counts the tests of connections. answers has what they wait for, by provider; those of the others succeed.
	tests   atomic.Int64
	answers sync.Map // of name to chan error
	// cached reads from the server's cache, and sweeper is what sweeps directories when a test says so.
	cached  client.Reader
	sweeper *directorysweep.Reconciler
	states  *directorysweep.States
	metrics *prometheus.Registry
	people  people
}

func (d *directory) test(ctx context.Context, settings *provider.Settings) error {
	d.tests.Add(1)
	answers, found := d.answers.Load(settings.Provider.Name)
	if !found {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-answers.(chan error):
		return err
	}
}

// directory runs a directory server that sees this world alone. The namespace of the providers is that of the world's own Secrets.
func (w *world) directory() *directory {
	w.t.Helper()
	d := &directory{traffic: &traffic{}, states: directorysweep.NewStates(), metrics: prometheus.NewRegistry()}
	w.operators = append(w.operators, &operator{traffic: d.traffic}) // What it writes is looked at in the end.
	config := cluster.Config()
	config.QPS = -1
	config.Wrap(d.traffic.wrap)
	caches := controllers.DirectoryCacheOptions(w.system, w.credentials)
	own := labels.SelectorFromSet(w.labels())
	for kind, options := range caches.ByObject {
		if _, ok := kind.(*v1alpha1.UserAccount); ok {
			options.Label = own
			caches.ByObject[kind] = options
		}
	}
	caches.ByObject[&v1alpha1.IdentityProvider{}] = cache.ByObject{Label: own}
	noDelay := time.Duration(0)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  newScheme(),
		Logger:                  logr.FromSlogHandler(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Cache:                   caches,
		Controller:              ctrlconfig.Controller{SkipNameValidation: new(true), ReconciliationTimeout: controllers.ReconciliationTimeout},
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: &noDelay,
	})
	w.must(err)
	connections := identityprovider.NewConnections(d.test, func(context.Context, *provider.Settings) (provider.DirectoryLockout, error) {
		return provider.DirectoryLockout{}, nil
	}, w.clock)
	w.must(identityprovider.SetupWithManager(ctx, &recordingManager{Manager: mgr, log: w.events}, identityprovider.Options{
		Namespace: w.system, Connections: connections, Registry: d.metrics, Clock: w.clock, LoginReplicas: 2,
		CheckKeytab: func(*provider.Settings) error { return nil },
		Sweep:       d.states.Condition, Swept: d.states.Changed(),
	}))
	d.cached = mgr.GetClient()
	d.sweeper, err = directorysweep.New(ctx, mgr, directorysweep.Options{
		ProviderNamespace: w.system, CredentialNamespace: w.credentials, Ask: d.people.ask, MayAsk: connections.MayBind,
		States: d.states, Registry: d.metrics, Clock: w.clock,
	})
	w.must(err)
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the directory server ended: %v", err)
		}
	})
	return d
}

// reachedWith has a provider name a Secret.
func reachedWith(secret string) func(*v1alpha1.IdentityProvider) {
	return func(p *v1alpha1.IdentityProvider) { p.Spec.OIDC.ClientSecretRef.Name = secret }
}

// clientSecret creates the Secret of a provider.
func (w *world) clientSecret(name string) *corev1.Secret {
	w.t.Helper()
	return w.secret(name, "Secret-of-the-client-"+name, func(s *corev1.Secret) {
		s.Namespace, s.Type = w.system, v1alpha1.SecretTypeOIDCClient
		s.Data = map[string][]byte{v1alpha1.ClientSecretKey: []byte("Secret-of-the-client-" + name), v1alpha1.ServersKey: []byte("id.example.org")}
	})
}

// providerIs waits until a provider's condition Ready has a status and a reason, and tools that follow kstatus see one of their own.
func (w *world) providerIs(p *v1alpha1.IdentityProvider, status metav1.ConditionStatus, reason, computed string) {
	w.t.Helper()
	w.g.Eventually(func() (string, error) {
		if err := admin.Get(ctx, keyOf(p), p); err != nil {
			return "", err
		}
		if got := kstatus(p, p.Status.ObservedGeneration, p.Status.Conditions); got != computed {
			return "kstatus computes " + got, nil
		}
		return conditionIn(p.Status.Conditions, v1alpha1.ConditionReady, status, reason), nil
	}, patience, glance).Should(gomega.BeEmpty(), p.Name)
}

// TestProviderFollowsItsSecretAndItsCertificates: a provider is tested when what it names is there, and again when that changes. A Secret of
// another namespace is not what it names.
func TestProviderFollowsItsSecretAndItsCertificates(t *testing.T) {
	w := newWorld(t)
	d := w.directory()
	p := w.provider("staff", reachedWith("staff"), func(p *v1alpha1.IdentityProvider) {
		p.Spec.OIDC.CAConfigMapRef = &v1alpha1.CAConfigMapReference{Name: "authority"}
	})
	w.secret("staff", "Another-secret-", func(s *corev1.Secret) { s.Type = v1alpha1.SecretTypeOIDCClient })
	w.providerIs(p, metav1.ConditionFalse, v1alpha1.ConditionReasonSecretNotFound, "InProgress")
	secret := w.clientSecret("staff")
	w.providerIs(p, metav1.ConditionFalse, v1alpha1.ConditionReasonCANotFound, "InProgress")
	w.g.Expect(d.tests.Load()).To(gomega.BeZero(), "the secret of the client is sent nowhere before the certificates are there")
	authority := &corev1.ConfigMap{ObjectMeta: objectMeta(w.system, "authority"), Data: map[string]string{"ca.crt": string(cluster.Config().CAData)}}
	w.must(admin.Create(ctx, authority))
	w.providerIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	w.g.Expect(d.tests.Load()).To(gomega.BeEquivalentTo(1))

	edit(w, secret, func(s *corev1.Secret) { s.Data[v1alpha1.ServersKey] = []byte("other.example.org") })
	w.providerIs(p, metav1.ConditionFalse, v1alpha1.ConditionReasonServerNotAllowed, "Failed")
	edit(w, secret, func(s *corev1.Secret) { s.Data[v1alpha1.ServersKey] = []byte("other.example.org id.example.org") })
	w.providerIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	w.g.Expect(d.tests.Load()).To(gomega.BeEquivalentTo(2))
	w.g.Expect(d.traffic.about(p.Name)).To(gomega.HaveLen(5), "each status is written once, and nothing else")
	// The event of a status comes after the status.
	w.g.Eventually(func() []string { return w.events.reasons(p.Name) }, patience, glance).Should(gomega.Equal([]string{
		v1alpha1.ConditionReasonSecretNotFound, v1alpha1.ConditionReasonCANotFound, v1alpha1.ConditionReasonSucceeded,
		v1alpha1.ConditionReasonServerNotAllowed, v1alpha1.ConditionReasonSucceeded,
	}))
}

// TestProviderThatDoesNotAnswer: the test of one provider does not hold up those of others, nor the numbers of their accounts.
func TestProviderThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	d := w.directory()
	answer := make(chan error)
	d.answers.Store(w.name+"-silent", answer)
	silent := w.provider("silent", reachedWith("silent"))
	w.clientSecret("silent")
	w.g.Eventually(d.tests.Load, patience, glance).Should(gomega.BeEquivalentTo(1))

	other := w.provider("other", reachedWith("other"))
	w.clientSecret("other")
	w.providerIs(other, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	answer <- &provider.TestError{Reason: v1alpha1.ConditionReasonClientRefused, Message: "What to do."}
	w.providerIs(silent, metav1.ConditionFalse, v1alpha1.ConditionReasonClientRefused, "Failed")
}

// TestAccountsOfAProviderAreCounted: the number follows the accounts, however they come to name a provider or cease to, and nobody asks the
// provider for that. It is all that is written.
func TestAccountsOfAProviderAreCounted(t *testing.T) {
	w := newWorld(t)
	d := w.directory()
	first, second := w.provider("first", reachedWith("first")), w.provider("second", reachedWith("second"))
	w.clientSecret("first")
	w.clientSecret("second")
	counts := func(ofFirst, ofSecond int32) {
		t.Helper()
		for p, number := range map[*v1alpha1.IdentityProvider]int32{first: ofFirst, second: ofSecond} {
			w.g.Eventually(func() (int32, error) {
				if err := admin.Get(ctx, keyOf(p), p); err != nil || p.Status.Accounts == nil {
					return -1, err
				}
				return *p.Status.Accounts, nil
			}, patience, glance).Should(gomega.Equal(number), "accounts of %s", p.Name)
		}
	}
	w.providerIs(first, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	w.providerIs(second, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "Current")
	counts(0, 0)
	tests := d.tests.Load()

	a, b, c := w.account("a", verifiedBy(first.Name, "1")), w.account("b", verifiedBy(first.Name, "2")), w.account("c")
	counts(2, 0)
	edit(w, a, verifiedBy(second.Name, "1"))
	edit(w, c, verifiedBy(second.Name, "2"))
	edit(w, b, func(a *v1alpha1.UserAccount) { a.Finalizers = []string{"example.com/somebody"} })
	w.delete(b) // Waits for the finalizer.
	counts(0, 2)
	edit(w, b, func(a *v1alpha1.UserAccount) { a.Finalizers = nil })
	w.delete(c)
	counts(0, 1)
	w.g.Expect(d.tests.Load()).To(gomega.Equal(tests), "the connections are not tested again")
}
