package account

import (
	"errors"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
)

// This file holds what administrators do by hand, on the credential itself and not by declaring it. Each operation first applies the
// requests in the spec that are due. What was done by hand is recorded in Credential.Acted and never in Handled: a request whose
// instant is later than the last one that was handled takes effect, even if a slow clock wrote it before somebody acted by hand.

// Act is something that an administrator has done by hand. The zero value: never.
type Act struct {
	Time time.Time
	// By is who did it, by the name in Kubernetes, such as keyturn:acme:ada.
	By string
}

// Equal tells whether two acts are the same one.
func (a Act) Equal(other Act) bool { return a.By == other.By && a.Time.Equal(other.Time) }

// Acts are the latest of each kind.
type Acts struct {
	Reset, Unlock, SignOut, ChangeRequired Act
}

var (
	// ErrExternal: the password is kept elsewhere.
	ErrExternal = errors.New("the password of an External account is kept elsewhere, and is reset and changed there")
	// ErrNoPassword: there is no password whose change could be required.
	ErrNoPassword = errors.New("the account has no password to be changed; reset it instead")
	// ErrChangeForbidden: the person may not change the password, so to require it would make the account unusable.
	ErrChangeForbidden = errors.New("the person may not change the password; reset it instead")
	// ErrNotRequested: no change is required because somebody has requested it, so there is nothing to withdraw.
	ErrNotRequested = errors.New("no requested change of the password is outstanding")
)

// act returns an act of now.
func (r Rules) act(by string) Act { return Act{Time: r.Now, By: by} }

// ResetByHand puts a password that an administrator hands out in force. It does what Reset does, but the person has to change it
// whatever the policy says, unless the person may not: the administrator knows it. A resetTime that is due counts as handled, and a
// revision of the Secret that was refused, or could not be judged, is not judged again: neither may take the place of a password that
// was handed out after it. A revision that nobody has looked at yet still applies, as does every later one. Error: ErrExternal.
func (r Rules) ResetByHand(c Credential, by string, encoded hash.Encoded, digests Digests) (Credential, error) {
	if r.IsExternal() {
		return c, ErrExternal
	}
	c = r.ApplyRequests(c)
	p := Password{Hash: encoded, SetTime: r.Now, SetBy: v1alpha1.SetByReset}
	switch {
	case r.ChangeForbidden():
	case c.Password.isInitial():
		p.MustChange = v1alpha1.MustChangeInitialLogin
	default:
		p.MustChange = v1alpha1.MustChangeReset
	}
	c = r.setPassword(c, p, digests)
	if r.ResetRequested(c) {
		c.Handled.Reset = r.resetTime()
	}
	c.Reset.Superseded = c.Reset.Superseded || len(c.Reset.Rejected) > 0
	c.Acted.Reset = r.act(by)
	return c, nil
}

// UnlockByHand clears the failures, which ends a lockout, and lets the time after which an account is locked for lack of logins begin
// anew. It has no error: every account can be unlocked.
func (r Rules) UnlockByHand(c Credential, by string) (Credential, error) {
	c = r.ApplyRequests(c).clearFailures()
	c.Acted.Unlock = r.act(by)
	return c, nil
}

// SignOutByHand ends all sessions. It has no error: every account can be signed out.
func (r Rules) SignOutByHand(c Credential, by string) (Credential, error) {
	c = EndSessions(r.ApplyRequests(c))
	c.Acted.SignOut = r.act(by)
	return c, nil
}

// RequireChangeByHand has the person change the password at the next login. Where that is required for a reason that was recorded
// before, the reason stays. Errors: ErrExternal, ErrNoPassword, ErrChangeForbidden.
func (r Rules) RequireChangeByHand(c Credential, by string) (Credential, error) {
	switch {
	case r.IsExternal():
		return c, ErrExternal
	case c.Password.IsZero():
		return c, ErrNoPassword
	case r.ChangeForbidden():
		return c, ErrChangeForbidden
	}
	c = r.ApplyRequests(c)
	if c.Password.MustChange == "" {
		c.Password.MustChange = v1alpha1.MustChangeRequested
	}
	c.Acted.ChangeRequired = r.act(by)
	return c, nil
}

// WithdrawRequiredChange takes back that the person has to change the password, if the recorded reason is that somebody has requested
// it: by hand or in the spec. A request in the spec stays handled, so it does not come back. Error: ErrNotRequested, also where the
// change is required for another reason.
func (r Rules) WithdrawRequiredChange(c Credential) (Credential, error) {
	applied := r.ApplyRequests(c)
	if applied.Password.MustChange != v1alpha1.MustChangeRequested {
		return c, ErrNotRequested
	}
	applied.Password.MustChange = ""
	return applied, nil
}

// later returns the later of two instants.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lastUnlock is when failures were last cleared by an unlock: on request, by the request's instant, or by hand.
func (c Credential) lastUnlock() time.Time { return later(c.Handled.Unlock, c.Acted.Unlock.Time) }

// lastChangeRequired is when a change of the password was last requested, in the spec or by hand.
func (c Credential) lastChangeRequired() time.Time {
	return later(c.Handled.ChangeRequired, c.Acted.ChangeRequired.Time)
}

// wasResetByHand tells whether the password in force was handed out by hand, and not by a Secret.
func (c Credential) wasResetByHand() bool {
	return c.Password.SetBy == v1alpha1.SetByReset && !c.Acted.Reset.Time.IsZero() && c.Acted.Reset.Time.Equal(c.Password.SetTime)
}
