package administrators

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
)

// lateError says that the operator has not acted in time.
type lateError struct {
	name    string
	timeout time.Duration
}

func (e *lateError) Error() string {
	return fmt.Sprintf("the operator has not acted on useraccount %q within %s", e.name, e.timeout)
}

func asLate(err error) (*lateError, bool) { return errors.AsType[*lateError](err) }

// watcher watches one account.
type watcher struct {
	cluster *cluster
	name    string
}

// WatchWithContext watches the account.
func (w *watcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, w.name).String()
	return w.cluster.accounts().Watch(ctx, options)
}

// Watch watches the account.
func (w *watcher) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return w.WatchWithContext(context.Background(), options)
}

// await follows an account from how it was read until it is as it should be, and returns how it then is. Where it does not become so,
// the error is *lateError, and the account is how it was last.
func (k *cluster) await(ctx context.Context, a *account, timeout time.Duration, holds func(*account) (bool, error)) (*account, error) {
	if done, err := holds(a); done || err != nil {
		return a, err
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := watchtools.Until(waiting, a.ResourceVersion, &watcher{k, a.Name}, func(event watch.Event) (bool, error) {
		switch object := event.Object.(type) {
		case *unstructured.Unstructured:
			if event.Type == watch.Deleted {
				return false, fmt.Errorf("useraccount %q was deleted meanwhile", a.Name)
			}
			now, err := read(object)
			if err != nil {
				return false, err
			}
			a = now
			return holds(a)
		case *metav1.Status:
			return false, k.explain(apierrors.FromObject(object))
		}
		return false, nil
	})
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case waiting.Err() != nil:
		return a, &lateError{a.Name, timeout}
	}
	return a, err
}
