package identityprovider

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/eventnote"
	"github.com/keyturn/keyturn/controllers/internal/mergepatch"
	"github.com/keyturn/keyturn/controllers/internal/writetracker"
	"github.com/keyturn/keyturn/internal/provider"
)

// Reconciler reconciles IdentityProviders.
type Reconciler struct {
	client      client.Client
	source      provider.Source
	connections *Connections
	checkKeytab KeytabFunc
	sweep       SweepFunc
	// loginReplicas is how many login servers there are.
	loginReplicas int
	// written tracks this controller's writes of providers.
	written *writetracker.Tracker
	events  events.EventRecorder
	ready   readyGauge
	clock   clock.PassiveClock
}

// scope is everything that one reconciliation knows.
type scope struct {
	object *v1alpha1.IdentityProvider
	// accounts is how many accounts name the provider.
	accounts int
	// surplus: the provider does not count, since there are too many older ones.
	surplus bool
	// settingsError is why the provider cannot be reached as it is declared.
	settingsError *provider.SettingsError
	// tested is what the last test of the connection came to; nil where none is made, and where untested is true: the test is due soon, and
	// before it nothing can be said of the settings.
	tested   *result
	untested bool
	// keytabError is why there is no keytab though one is declared, and keytabFailure why the one that is there cannot be used.
	keytabError   *provider.SettingsError
	keytabFailure *provider.TestError
	// swept is what the sweep says of the provider; nil where it has nothing to say yet.
	swept *metav1.Condition
	// loginReplicas is how many login servers there are.
	loginReplicas int
	now           time.Time
}

// KeytabFunc tells why the keytab of a directory cannot be used; nil where it can. It asks no server. Error: *provider.TestError.
type KeytabFunc func(*provider.Settings) error

// SweepFunc returns what the sweep has found out about a directory: status, reason and message of the condition SweepCurrent; nil where it has nothing to
// say yet of the provider as it is declared now.
type SweepFunc func(*v1alpha1.IdentityProvider) *metav1.Condition

// Reconcile brings one provider's status up to date, and tests its connection if that is due.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	object := &v1alpha1.IdentityProvider{}
	err := r.client.Get(ctx, req.NamespacedName, object)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("look up provider: %w", err)
	}
	if err != nil || object.DeletionTimestamp != nil { // However long somebody's finalizer keeps it, nobody logs in through it.
		r.forget(req.Name)
		return ctrl.Result{}, nil
	}
	if !r.written.CaughtUp(req.Name, object.ResourceVersion) {
		return ctrl.Result{RequeueAfter: writetracker.MaxLag}, nil // The watch of that write enqueues it again, unless the write was lost.
	}
	s := &scope{object: object, loginReplicas: r.loginReplicas}
	wait, err := r.observe(ctx, s)
	if err != nil || s.untested {
		return ctrl.Result{RequeueAfter: wait}, err
	}
	if err := r.writeStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// forget drops what is known of a provider that is gone.
func (r *Reconciler) forget(name string) {
	r.written.Forget(name)
	r.connections.forget(name)
	r.ready.forget(name)
}

// observe fills in what the status of a provider depends on. It returns how long the next test of the connection waits; 0 where none follows.
func (r *Reconciler) observe(ctx context.Context, s *scope) (wait time.Duration, err error) {
	all := &v1alpha1.IdentityProviderList{}
	if err := r.client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("list providers: %w", err)
	}
	providers := make([]*v1alpha1.IdentityProvider, len(all.Items))
	for i := range all.Items {
		providers[i] = &all.Items[i]
	}
	s.surplus = provider.IsSurplus(s.object, providers)

	if !s.surplus && len(s.object.Spec.Unreadable) == 0 {
		if wait, err = r.observeConnection(ctx, s); err != nil {
			return 0, err
		}
	}

	// After the test, which takes time.
	accounts := &v1alpha1.UserAccountList{}
	if err := r.client.List(ctx, accounts, client.MatchingFields{indexProvider: s.object.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("list accounts that name the provider: %w", err)
	}
	if provider.IsDirectory(s.object) {
		s.swept = r.sweep(s.object)
	}
	s.accounts, s.now = len(accounts.Items), r.clock.Now()
	return wait, nil
}

func (r *Reconciler) observeConnection(ctx context.Context, s *scope) (wait time.Duration, err error) {
	settings, err := r.source.Settings(ctx, s.object)
	if failure, ok := errors.AsType[*provider.SettingsError](err); ok {
		s.settingsError = failure
		return 0, nil // A change of the Secret or of the certificates enqueues the provider.
	}
	if err != nil {
		return 0, err
	}
	tested, wait, err := r.connections.check(ctx, settings)
	if err != nil {
		return 0, fmt.Errorf("test the connection: %w", err)
	}
	s.tested, s.untested = tested, tested == nil
	if s.keytabError = settings.KeytabError; s.object.Spec.LDAP.Kerberos != nil && s.keytabError == nil {
		s.keytabFailure = keytabFailure(r.checkKeytab(settings))
	}
	return wait, nil
}

// writeStatus writes the status if it differs from the stored one, and sends an event when the provider ceases to be Ready, or is again.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope) error {
	before := s.object.DeepCopy()
	s.object.Status = project(s)
	is := meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionReady)
	r.ready.set(s.object.Name, is.Status == metav1.ConditionTrue)
	if equality.Semantic.DeepEqual(before.Status, s.object.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, s.object, mergepatch.From(before, before.Status.Unreadable...)); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("write status: %w", err)
	}
	r.written.Wrote(s.object.Name, s.object.ResourceVersion)
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case is.Status == metav1.ConditionFalse && (was == nil || was.Reason != is.Reason):
		r.events.Eventf(s.object, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", eventnote.Truncate(is.Message))
	case is.Status == metav1.ConditionTrue && was != nil && was.Status == metav1.ConditionFalse:
		r.events.Eventf(s.object, nil, corev1.EventTypeNormal, is.Reason, "Reconcile", "%s", eventnote.Truncate(is.Message))
	}
	return nil
}
