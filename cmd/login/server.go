package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/transitions"
	"github.com/keyturn/keyturn/internal/watch"
	"github.com/keyturn/keyturn/internal/web"
	"github.com/keyturn/keyturn/internal/web/ui"
	"github.com/keyturn/keyturn/internal/webhook"
)

// What the server waits for.
var (
	errNotSynced = errors.New("waiting for the watches: can the API server be reached, and are the rights in place?")
	errNoDecoys  = errors.New("waiting for the decoys of unknown accounts: is the operator running, and of this version?")
	errNoKeys    = errors.New("waiting for a signing key: is the operator running?")
)

// server is everything wired together.
type server struct {
	caches   *watch.Caches
	contact  *watch.Contact
	sessions *sessions.Service
	// audit is to be closed when nothing is answered any more.
	audit *audit.Log
	// people and webhooks are the handlers of the ports.
	people, webhooks http.Handler
	registry         *prometheus.Registry

	// hasDecoys tells whether unknown names can be counted; decoys, that they could once: the operator makes what gets lost.
	hasDecoys func(context.Context) bool

	synced, decoys atomic.Bool
}

func newServer(ctx context.Context, config *rest.Config, hasher hash.Hasher, o *options) (*server, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "keyturn-login"
	// Each login reads its credential from the API server: the client's own limit, made for controllers, would be that of logins. The
	// turns of attempts bound how many reads go on at once, and the API server has a limit of its own.
	config.QPS = -1

	namespaces := watch.Namespaces{System: o.systemNamespace, Credentials: o.credentialNamespace}
	contact := watch.NewContact(config, namespaces, o.maxStaleness)
	live, err := newClient(config)
	if err != nil {
		return nil, err
	}
	caches, err := watch.NewCaches(ctx, config, live, contact, namespaces)
	if err != nil {
		return nil, err
	}
	keys, err := caches.Keys(ctx)
	if err != nil {
		return nil, err
	}

	pages, err := ui.New(o.pages)
	if err != nil {
		return nil, err
	}
	proxies, err := forwarded.Parse(o.trustedProxies)
	if err != nil {
		return nil, err
	}
	registry := newRegistry(o)
	auditLog, err := audit.Open(o.auditLog, "login", registry)
	if err != nil {
		return nil, err
	}

	known, credentials := catalog.New(caches.Reader(), o.systemNamespace), caches.Credentials()
	store := &credential.Store{Reader: live, Writer: live, Namespace: o.credentialNamespace}
	bounded := hash.NewBounded(metrics.MeasureHasher(registry, hasher), o.hashes)
	verifiers := authn.Verifiers{Local: &local.Verifier{Hasher: bounded}}
	logins := login.NewService(login.Options{
		Catalog: known, Store: store, Clock: clock.RealClock{}, Watch: credentials, Verifiers: verifiers, Hasher: bounded,
		DecoyKey: keys.DecoyKey, Hashes: o.hashes, Queue: o.hashQueue,
	})
	metrics.RegisterKeys(registry, keys)
	counts := metrics.New(registry, bounded.Running, logins.Waiting)
	recorder := &audit.Recorder{Log: auditLog, Catalog: known, Clock: clock.RealClock{}, Owners: credentials}
	store.OnWrite = (&transitions.Notifier{
		Catalog: known, Clock: clock.RealClock{}, Listeners: []transitions.Listener{recorder.Transition, counts.Transition},
	}).Wrote

	s := &server{caches: caches, contact: contact, audit: auditLog, registry: registry, hasDecoys: credentials.HasDecoys, sessions: &sessions.Service{
		Keys: keys, Credentials: credentials, Accounts: caches.Accounts(), Catalog: known, Store: store, Verifiers: verifiers, Clock: clock.RealClock{},
	}}
	s.people = web.Handler(web.Dependencies{
		Logins: logins, Catalog: known, Sessions: s.sessions, Metrics: counts, UI: pages, Cookies: httpkit.Cookies{OverHTTP: o.insecureCookies},
		DefaultNamespace: o.defaultNamespace, ShowOrganization: o.showOrganization,
		Proxies: proxies, Throttle: throttle.New(o.addressFailures, clock.RealClock{}), Audit: recorder,
		TellEmail: o.tellEmail,
	})
	s.webhooks = webhook.Handler(&webhook.TokenReview{Sessions: s.sessions, Metrics: counts, Audiences: o.webhook.audienceList()})
	return s, nil
}

// apiTimeout bounds each request to the API server, those of watches aside. Whoever waits for it gets an answer while there is
// time for one.
const apiTimeout = 5 * time.Second

// newClient returns a client that asks the API server itself.
func newClient(config *rest.Config) (client.Client, error) {
	scheme, err := watch.NewScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.Timeout = apiTimeout
	live, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return live, nil
}

// newRegistry returns a registry with what is known of the process.
func newRegistry(o *options) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	buildinfo.Register(registry, version)
	metrics.RegisterLimits(registry, o.hashes, o.hashQueue)
	return registry
}

// ready tells what the server waits for.
func (s *server) ready() error {
	switch {
	case !s.synced.Load():
		return errNotSynced
	case !s.sessions.Ready():
		return errNoKeys
	case !s.decoys.Load() && !s.hasDecoys(context.Background()):
		return errNoDecoys
	}
	s.decoys.Store(true)
	return s.contact.Err()
}

func (s *server) awaitSync(ctx context.Context) {
	if s.caches.WaitForSync(ctx) {
		s.synced.Store(true)
		debug.FreeOSMemory() // Whole objects were read, of which little is kept.
		slog.Info("Login server knows the accounts")
	}
}
