package controllerserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/keyturn/keyturn/internal/reconnect"
)

const (
	// stopTimeout is how long reconciliations under way may take to end.
	stopTimeout = 20 * time.Second
	// syncTimeout is how long a controller waits for its caches. They go on trying by themselves, so that ending would gain nothing.
	syncTimeout = 365 * 24 * time.Hour
)

// Options are those of a manager.
type Options struct {
	// Name of the server, such as operator. Its lease is called keyturn-operator then.
	Name string
	// Namespace of the lease.
	Namespace string
	// LeaderElect has one of several replicas do the work.
	LeaderElect bool
	// MetricsAddress is where metrics are served over TLS, to callers that the API server authorizes; 0 turns them off.
	MetricsAddress string
	// Scheme has the kinds that the controllers know, and Cache says what is held of them.
	Scheme *runtime.Scheme
	Cache  cache.Options
	// ReconciliationTimeout is how long one reconciliation may take.
	ReconciliationTimeout time.Duration
}

// NewManager returns a manager, whose health port is the program's own business. It must be started once in a process: controllers and
// metrics are registered globally, and those of a lost lease may still be running when Start returns.
func NewManager(config *rest.Config, o Options) (ctrl.Manager, error) {
	leaseName := "keyturn-" + o.Name
	lease, err := newLease(config, o.Namespace, leaseName)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:     o.Scheme,
		Cache:      o.Cache,
		NewCache:   NewCache,
		Controller: ctrlconfig.Controller{ReconciliationTimeout: o.ReconciliationTimeout, CacheSyncTimeout: syncTimeout},
		Metrics: metricsserver.Options{
			BindAddress: o.MetricsAddress, SecureServing: true,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
			TLSOpts:        []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
		},
		HealthProbeBindAddress:              "0", // It is served also before there is a manager.
		LeaderElection:                      o.LeaderElect,
		LeaderElectionID:                    leaseName, // For the metric.
		LeaderElectionResourceLockInterface: lease,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       new(leaseDuration),
		RenewDeadline:                       new(renewDeadline),
		GracefulShutdownTimeout:             new(stopTimeout),
	})
	if err != nil {
		return nil, fmt.Errorf("set up manager: %w", err)
	}
	return mgr, nil
}

// NewCache makes a cache whose watches are there again as soon as the API server is. Other requests fail at once while it is away.
func NewCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	config = rest.CopyConfig(config)
	reconnect.Wrap(config)
	options.HTTPClient = nil // The manager's has another transport.
	return cache.New(config, options)
}

// errNotReady is what /readyz answers until a server works. Its log says what keeps it.
var errNotReady = errors.New("waiting to work: can the API server be reached, and are the kinds and the rights in place? The log says more")

// Working is what /readyz goes by. Added to a manager it is ready while the manager runs: the manager starts it when its cache has synced,
// whether this replica leads or not.
type Working struct{ working atomic.Bool }

// Ready returns an error while the server does not work.
func (w *Working) Ready() error {
	if w.working.Load() {
		return nil
	}
	return errNotReady
}

// Start implements manager.Runnable.
func (w *Working) Start(ctx context.Context) error {
	w.working.Store(true)
	defer w.working.Store(false)
	<-ctx.Done()
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Working) NeedLeaderElection() bool { return false }
