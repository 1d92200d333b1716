package useraccount

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

// failureDelay is how late the status may show one more failed login. Failures come in rows, so one write of the status shows
// several of them. And the operator does not work for a known account at the very moment in which the login server answers: where
// both run on one machine, that would tell known names from unknown ones. A lock shows at once.
const failureDelay = time.Second

// credentialHandler follows the Secrets of credentials. A credential that appears, is deleted or gets another owner enqueues all
// accounts of its username. Any other update enqueues the owner alone: nothing changes for accounts that wait for the username,
// and a tenant may have any number of those.
type credentialHandler struct {
	handler.EventHandler
	// updated is called with each update, whichever server has made it.
	updated func(ctx context.Context, before, after *credential.Record)
}

func newCredentialHandler(ofUsername handler.MapFunc, updated func(ctx context.Context, before, after *credential.Record)) *credentialHandler {
	return &credentialHandler{EventHandler: handler.EnqueueRequestsFromMapFunc(ofUsername), updated: updated}
}

// Update implements handler.EventHandler.
func (h *credentialHandler) Update(
	ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	before, after := recordOf(e.ObjectOld), recordOf(e.ObjectNew)
	if before != nil && after != nil {
		h.updated(ctx, before, after)
	}
	if before == nil || after == nil || before.Owner != after.Owner {
		h.EventHandler.Update(ctx, e, queue)
		return
	}
	owner := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: after.Owner.Namespace, Name: after.Owner.Name}}
	if account.OnlyFailed(before.Credential, after.Credential) {
		queue.AddAfter(owner, failureDelay)
		return
	}
	queue.Add(owner)
}

// recordOf reads a credential; nil where it cannot be read.
func recordOf(obj client.Object) *credential.Record {
	secret, ok := obj.(*corev1.Secret)
	if !ok {
		return nil
	}
	record, err := credential.FromSecret(secret)
	if err != nil {
		return nil
	}
	return record
}
