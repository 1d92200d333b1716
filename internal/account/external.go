package account

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// This file holds the rules of accounts whose password is kept elsewhere. What concerns directories alone is in directory.go.

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
	// Suspended tells that a directory may not verify the account at present, and that its sessions were ended already.
	Suspended bool
}

// IsZero tells that nobody has logged in through a provider.
func (e External) IsZero() bool { return e.ProviderUID == "" && e.Subject == "" }

// isEntry tells whether it is an entry of a directory. An account stays bound to it when the directory is turned off or cannot be looked up: otherwise
// it would be bound to the next entry of its name afterwards, whoever that is.
func (e External) isEntry() bool { return e.Name != "" }

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
	// Directory tells that it is an LDAP directory: the first right password or ticket binds the account to the entry that has its name then, unless it
	// declares a subject.
	Directory bool
	// SubjectInvalid tells that the declared subject can be nobody's there.
	SubjectInvalid bool
	// Mapped are the groups there that are groups here. They must not be changed.
	Mapped []v1alpha1.GroupMapping
}

// IsExternal tells whether the password is verified elsewhere.
func (r Rules) IsExternal() bool {
	return r.Spec.Authentication.Type == v1alpha1.AuthenticationExternal
}

// classifyExternal is classify of an account whose password is kept elsewhere, and that is not unavailable for another reason. What the
// policy says about the age of passwords and about changing them does not concern it. Locks by wrong passwords concern accounts in a directory
// alone: no other provider has passwords given here.
func (r Rules) classifyExternal(c Credential, s Standing) (v1alpha1.Standing, v1alpha1.StandingReason) {
	switch {
	case r.Spec.Authentication.ProviderRef == nil:
		return v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal
	case r.Provider.Problem != "":
		return v1alpha1.StandingDisabled, r.Provider.Problem
	case r.Provider.UID == "": // Nobody has looked the provider up, so it lets nobody in.
		return v1alpha1.StandingDisabled, v1alpha1.ReasonProviderNotFound
	case c.External.State != "":
		return v1alpha1.StandingDisabled, c.External.State
	case r.Provider.Directory && s.Lock.Locked:
		return v1alpha1.StandingLocked, s.Lock.Reason
	case r.past(r.idleLockTime(c)):
		return v1alpha1.StandingLocked, v1alpha1.ReasonIdle
	default:
		return v1alpha1.StandingActive, ""
	}
}

// isOfProvider tells whether somebody is a person at the provider that the account is declared to be verified by. A Local account is nobody's there.
// The UID of a provider that does not exist, or that nobody has looked up, is not known; the standing refuses a login then.
func (r Rules) isOfProvider(e External) bool {
	return r.IsExternal() && r.Spec.Authentication.ProviderRef != nil && e.Subject != "" &&
		(r.Provider.UID == e.ProviderUID || r.Provider.UID == "")
}

// externalName is the name of the account's person in a directory, as provider.ExternalName has it.
func (r Rules) externalName(c Credential) string {
	return cmp.Or(r.Spec.Authentication.ExternalName, r.Spec.Username, c.Owner.Name)
}

// declaresRecorded tells whether the account is declared to be that of the person who was recorded. A subject that is declared has to be the person's.
// Without one, the account is that of the entry of a directory to which it was bound, as long as it declares the same name there.
func (r Rules) declaresRecorded(c Credential) bool {
	e, subject := c.External, r.Spec.Authentication.Subject
	switch {
	case !r.isOfProvider(e):
		return false
	case subject != "" && subject != e.Subject && !(e.isEntry() && r.mayBeMistaken()):
		return false
	case !e.isEntry():
		return subject != ""
	default:
		return strings.EqualFold(r.externalName(c), e.Name)
	}
}

// mayBeMistaken tells whether the declared subject can be nobody's in the directory, or whether that is not known. Then it does not say that the account is
// another person's: whoever removes the mistake finds it bound as before.
func (r Rules) mayBeMistaken() bool { return r.Provider.SubjectInvalid || r.Provider.UID == "" }

// isPersonOf tells whether somebody who was proven to be a person at the provider is the account's. The requests that are due have been applied to the
// credential, so that it is bound to nobody but whom the account declares. An account in a directory that declares no subject, and is not bound yet,
// is that of the first who has its name.
func (r Rules) isPersonOf(c Credential, e External) bool {
	subject := r.Spec.Authentication.Subject
	switch {
	case !r.isOfProvider(e):
		return false
	case !r.Provider.Directory || subject != "":
		return subject == e.Subject
	case !c.External.IsZero():
		return c.External.isSamePerson(e)
	default:
		return strings.EqualFold(r.externalName(c), e.Name)
	}
}

// isBarred tells whether the provider may not verify the account, or is missing. Where nobody has looked it up, that is not known.
func (r Rules) isBarred() bool { return r.Provider.Problem != "" }

// isLookedUp tells whether somebody has looked up the provider.
func (r Rules) isLookedUp() bool { return r.Provider.UID != "" || r.isBarred() }

// applyAuthentication lets a change of spec.authentication take effect. An account that has become External loses its password and
// the history. What became of the Secret that handed one out stays known, so that its old value does not come into force when the account becomes
// Local again: that takes another value, or a later resetTime. One that has become Local, or is declared to be another person's or verified by another provider, or whose provider
// may not verify it any more, loses who its person was at the provider; but for that last reason, an account in a directory stays bound. Each of these
// ends all sessions, for good: they do not come back with a former declaration. Applied again it changes nothing.
func (r Rules) applyAuthentication(c Credential) Credential {
	switch {
	case r.IsExternal() && keepsPassword(c):
		c.Password, c.History = Password{}, History{}
		c = c.clearFailures()
		return EndSessions(c)
	case c.External.IsZero(), c.External.isEntry() && len(r.Spec.Unreadable) > 0: // The standing refuses a login.
		return c
	case !r.declaresRecorded(c), r.isBarred() && !c.External.isEntry():
		c.External = External{}
		return EndSessions(c)
	case r.isBarred() && !c.External.Suspended:
		c.External.Suspended = true
		return EndSessions(c)
	case !r.isBarred() && r.isLookedUp():
		c.External.Suspended = false
		return c
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
func (r Rules) recordExternal(c Credential, e External) Credential {
	switch {
	case e.IsZero():
		return c
	case r.Provider.Directory:
		return r.recordEntry(c, e, "")
	}
	if !c.External.isSamePerson(e) || !slices.Equal(c.External.Groups, e.Groups) {
		c.External = External{ProviderUID: e.ProviderUID, Subject: e.Subject, Groups: groupsOf(e.Groups)}
	}
	return c
}

// groupsOf returns groups as they are read again.
func groupsOf(groups []string) []string {
	if len(groups) == 0 {
		return nil
	}
	return groups
}
