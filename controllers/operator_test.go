package controllers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlrecorder "sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/certificate"
	"github.com/keyturn/keyturn/controllers/decoy"
	"github.com/keyturn/keyturn/controllers/keyring"
	"github.com/keyturn/keyturn/controllers/orphan"
	"github.com/keyturn/keyturn/controllers/passwordpolicy"
	"github.com/keyturn/keyturn/controllers/useraccount"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/transitions"
)

// orphanGrace of the operators under test.
const orphanGrace = 72 * time.Hour

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return scheme
}

// operator is a running operator with all its controllers.
type operator struct {
	traffic *traffic
	// reconciles counts the reconciliations of accounts: each asks for the time once.
	reconciles *countingClock
	// sweeps counts the reconciliations of credentials by the orphan controller: each asks for the time once if the credential can be
	// read. They come one at a time.
	sweeps *countingClock
	// metrics are Keyturn's own.
	metrics *prometheus.Registry
	stop    func()
}

// start runs an operator that sees this world alone: its accounts, policies and identity providers, by their label, and its
// namespaces. It ends with the test, or by stop.
func (w *world) start(intercept interceptor) *operator {
	w.t.Helper()
	o := &operator{traffic: &traffic{intercept: intercept}, reconciles: &countingClock{clock: w.clock}, sweeps: &countingClock{clock: w.clock}, metrics: prometheus.NewRegistry()}
	config := cluster.Config()
	config.QPS = -1
	config.Wrap(o.traffic.wrap)

	caches := controllers.CacheOptions(w.system)
	for kind, options := range caches.ByObject {
		switch kind.(type) {
		case *v1alpha1.UserAccount, *v1alpha1.PasswordPolicy, *v1alpha1.IdentityProvider:
			options.Label = labels.SelectorFromSet(w.labels()) // The world's own.
			caches.ByObject[kind] = options
		}
	}
	log := slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	noDelay := time.Duration(0)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  newScheme(),
		Logger:                  logr.FromSlogHandler(log),
		Cache:                   caches,
		Controller:              ctrlconfig.Controller{SkipNameValidation: new(true), ReconciliationTimeout: controllers.ReconciliationTimeout},
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: &noDelay,
	})
	w.must(err)
	secrets, err := cache.New(config, controllers.SecretCacheOptions(mgr.GetScheme(), w.system, w.credentials))
	w.must(err)
	w.must(mgr.Add(secrets))
	w.must(w.addControllers(&recordingManager{Manager: mgr, log: w.events}, secrets, o))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			w.t.Errorf("the operator ended: %v", err)
		}
	})
	w.t.Cleanup(o.stop)
	w.operators = append(w.operators, o)
	return o
}

func (w *world) addControllers(mgr ctrl.Manager, secrets cache.Cache, o *operator) error {
	d, live := catalog.New(mgr.GetClient(), w.system), catalog.New(&ownPolicies{mgr.GetAPIReader(), w.labels()}, w.system)
	if err := useraccount.SetupWithManager(context.Background(), mgr, useraccount.Options{
		Credentials: secrets, CredentialNamespace: w.credentials, Catalog: d,
		LiveCatalog: live, Hashes: w.hashes, Hasher: worker.InProcess(w.hashes), Clock: o.reconciles,
		Registry: o.metrics, Transitions: transitions.Notifier{Catalog: d, Clock: w.clock},
	}); err != nil {
		return fmt.Errorf("set up accounts: %w", err)
	}
	if err := passwordpolicy.SetupWithManager(context.Background(), mgr, d, w.clock); err != nil {
		return fmt.Errorf("set up policies: %w", err)
	}
	if err := orphan.SetupWithManager(mgr, orphan.Options{
		Credentials: secrets, CredentialNamespace: w.credentials, Catalog: d, LiveCatalog: live, Grace: orphanGrace, Clock: o.sweeps,
	}); err != nil {
		return fmt.Errorf("set up credentials: %w", err)
	}
	if err := keyring.SetupWithManager(mgr, secrets, w.system, w.clock); err != nil {
		return fmt.Errorf("set up signing keys: %w", err)
	}
	if w.certificates {
		owned, err := cache.New(mgr.GetConfig(), controllers.CertificateCacheOptions(mgr.GetScheme(), w.system))
		if err != nil {
			return fmt.Errorf("set up cache of certificates: %w", err)
		}
		if err := errors.Join(mgr.Add(owned), certificate.SetupWithManager(mgr, owned, w.system, w.clock)); err != nil {
			return fmt.Errorf("set up certificates: %w", err)
		}
	}
	if !w.decoys {
		return nil
	}
	decoys, err := cache.New(mgr.GetConfig(), controllers.DecoyCacheOptions(mgr.GetScheme(), w.credentials))
	if err != nil {
		return fmt.Errorf("set up cache of decoys: %w", err)
	}
	if err := mgr.Add(decoys); err != nil {
		return fmt.Errorf("add cache of decoys: %w", err)
	}
	return decoy.SetupWithManager(mgr, decoys, w.credentials)
}

// ownPolicies reads the policies of one world only.
type ownPolicies struct {
	client.Reader
	labels map[string]string
}

// List lists objects; of policies, the world's own.
func (o *ownPolicies) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, ok := list.(*v1alpha1.PasswordPolicyList); ok {
		opts = append(opts, client.MatchingLabels(o.labels))
	}
	return o.Reader.List(ctx, list, opts...)
}

// shiftedClock is the real time, moved forward by as much as a test says.
type shiftedClock struct{ shift atomic.Int64 }

func (c *shiftedClock) Now() time.Time                  { return time.Now().Add(time.Duration(c.shift.Load())) }
func (c *shiftedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *shiftedClock) advance(d time.Duration)         { c.shift.Add(int64(d)) }

// countingClock counts how often it was asked.
type countingClock struct {
	clock *shiftedClock
	asked atomic.Int64
}

func (c *countingClock) Now() time.Time {
	c.asked.Add(1)
	return c.clock.Now()
}

func (c *countingClock) Since(t time.Time) time.Duration { return c.clock.Since(t) }

// sentEvent is an event as it was sent.
type sentEvent struct{ object, kind, reason, note string }

// eventLog records all events. They are sent to the API server besides, which may refuse one.
type eventLog struct {
	mu   sync.Mutex
	list []sentEvent
}

// reasons returns the reasons of the events about an object, in their order.
func (l *eventLog) reasons(object string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	reasons := []string{}
	for _, e := range l.list {
		if e.object == object {
			reasons = append(reasons, e.reason)
		}
	}
	return reasons
}

func (l *eventLog) all() []sentEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sentEvent{}, l.list...)
}

type recordingManager struct {
	ctrl.Manager
	log *eventLog
}

func (m *recordingManager) GetEventRecorder(name string) ctrlrecorder.EventRecorder {
	return &recorder{EventRecorder: m.Manager.GetEventRecorder(name), log: m.log}
}

type recorder struct {
	ctrlrecorder.EventRecorder
	log *eventLog
}

func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	object, _ := regarding.(client.Object)
	r.log.mu.Lock()
	r.log.list = append(r.log.list, sentEvent{object.GetName(), kind, reason, fmt.Sprintf(note, args...)})
	r.log.mu.Unlock()
	r.EventRecorder.Eventf(regarding, related, kind, reason, action, note, args...)
}

// logBuffer keeps all log lines.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}
