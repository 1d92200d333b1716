package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/console"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/throttle"
	"github.com/keyturn/keyturn/internal/transitions"
	"github.com/keyturn/keyturn/internal/ui"
	"github.com/keyturn/keyturn/internal/watch"
	"github.com/keyturn/keyturn/internal/web"
	"github.com/keyturn/keyturn/internal/webhook"
)

// What the server waits for.
var (
	errNotSynced = errors.New("waiting for the watches: can the API server be reached, and are the rights in place?")
	errNoDecoys  = errors.New("waiting for the decoys of unknown accounts: is the operator running, and of this version?")
	errNoKeys    = errors.New("waiting for a signing key: is the operator running?")
)

// server has the parts of the login server that run uses.
type server struct {
	caches   *watch.Caches
	sessions *sessions.Service
	// audit must be closed after the last request.
	audit *audit.Log
	// people and webhooks are the handlers of the ports.
	people, webhooks http.Handler
	registry         *prometheus.Registry

	// identityProviders returns those that count.
	identityProviders func(context.Context) ([]*v1alpha1.IdentityProvider, error)

	// hasDecoys tells whether the watch has all decoys, which attempts with unknown usernames are counted on.
	hasDecoys func(context.Context) bool
	// hadDecoys is true after that was so once: the operator makes decoys again that get lost.
	synced, hadDecoys atomic.Bool
}

// basis is what the parts of the server are made of.
type basis struct {
	caches       *watch.Caches
	pages        *ui.UI
	proxies      forwarded.Proxies
	consoleHosts httpkit.Hosts
	registry     *prometheus.Registry
	audit        *audit.Log
}

func newBasis(ctx context.Context, config *rest.Config, o *options) (*basis, error) {
	b := &basis{registry: newRegistry(o)}
	var err error
	if b.consoleHosts, err = httpkit.ParseHosts(o.consoleHosts); err != nil {
		return nil, err
	}
	b.caches, err = watch.NewCaches(ctx, config, watch.Options{
		Namespaces:   watch.Namespaces{System: o.systemNamespace, Credentials: o.credentialNamespace, Providers: o.providerNamespace},
		MaxStaleness: o.maxStaleness, KeepStatus: len(b.consoleHosts) > 0,
	})
	if err != nil {
		return nil, err
	}
	if b.pages, err = ui.New(o.pages); err != nil {
		return nil, err
	}
	if b.proxies, err = forwarded.Parse(o.trustedProxies); err != nil {
		return nil, err
	}
	b.audit, err = audit.Open(o.auditLog, "login", b.registry)
	return b, err
}

func newServer(ctx context.Context, config *rest.Config, hasher hash.Hasher, o *options) (*server, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "keyturn-login/" + version // Its first part is the field manager.
	// Each login reads its credential live, so the client's own limit, meant for controllers, would limit logins. --hashes and
	// --hash-queue bound how many reads run at once, and the API server has limits of its own.
	config.QPS = -1
	b, err := newBasis(ctx, config, o)
	if err != nil {
		return nil, err
	}
	accounts, credentials, keys := catalog.New(b.caches.Reader(), o.systemNamespace), b.caches.Credentials(), b.caches.Keys()
	store := &credential.Store{Reader: b.caches.Live(), Writer: b.caches.Live(), Namespace: o.credentialNamespace}
	bounded := hash.NewBounded(hasher, o.hashes)
	bounded.Observe = metrics.ObserveHashes(b.registry)
	asked := newProviders(provider.Source{Reader: b.caches.Providers(), Namespace: o.providerNamespace}, credentials.OwnerOfIdentity)
	verifiers := authn.Verifiers{Local: &local.Verifier{Hasher: bounded}, External: asked.directories}
	logins := login.NewService(login.Options{
		Catalog: accounts, Store: store, Clock: clock.RealClock{}, Watch: credentials, Verifiers: verifiers, Hasher: bounded,
		DecoyKey: keys.DecoyKey, Hashes: o.hashes, Queue: o.hashQueue, FindAccount: asked.findAccount(accounts), OwnerOfIdentity: credentials.OwnerOfIdentity,
	})
	metrics.RegisterKeys(b.registry, keys)
	counts := metrics.New(b.registry, bounded.Running, logins.Waiting)
	counts.Providers = asked.observe(b.registry, accounts)
	recorder := &audit.Recorder{Log: b.audit, Catalog: accounts, Clock: clock.RealClock{}, Owners: credentials}
	store.OnWrite = (&transitions.Notifier{
		Catalog: accounts, Clock: clock.RealClock{}, Listeners: []transitions.Listener{recorder.Transition, counts.Transition},
	}).Wrote
	administrators, actions, err := newAdministration(config, b, accounts, store, bounded, o)
	if err != nil {
		return nil, err
	}

	s := &server{
		caches: b.caches, audit: b.audit, registry: b.registry, hasDecoys: credentials.HasDecoys, identityProviders: accounts.IdentityProviders,
		sessions: &sessions.Service{
			Keys: keys, Credentials: credentials, Accounts: b.caches.Accounts(), Catalog: accounts, Store: store, Clock: clock.RealClock{},
		},
	}
	cookies := httpkit.Cookies{OverHTTP: o.insecureCookies}
	people := web.Handler(web.Dependencies{
		Logins: logins, Catalog: accounts, Sessions: s.sessions, Metrics: counts, UI: b.pages, Cookies: cookies,
		DefaultNamespace: o.defaultNamespace, ShowOrganization: o.showOrganization,
		Proxies: b.proxies, Throttle: throttle.New(o.addressFailures, clock.RealClock{}), Audit: recorder,
		Providers: asked.oidc, Tickets: asked.tickets, SendEmail: o.tellEmail, ConsoleHosts: b.consoleHosts, MayListAccounts: administrators.MayList,
	})
	s.people = withConsole(people, console.Handler(console.Dependencies{
		Service: administrators, Sessions: s.sessions, Checks: counts, Metrics: actions, UI: b.pages, Cookies: cookies, Proxies: b.proxies, Audit: recorder,
	}), b.consoleHosts)
	s.webhooks = webhook.Handler(&webhook.TokenReview{Sessions: s.sessions, Metrics: counts, Audiences: o.webhook.audienceList()})
	return s, nil
}

// newRegistry returns a registry with the metrics of the process.
func newRegistry(o *options) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	buildinfo.Register(registry, version, commit)
	metrics.RegisterLimits(registry, o.hashes, o.hashQueue)
	return registry
}

// ready returns what the server waits for; nil if it is ready.
func (s *server) ready() error {
	switch {
	case !s.synced.Load():
		return errNotSynced
	case !s.sessions.Ready():
		return errNoKeys
	case !s.hadDecoys.Load() && !s.hasDecoys(context.Background()):
		return errNoDecoys
	}
	s.hadDecoys.Store(true)
	return s.caches.Health()
}

// takesTickets tells whether people can log in by a Kerberos ticket at any provider.
func (s *server) takesTickets() bool {
	if !s.synced.Load() {
		return false // The watch would have to be waited for.
	}
	declared, err := s.identityProviders(context.Background())
	return err == nil && slices.ContainsFunc(declared, func(p *v1alpha1.IdentityProvider) bool {
		return p.Spec.LDAP.Kerberos != nil && p.Spec.Access != v1alpha1.AccessDisabled
	})
}

func (s *server) awaitSync(ctx context.Context) {
	if s.caches.WaitForSync(ctx) {
		s.synced.Store(true)
		debug.FreeOSMemory() // The caches keep little of the objects that were read.
		slog.Info("Login server knows the accounts")
	}
}
