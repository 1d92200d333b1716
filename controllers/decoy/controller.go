package decoy

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/internal/credential"
)

// concurrentCreates is how many decoys are created at a time. A new installation needs all of them.
const concurrentCreates = 8

// Reconciler keeps the decoys.
type Reconciler struct {
	cached client.Reader
	store  *credential.Store
}

// Reconcile creates the decoys that are missing.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: secretMetadata().TypeMeta}
	if err := r.cached.List(ctx, list, client.InNamespace(r.store.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("look up decoys: %w", err)
	}
	exists := map[string]bool{}
	for i := range list.Items {
		exists[list.Items[i].Name] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrentCreates)
	for i := range credential.Decoys {
		if name := credential.DecoyName(i); !exists[name] {
			group.Go(func() error { return r.create(ctx, name) })
		}
	}
	return ctrl.Result{}, group.Wait()
}

// create creates one decoy. Where it exists already, the cache is behind.
func (r *Reconciler) create(ctx context.Context, name string) error {
	if err := r.store.CreateDecoy(ctx, name); err != nil && !errors.Is(err, credential.ErrConflict) {
		return fmt.Errorf("create decoys: %w", err)
	}
	return nil
}
