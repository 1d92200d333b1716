package account

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// New returns the credential of an account that has none. Requests whose instants are already past count as handled.
func (r Rules) New(owner Owner, accountID string) Credential {
	handled := func(t *v1alpha1.Instant) time.Time {
		if t == nil || t.After(r.Now) {
			return time.Time{}
		}
		return instant(t)
	}
	c := Credential{
		AccountID:         accountID,
		Owner:             owner,
		CreatedTime:       r.Now,
		SessionGeneration: 1,
		SessionsEnded:     r.sessionsOver(),
		Handled: Requests{
			Unlock:  handled(r.Spec.UnlockTime),
			SignOut: handled(r.Spec.SignOutTime),
		},
	}
	if p := r.Spec.Password; p != nil {
		c.Handled.Reset = handled(p.ResetTime)
		c.Handled.ChangeRequired = handled(p.ChangeRequiredTime)
	}
	return c
}

// ApplyRequests lets the requests that are due take effect, resets aside (they need the Secret), and ends the sessions
// of an account that has been disabled or has ended. It also does what follows when somebody else verifies the
// person from now on. Both servers begin with it, so a request binds a login at once, even while the operator is down; whichever writes first
// handles it.
func (r Rules) ApplyRequests(c Credential) Credential {
	c = r.applyAuthentication(c)
	if r.due(r.Spec.UnlockTime, c.Handled.Unlock) {
		c.Handled.Unlock = instant(r.Spec.UnlockTime)
		c = c.clearFailures()
	}
	// While there is no password this request waits, so that it binds the first one if that comes with it.
	if p := r.Spec.Password; p != nil && !c.Password.IsZero() && r.due(p.ChangeRequiredTime, c.Handled.ChangeRequired) {
		c.Handled.ChangeRequired = instant(p.ChangeRequiredTime)
		if c.Password.MustChange == "" {
			c.Password.MustChange = v1alpha1.MustChangeRequested
		}
	}
	if r.due(r.Spec.SignOutTime, c.Handled.SignOut) {
		c.Handled.SignOut = instant(r.Spec.SignOutTime)
		c = EndSessions(c)
	}
	if over := r.sessionsOver(); over != c.SessionsEnded {
		c.SessionsEnded = over
		if over {
			c = EndSessions(c)
		}
	}
	return c
}

// sessionsOver tells whether the account is in a state that ends its sessions for good.
func (r Rules) sessionsOver() bool {
	return r.Spec.Access == v1alpha1.AccessDisabled || hasEnded(r.Spec, r.Now)
}

// nextRequest returns the earliest instant, after now, at which a request will become due; zero if none will.
func (r Rules) nextRequest(c Credential) time.Time {
	var next time.Time
	consider := func(t *v1alpha1.Instant, handled time.Time) {
		if t != nil && t.After(handled) {
			next = sooner(next, instant(t), r.Now)
		}
	}
	consider(r.Spec.UnlockTime, c.Handled.Unlock)
	consider(r.Spec.SignOutTime, c.Handled.SignOut)
	if p := r.Spec.Password; p != nil {
		consider(p.ChangeRequiredTime, c.Handled.ChangeRequired)
		consider(p.ResetTime, c.Handled.Reset)
	}
	return next
}

// sooner returns the earlier of two instants, leaving out those that are zero or not after now.
func sooner(a, b, now time.Time) time.Time {
	if b.IsZero() || !b.After(now) {
		return a
	}
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
