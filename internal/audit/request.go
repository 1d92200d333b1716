package audit

import (
	"context"
	"net/netip"
)

// Request is the HTTP request that an event came of.
type Request struct {
	// ID of the request, as the log and the answer have it.
	ID string
	// Address of the client.
	Address netip.Addr
}

type requestKey struct{}

// WithRequest returns a context for what is done for a request, which must not change any more.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf returns the request of a context; the zero value where it has none.
func RequestOf(ctx context.Context) Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return *r
	}
	return Request{}
}
