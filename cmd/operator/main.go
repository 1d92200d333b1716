// Command operator reconciles accounts, policies, credentials and signing keys. It has no port for people.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/decoy"
	"github.com/keyturn/keyturn/controllers/keyring"
	"github.com/keyturn/keyturn/controllers/orphan"
	"github.com/keyturn/keyturn/controllers/passwordpolicy"
	"github.com/keyturn/keyturn/controllers/useraccount"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/buildinfo"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/hash/worker"
	"github.com/keyturn/keyturn/internal/transitions"
)

// version of the build, set by the linker.
var version = "unknown"

// leaseName of the leader election.
const leaseName = "keyturn-operator"

// stopTimeout is how long reconciliations under way may take to end.
const stopTimeout = 20 * time.Second

func main() {
	o := &options{}
	o.add(flag.CommandLine)
	flag.Parse()
	if err := o.validate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}

	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	slog.SetDefault(slog.New(handler))
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(slog.Default())
	slog.Info("Operator starts", "version", version)

	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		slog.Error("Operator ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	buildinfo.Register(metrics.Registry, version)
	config.QPS = -1 // The API server's own priority and fairness decides.
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	// secrets has the Secrets of Keyturn, with their content: the credentials and the key ring.
	secrets, err := addCache(mgr, config, controllers.SecretCacheOptions(mgr.GetScheme(), o.systemNamespace, o.credentialNamespace))
	if err != nil {
		return fmt.Errorf("set up cache of credentials: %w", err)
	}
	decoys, err := addCache(mgr, config, controllers.DecoyCacheOptions(mgr.GetScheme(), o.credentialNamespace))
	if err != nil {
		return fmt.Errorf("set up cache of decoys: %w", err)
	}
	auditLog, err := audit.Open(o.auditLog, "operator", metrics.Registry)
	if err != nil {
		return err
	}
	defer auditLog.Close()
	hasher, err := worker.Start(o.hashWorker, o.hashes)
	if err != nil {
		return err
	}
	defer hasher.Close()
	if err := addControllers(ctx, mgr, secrets, decoys, hasher, auditLog, o); err != nil {
		return err
	}
	passwordSecrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	for _, after := range []freeAfterSync{{mgr.GetCache(), &v1alpha1.UserAccount{}, false}, {mgr.GetCache(), passwordSecrets, true}} {
		if err := mgr.Add(after); err != nil {
			return fmt.Errorf("add the release of memory after the first read: %w", err)
		}
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("add health checks: %w", err)
	}
	return mgr.Start(ctx)
}

// freeAfterSync returns memory to the system when all objects of a kind have been read: the cache keeps little of them.
type freeAfterSync struct {
	cache cache.Cache
	kind  client.Object
	// leader means that only the leading replica reads the kind.
	leader bool
}

// Start implements manager.Runnable.
func (g freeAfterSync) Start(ctx context.Context) error {
	// GetInformer returns after the sync. An error must not end the operator: the controllers try again.
	if _, err := g.cache.GetInformer(ctx, g.kind); err != nil {
		slog.Debug("Memory of the first look is left to the garbage collector", "error", err)
		return nil
	}
	debug.FreeOSMemory()
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (g freeAfterSync) NeedLeaderElection() bool { return g.leader }

func newManager(config *rest.Config, o *options) (ctrl.Manager, error) {
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:     scheme,
		Cache:      controllers.CacheOptions(o.systemNamespace),
		Controller: ctrlconfig.Controller{ReconciliationTimeout: controllers.ReconciliationTimeout},
		Metrics: metricsserver.Options{
			BindAddress: o.metricsAddress, SecureServing: true,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
			TLSOpts:        []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
		},
		HealthProbeBindAddress:        o.healthAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.systemNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       new(stopTimeout),
	})
	if err != nil {
		return nil, fmt.Errorf("set up manager: %w", err)
	}
	return mgr, nil
}

// addCache makes a cache that starts with the manager.
func addCache(mgr ctrl.Manager, config *rest.Config, options cache.Options) (cache.Cache, error) {
	added, err := cache.New(config, options)
	if err != nil {
		return nil, err
	}
	return added, mgr.Add(added)
}

func addControllers(ctx context.Context, mgr ctrl.Manager, secrets, decoys cache.Cache, hasher hash.Hasher, auditLog *audit.Log, o *options) error {
	d, live, now := catalog.New(mgr.GetClient(), o.systemNamespace), catalog.New(mgr.GetAPIReader(), o.systemNamespace), clock.RealClock{}
	recorder := &audit.Recorder{Log: auditLog, Clock: now}
	writes := transitions.Notifier{Catalog: d, Clock: now, Listeners: []transitions.Listener{recorder.Transition}}
	err := errors.Join(
		useraccount.SetupWithManager(ctx, mgr, useraccount.Options{
			Credentials: secrets, CredentialNamespace: o.credentialNamespace, Catalog: d,
			LiveCatalog: live, Hashes: o.hashes, Hasher: hasher, Clock: now,
			Registry: metrics.Registry, Transitions: writes,
		}),
		passwordpolicy.SetupWithManager(ctx, mgr, d, now),
		orphan.SetupWithManager(mgr, orphan.Options{
			Credentials: secrets, CredentialNamespace: o.credentialNamespace, Catalog: d, LiveCatalog: live, Grace: o.orphanGrace, Clock: now, OnWrite: writes.Wrote,
		}),
		keyring.SetupWithManager(mgr, secrets, o.systemNamespace, now),
		decoy.SetupWithManager(mgr, decoys, o.credentialNamespace),
	)
	if err != nil {
		return fmt.Errorf("set up controllers: %w", err)
	}
	return nil
}
