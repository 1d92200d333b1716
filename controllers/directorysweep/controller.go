package directorysweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/provider"
)

// Reconciler sweeps directories.
type Reconciler struct {
	reader  client.Reader
	catalog *catalog.Catalog
	source  provider.Source
	// cached reads credentials from the cache, without what could tell a password; live reads them from the API server, and writes them.
	cached, live *credential.Store
	ask          AskFunc
	mayAsk       func(*provider.Settings) bool
	states       *States
	metrics      *sweepMetrics
	durations    durationGauge
	clock        clock.PassiveClock
	// jitter changes an interval a little.
	jitter func(time.Duration) time.Duration
}

// Reconcile sweeps one directory if that is due.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	p, wait, err := r.swept(ctx, req.Name)
	if err != nil || p == nil {
		return ctrl.Result{RequeueAfter: wait}, err
	}
	now := r.clock.Now()
	of := r.states.of(p, now)
	if of.due.After(now) {
		return ctrl.Result{RequeueAfter: r.states.waitOverdue(p.Name, of, now)}, nil
	}
	settings, err := r.source.Settings(ctx, p)
	if err == nil && !r.mayAsk(settings) {
		return ctrl.Result{RequeueAfter: r.states.postpone(p.Name, of, now)}, nil
	}
	s := &sweep{Reconciler: r, provider: p, settings: settings, missingSince: of.missing, missing: map[string]bool{}, began: now,
		unread: unread{before: of.unreadable}, unrecorded: unrecorded{before: of.unrecorded}}
	if err == nil {
		err = s.run(ctx)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctrl.Result{}, nil // This process ends, or leads no more.
	}
	ended := r.clock.Now()
	if err != nil {
		slog.Warn("People of a directory could not be looked up", "provider", p.Name, "error", err, "lastComplete", of.since())
		return ctrl.Result{RequeueAfter: r.states.failed(p.Name, of, ended)}, nil
	}
	if why := s.unrecorded.allFailed(); why != nil {
		slog.Error("Nothing of what a directory says could be recorded", "provider", p.Name, "firstError", why, "lastComplete", of.since())
	}
	groupsUnread := of.groupsUnread
	wait = r.states.answered(p.Name, of, s, ended, now.Add(r.jitter(of.interval)))
	s.logUnread(groupsUnread)
	r.durations.set(p.Name, ended.Sub(now))
	return ctrl.Result{RequeueAfter: max(wait, time.Millisecond)}, nil
}

// forget drops what is known of a directory that is not swept any more.
func (r *Reconciler) forget(name string) {
	r.states.forget(name)
	r.durations.forget(name)
}

// swept returns a provider whose people are to be looked up; nil where that is not so, and then how long to wait until it may be: another provider may
// make room for this one.
func (r *Reconciler) swept(ctx context.Context, name string) (*v1alpha1.IdentityProvider, time.Duration, error) {
	p, err := r.catalog.IdentityProvider(ctx, name)
	switch {
	case errors.Is(err, catalog.ErrProviderNotFound):
		r.forget(name)
		found := &v1alpha1.IdentityProvider{}
		err := r.reader.Get(ctx, client.ObjectKey{Name: name}, found, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, 0, fmt.Errorf("look up provider: %w", err)
		}
		if err == nil && provider.IsDirectory(found) {
			return nil, provider.RevalidationInterval(found), nil
		}
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case !provider.IsDirectory(p) || p.Spec.Access == v1alpha1.AccessDisabled:
		r.forget(name)
		return nil, 0, nil
	default:
		return p, 0, nil
	}
}
