package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/directorysweep"
	"github.com/keyturn/keyturn/controllers/identityprovider"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/controllerserver"
	"github.com/keyturn/keyturn/internal/provider"
)

// reconciliationTimeout is how long one reconciliation may take, with the test of a connection in it.
const reconciliationTimeout = time.Minute

// work runs the controller until ctx ends. Any error may be the API server's. It must be called once in a process.
func work(ctx context.Context, config *rest.Config, working *controllerserver.Working, o *options) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("build scheme: %w", err)
	}
	mgr, err := controllerserver.NewManager(config, controllerserver.Options{
		Name: "directory", Namespace: o.systemNamespace, LeaderElect: o.leaderElect, MetricsAddress: o.metricsAddress,
		Scheme: scheme, Cache: controllers.DirectoryCacheOptions(o.providerNamespace, o.credentialNamespace), ReconciliationTimeout: reconciliationTimeout,
	})
	if err != nil {
		return err
	}
	now := clock.RealClock{}
	asked := &asker{clock: now, directories: &ldap.Clients{
		Source: provider.Source{Reader: mgr.GetClient(), Namespace: o.providerNamespace}, Clock: now,
	}}
	connections, states := identityprovider.NewConnections(asked.test, asked.lockout, now), directorysweep.NewStates()
	sweep, err := directorysweep.New(ctx, mgr, directorysweep.Options{
		ProviderNamespace: o.providerNamespace, CredentialNamespace: o.credentialNamespace, Registry: metrics.Registry, Clock: now,
		Ask: asked.lookUp, MayAsk: connections.MayBind, States: states,
	})
	if err != nil {
		return fmt.Errorf("set up sweep: %w", err)
	}
	err = errors.Join(
		identityprovider.SetupWithManager(ctx, mgr, identityprovider.Options{
			Namespace: o.providerNamespace, Registry: metrics.Registry, Clock: now, LoginReplicas: o.loginReplicas,
			Connections: connections, CheckKeytab: checkKeytab, Sweep: states.Condition, Swept: states.Changed(),
		}),
		sweep.SetupWithManager(mgr),
		mgr.Add(working),
	)
	if err != nil {
		return fmt.Errorf("set up controller: %w", err)
	}
	return mgr.Start(ctx)
}
