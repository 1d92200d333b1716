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

// failureDelay is how late the status may tell that one more password was wrong. Failures come in rows, so one write tells of
// several; and the operator does not work on known accounts just while the login server answers, which would tell them from
// unknown ones where both share a machine. A lock is told at once.
const failureDelay = time.Second

// credentialHandler enqueues the accounts of credentials: all accounts of the username when a credential appears, goes, or has another owner, and
// its owner alone when anything else of it is written. Nothing else changes for accounts that wait for the username, and a tenant may
// have any number of those: each write of one credential would have all of them looked at.
type credentialHandler struct {
	handler.EventHandler
}

func newCredentialHandler(accounts handler.MapFunc) *credentialHandler {
	return &credentialHandler{EventHandler: handler.EnqueueRequestsFromMapFunc(accounts)}
}

// Update implements handler.EventHandler.
func (h *credentialHandler) Update(
	ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	was, is := recordOf(e.ObjectOld), recordOf(e.ObjectNew)
	if was == nil || is == nil || was.Owner != is.Owner {
		h.EventHandler.Update(ctx, e, queue)
		return
	}
	owner := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: is.Owner.Namespace, Name: is.Owner.Name}}
	if account.OnlyFailed(was.Credential, is.Credential) {
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
