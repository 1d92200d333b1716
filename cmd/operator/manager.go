package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/certificate"
	"github.com/keyturn/keyturn/controllers/decoy"
	"github.com/keyturn/keyturn/controllers/keyring"
	"github.com/keyturn/keyturn/controllers/orphan"
	"github.com/keyturn/keyturn/controllers/passwordpolicy"
	"github.com/keyturn/keyturn/controllers/useraccount"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/controllerserver"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/transitions"
)

// work runs the controllers until ctx ends. Any error may be the API server's. It must be called once in a process: controllers and metrics
// are registered globally, and those of a lost lease may still be running when it returns.
func work(ctx context.Context, config *rest.Config, hasher hash.Hasher, auditLog *audit.Log, working *controllerserver.Working, o *options) error {
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	if err := addControllers(ctx, mgr, config, hasher, auditLog, o); err != nil {
		return err
	}
	passwordSecrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	for _, after := range []manager.Runnable{
		freeAfterSync{mgr.GetCache(), &v1alpha1.UserAccount{}, false}, freeAfterSync{mgr.GetCache(), passwordSecrets, true},
		working,
	} {
		if err := mgr.Add(after); err != nil {
			return fmt.Errorf("add what runs beside the controllers: %w", err)
		}
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
	return controllerserver.NewManager(config, controllerserver.Options{
		Name: "operator", Namespace: o.systemNamespace, LeaderElect: o.leaderElect, MetricsAddress: o.metricsAddress,
		Scheme: scheme, Cache: controllers.CacheOptions(o.systemNamespace), ReconciliationTimeout: controllers.ReconciliationTimeout,
	})
}

// addCache makes a cache that starts with the manager.
func addCache(mgr ctrl.Manager, config *rest.Config, options cache.Options) (cache.Cache, error) {
	options.Mapper = mgr.GetRESTMapper()
	added, err := controllerserver.NewCache(config, options)
	if err != nil {
		return nil, err
	}
	return added, mgr.Add(added)
}

func addControllers(ctx context.Context, mgr ctrl.Manager, config *rest.Config, hasher hash.Hasher, auditLog *audit.Log, o *options) error {
	// secrets has the Secrets of Keyturn, with their content: the credentials and the key ring.
	secrets, err := addCache(mgr, config, controllers.SecretCacheOptions(mgr.GetScheme(), o.systemNamespace, o.credentialNamespace))
	if err != nil {
		return fmt.Errorf("set up cache of credentials: %w", err)
	}
	decoys, err := addCache(mgr, config, controllers.DecoyCacheOptions(mgr.GetScheme(), o.credentialNamespace))
	if err != nil {
		return fmt.Errorf("set up cache of decoys: %w", err)
	}
	d, live, now := catalog.New(mgr.GetClient(), o.systemNamespace), catalog.New(mgr.GetAPIReader(), o.systemNamespace), clock.RealClock{}
	recorder := &audit.Recorder{Log: auditLog, Clock: now}
	writes := transitions.Notifier{Catalog: d, Clock: now, Listeners: []transitions.Listener{recorder.Transition}}
	err = errors.Join(
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
		addCertificate(mgr, config, o),
	)
	if err != nil {
		return fmt.Errorf("set up controllers: %w", err)
	}
	return nil
}

// addCertificate adds the controller of the certificate for API servers, unless something else makes it.
func addCertificate(mgr ctrl.Manager, config *rest.Config, o *options) error {
	if o.webhookCertificate != certificateByOperator {
		return nil
	}
	owned, err := addCache(mgr, config, controllers.CertificateCacheOptions(mgr.GetScheme(), o.systemNamespace))
	if err != nil {
		return fmt.Errorf("set up cache of certificates: %w", err)
	}
	return certificate.SetupWithManager(mgr, owned, o.systemNamespace, clock.RealClock{})
}
