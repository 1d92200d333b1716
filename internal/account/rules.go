package account

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// LastSuccessGrain is how exact the time of the last login is, so that a login need not write.
const LastSuccessGrain = time.Hour

// Rules is what decides besides the credential: the account as it is declared, the policy that applies to it, and the
// time. Every rule is a method of it.
type Rules struct {
	Spec   *v1alpha1.UserAccountSpec
	Policy policy.Policy
	Now    time.Time
	// Provider verifies an External account; zero for a Local one.
	Provider Provider
	// Device is the ID of the device that an attempt comes from, if it has logged in to this account before and has the
	// cookie that says so; else empty.
	Device string
}

// NewRules returns the rules for a declared account at an instant. They have no Provider, and so let nobody into an External account:
// where that matters, catalog.RulesFor makes them.
func NewRules(spec *v1alpha1.UserAccountSpec, p policy.Policy, now time.Time) Rules {
	return Rules{Spec: spec, Policy: p, Now: now.UTC().Round(0)}
}

// ChangeForbidden tells whether the person may not change the password here.
func (r Rules) ChangeForbidden() bool {
	return r.IsExternal() || r.Spec.Password != nil && r.Spec.Password.Change == v1alpha1.PasswordChangeForbidden
}

// ExpiryExempt tells whether the password never expires: the account asks for it and the policy allows it.
func (r Rules) ExpiryExempt() bool { return r.asksExemption() && r.Policy.ExpiryExemptionAllowed }

// ExpiryExemptionRefused tells whether the account asks for a password that never expires, and the policy, under
// which it otherwise would, refuses that.
func (r Rules) ExpiryExemptionRefused() bool {
	return r.asksExemption() && !r.Policy.ExpiryExemptionAllowed && r.Policy.MaxAge > 0
}

func (r Rules) asksExemption() bool {
	return r.Spec.Password != nil && r.Spec.Password.Expiry == v1alpha1.PasswordExpiryNever
}

// UnavailableReason tells why an account, whatever its password and its policy, cannot be used now; empty where it can.
func UnavailableReason(spec *v1alpha1.UserAccountSpec, now time.Time) v1alpha1.StandingReason {
	switch {
	case spec.Access == v1alpha1.AccessDisabled:
		return v1alpha1.ReasonAccountDisabled
	case hasEnded(spec, now):
		return v1alpha1.ReasonAccountEnded
	case validityUnknown(spec):
		return v1alpha1.ReasonSpecUnreadable
	case spec.StartTime != nil && spec.StartTime.After(now):
		return v1alpha1.ReasonAccountNotStarted
	default:
		return ""
	}
}

// hasEnded tells whether the account is past its end. An end that cannot be read is none: it must not end sessions for good.
func hasEnded(spec *v1alpha1.UserAccountSpec, now time.Time) bool {
	return spec.EndTime != nil && !spec.EndTime.IsUnreadable() && !spec.EndTime.After(now)
}

// validityUnknown tells whether something that could make the account invalid cannot be read. A request that cannot be read only
// counts as not made.
func validityUnknown(spec *v1alpha1.UserAccountSpec) bool {
	return len(spec.Unreadable) > 0 || spec.StartTime.IsUnreadable() || spec.EndTime.IsUnreadable()
}

// due tells whether a request takes effect: it is later than the last that did, and not in the future.
func (r Rules) due(request *v1alpha1.Instant, handled time.Time) bool {
	return request != nil && request.After(handled) && !request.After(r.Now)
}

// instant returns the zero time for an instant that is not given or cannot be read.
func instant(t *v1alpha1.Instant) time.Time {
	if t == nil || t.IsUnreadable() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
