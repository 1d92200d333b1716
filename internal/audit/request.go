package audit

import (
	"context"
	"net/netip"
)

// Request is where something came from.
type Request struct {
	// ID of the request, as the log and the answer tell it.
	ID string
	// Address of the client.
	Address netip.Addr
}

type requestKey struct{}

// WithRequest returns a context of a request, which must not change any more, for whatever is done on its behalf.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf returns the request that something is done for; the zero value where there is none.
func RequestOf(ctx context.Context) Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return *r
	}
	return Request{}
}
