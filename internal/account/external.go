package account

import (
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// This file holds the rules of accounts whose password is kept elsewhere.

// External is who the person of an External account is at the provider, as of the last login or, in a directory, the last time that it was looked up.
type External struct {
	// ProviderUID is the UID of the IdentityProvider, and Subject how it names the person.
	ProviderUID, Subject string
	// Name with which the person was found in a directory: the account's externalName of that time. Empty of a provider that is none.
	Name string
	// Groups of the person there, as far as they are mapped, sorted.
	Groups []string
	// PasswordSetTime is when the password was set in a directory; zero: not known.
	PasswordSetTime time.Time
	// State is why the person may not log in, as the directory says, or SubjectMismatch; empty where nothing is in the way.
	State v1alpha1.StandingReason
}

// IsZero tells that nobody has logged in through a provider.
func (e External) IsZero() bool { return e.ProviderUID == "" && e.Subject == "" }

// isSamePerson tells whether both are of the same subject at the same provider.
func (e External) isSamePerson(other External) bool {
	return e.ProviderUID == other.ProviderUID && e.Subject == other.Subject
}

// Provider is what the rules know of the identity provider of an External account. The zero value verifies nobody.
type Provider struct {
	// UID of the IdentityProvider; empty where the account names none, or one that does not exist.
	UID string
	// Problem is why nobody can log in through it; empty where the account's person can.
	Problem v1alpha1.StandingReason
	// Directory tells that it is an LDAP directory: the first login binds the account to the entry that has its name then, unless it declares a subject.
	Directory bool
}

// Observation is what a directory says about the person of an account, asked by the subject that the account is bound to.
type Observation struct {
	// State is why the person may not log in; empty where nothing is in the way.
	State v1alpha1.StandingReason
	// Groups of the person, as far as they are mapped, sorted.
	Groups []string
	// PasswordSetTime is when the password was set; zero: not known.
	PasswordSetTime time.Time
}

// Revalidate records what a directory says about the person of an account between logins. Where the person may not log in any more, has lost a mapped
// group, or has another password, all sessions end. An observation that says nothing new changes nothing.
func (r Rules) Revalidate(c Credential, _ Observation) Credential {
	return r.ApplyRequests(c)
}

// Mismatched records that the name of the account belongs to another entry of the directory than the one that it is bound to.
func (r Rules) Mismatched(c Credential) Credential {
	return c
}

// IsExternal tells whether the password is verified elsewhere.
func (r Rules) IsExternal() bool {
	return r.Spec.Authentication.Type == v1alpha1.AuthenticationExternal
}

// classifyExternal is classify of an account whose password is kept elsewhere, and that is not unavailable for another reason. What the
// policy says about the age of passwords and about changing them does not concern it, nor do locks by wrong passwords.
func (r Rules) classifyExternal(c Credential) (v1alpha1.Standing, v1alpha1.StandingReason) {
	switch {
	case r.Spec.Authentication.ProviderRef == nil:
		return v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal
	case r.Provider.Problem != "":
		return v1alpha1.StandingDisabled, r.Provider.Problem
	case r.Provider.UID == "": // Nobody has looked the provider up, so it lets nobody in.
		return v1alpha1.StandingDisabled, v1alpha1.ReasonProviderNotFound
	case r.past(r.idleLockTime(c)):
		return v1alpha1.StandingLocked, v1alpha1.ReasonIdle
	default:
		return v1alpha1.StandingActive, ""
	}
}

// declares tells whether the account is declared to be that of somebody at a provider. A Local account is nobody's there. The UID of a
// provider that does not exist, or that nobody has looked up, is not known; the standing refuses a login then.
func (r Rules) declares(e External) bool {
	declared := r.Spec.Authentication
	return r.IsExternal() && declared.ProviderRef != nil && declared.Subject != "" && declared.Subject == e.Subject &&
		(r.Provider.UID == e.ProviderUID || r.Provider.UID == "")
}

// isBarred tells whether the provider may not verify the account, or is missing. Where nobody has looked it up, that is not known.
func (r Rules) isBarred() bool { return r.Provider.Problem != "" }

// applyAuthentication lets a change of spec.authentication take effect. An account that has become External loses its password and
// the history. What became of the Secret that handed one out stays known, so that its old value does not come into force when the account becomes
// Local again: that takes another value, or a later resetTime. One that has become Local, or is declared to be another person's or verified by another provider, or whose provider
// may not verify it any more, loses who its person was at the provider. Either ends all sessions, for good: they do not come back with a
// former declaration. Applied again it changes nothing.
func (r Rules) applyAuthentication(c Credential) Credential {
	switch {
	case r.IsExternal() && keepsPassword(c):
		c.Password, c.History = Password{}, History{}
		c = c.clearFailures()
		return EndSessions(c)
	case !c.External.IsZero() && (!r.declares(c.External) || r.isBarred()):
		c.External = External{}
		return EndSessions(c)
	default:
		return c
	}
}

// keepsPassword tells whether a credential has a password, or the history of those that it had.
func keepsPassword(c Credential) bool {
	return !c.Password.IsZero() || len(c.History.Digests) > 0
}

// recordExternal records who has logged in through a provider. The sessions of another person have been ended before, by
// applyAuthentication.
func recordExternal(c Credential, e External) Credential {
	if e.IsZero() {
		return c
	}
	if len(e.Groups) == 0 {
		e.Groups = nil // As it is read again.
	}
	if !c.External.isSamePerson(e) || !slices.Equal(c.External.Groups, e.Groups) {
		c.External = e
	}
	return c
}
