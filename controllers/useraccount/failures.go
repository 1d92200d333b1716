package useraccount

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// credentialHandler enqueues the accounts of credentials.
type credentialHandler struct {
	handler.EventHandler

	accounts handler.MapFunc
}

func newCredentialHandler(accounts handler.MapFunc) *credentialHandler {
	return &credentialHandler{EventHandler: handler.EnqueueRequestsFromMapFunc(accounts), accounts: accounts}
}

// Update implements handler.EventHandler.
func (h *credentialHandler) Update(
	ctx context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
) {
	if !isFailure(e.ObjectOld, e.ObjectNew) {
		h.EventHandler.Update(ctx, e, queue)
		return
	}
	for _, request := range h.accounts(ctx, e.ObjectNew) {
		queue.AddAfter(request, failureDelay)
	}
}

// isFailure tells whether a write recorded failures, and neither a lock nor anything else.
func isFailure(before, after client.Object) bool {
	old, ok := before.(*corev1.Secret)
	written, isSecret := after.(*corev1.Secret)
	if !ok || !isSecret {
		return false
	}
	was, err := credential.FromSecret(old)
	if err != nil {
		return false
	}
	is, err := credential.FromSecret(written)
	return err == nil && account.OnlyFailed(was.Credential, is.Credential)
}
