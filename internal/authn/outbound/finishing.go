package outbound

import (
	"context"
	"time"
)

// Finishing returns the context from when the secret of a login is sent, such as a password or a code. It goes on though the client hangs up, until the deadline
// of ctx, and for the time of a request at least: a secret that is sent in the last moment would be used up, or count as wrong, without an answer.
func Finishing(ctx context.Context, request time.Duration) (context.Context, context.CancelFunc) {
	deadline := time.Now().Add(request)
	if ends, ok := ctx.Deadline(); ok && ends.After(deadline) {
		deadline = ends
	}
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}
