package outbound

import (
	"context"
	"net/netip"
	"time"
)

// Reason is why a login may not ask a provider now.
type Reason string

// The values of Reason.
const (
	// Busy: too many logins wait already, or the turn did not come in time.
	Busy Reason = "Busy"
	// BreakerOpen: the provider could not be reached several times in a row and is not asked for some seconds.
	BreakerOpen Reason = "BreakerOpen"
	// Canceled: nobody waits for the login any more.
	Canceled Reason = "Canceled"
)

// RefusalError says that a login may not ask a provider now.
type RefusalError struct {
	Reason Reason
	// RetryAfter is when to try again.
	RetryAfter time.Duration
}

// Error implements error.
func (r *RefusalError) Error() string { return "identity provider not asked: " + string(r.Reason) }

// Stats of a gate, for metrics.
type Stats struct {
	// Waiting is how many logins wait for their turn.
	Waiting int
	// BreakerOpen: the provider could not be reached several times in a row, and has not answered since.
	BreakerOpen bool
}

// Gate is what logins pass before they ask a provider.
type Gate struct {
	Turns   *Turns
	Breaker *Breaker
}

// Enter waits for a turn, unless the provider does not answer at present. The login must call leave at its end, when it is let in.
func (g Gate) Enter(ctx context.Context, from netip.Addr) (leave func(), refusal *RefusalError) {
	if refusal := g.Breaker.Check(); refusal != nil {
		return nil, refusal
	}
	if refusal := g.Turns.Take(ctx, from); refusal != nil {
		return nil, refusal
	}
	leaveBreaker, refusal := g.Breaker.Enter() // It may have opened meanwhile.
	if refusal != nil {
		g.Turns.Give(from)
		return nil, refusal
	}
	return func() {
		leaveBreaker()
		g.Turns.Give(from)
	}, nil
}

// Stats returns the present ones.
func (g Gate) Stats() Stats {
	return Stats{Waiting: g.Turns.Waiting(), BreakerOpen: g.Breaker.IsOpen()}
}
