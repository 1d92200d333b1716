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

// atOnce is how many are created at a time: a new installation needs all of them.
const atOnce = 8

// Reconciler keeps the decoys.
type Reconciler struct {
	cached client.Reader
	store  *credential.Store
}

// Reconcile makes the decoys that are missing.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(secretMetadata().GroupVersionKind())
	if err := r.cached.List(ctx, list, client.InNamespace(r.store.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("look up decoys: %w", err)
	}
	there := map[string]bool{}
	for i := range list.Items {
		there[list.Items[i].Name] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range credential.Decoys {
		if name := credential.DecoyName(i); !there[name] {
			group.Go(func() error { return r.create(ctx, name) })
		}
	}
	return ctrl.Result{}, group.Wait()
}

// create makes one. That it is there already means that the cache is behind.
func (r *Reconciler) create(ctx context.Context, name string) error {
	if err := r.store.CreateDecoy(ctx, name); err != nil && !errors.Is(err, credential.ErrConflict) {
		return fmt.Errorf("make decoys of unknown accounts: %w", err)
	}
	return nil
}
