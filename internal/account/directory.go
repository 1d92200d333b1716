package account

import (
	"slices"
	"strings"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// This file holds the rules of accounts whose password is kept in a directory. Such an account is bound to one entry: to that of the subject that it
// declares or, without one, to that which has its name when somebody first gives a right password or ticket. A name can be given to somebody else in the directory, who does not get the
// account with it.

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
// group, or has another password, all sessions end. A group that is new counts from the next login on, which finds it as well. An observation that says nothing
// new changes nothing. It has to be about the subject that the credential is bound to: the caller compares that again when another server has written the
// credential meanwhile.
//
// Requests that are due are left to the login server and the operator, who handle them in any case: the directory server, which calls this, may do no more to a
// credential than it has to. But somebody from whom a request takes the account is not observed any more.
func (r Rules) Revalidate(c Credential, o Observation) Credential {
	if due := r.ApplyRequests(c).External; !due.isEntry() || due.Suspended {
		return c
	}
	if o.State == "" && c.External.State == v1alpha1.ReasonSubjectMismatch {
		o.State = c.External.State // It was asked by the ID, which does not tell whose the name is.
	}
	o.Groups = slices.DeleteFunc(slices.Clone(c.External.Groups), func(recorded string) bool {
		return !slices.ContainsFunc(o.Groups, func(group string) bool { return groupKey(group) == groupKey(recorded) })
	})
	return r.observed(c, o)
}

// Mismatched records that the name of the account belongs to another entry of the directory than the one that it is bound to. Nobody can log in by that
// name then. It ends no sessions: they are the bound person's, who may only have been renamed, and whether that person may still use them is what Revalidate finds
// out. A state that the directory has given is kept: it says more about the person. Where the account is not bound yet, there is nothing to record.
func (r Rules) Mismatched(c Credential) Credential {
	c = r.ApplyRequests(c)
	if c.External.isEntry() && c.External.State == "" {
		c.External.State = v1alpha1.ReasonSubjectMismatch
	}
	return c
}

// isStranger tells whether somebody has proven to be another person at the provider than the account's. A password that says nothing of a person there, as
// one that Keyturn keeps, proves the account itself. A directory that refuses the owner of a right password lets nobody in, so it need not say who that is.
func (r Rules) isStranger(c Credential, p Proven) bool {
	switch {
	case p.Asserted:
	case p.External.IsZero() && (!r.Provider.Directory || p.RefusedElsewhere != ""):
		return false
	}
	return !r.isPersonOf(r.ApplyRequests(c), p.External)
}

// refuseStranger answers a stranger as somebody whom no account declares. A right password of another entry counts as a failure, as it does where the
// verifier finds out.
func (r Rules) refuseStranger(c Credential, p Proven) (Credential, Answer) {
	if !p.Asserted {
		c = r.Mismatched(r.Failed(c))
	}
	return c, Answer{Outcome: Unavailable, Reason: ReasonNotDeclared}
}

// recordEntry binds the account to the entry of the person who has given the right password or ticket, whatever the directory says of that person, or records
// what is new about the person. To bind it raises the session
// generation, although there can be no session yet: a server whose watch has not seen that write yet then knows that its state is an older one.
func (r Rules) recordEntry(c Credential, e External, state v1alpha1.StandingReason) Credential {
	if c.External.IsZero() {
		c.External = External{
			ProviderUID: e.ProviderUID, Subject: e.Subject, Name: r.externalName(c),
			Groups: groupsOf(e.Groups), PasswordSetTime: exact(e.PasswordSetTime), State: state,
		}
		return EndSessions(c)
	}
	return r.observed(c, Observation{Groups: e.Groups, PasswordSetTime: e.PasswordSetTime})
}

// recordState records whether the directory lets the person log in who has given the right password, or a ticket. One whom it refuses is bound as well, so that the
// account's status says why.
func (r Rules) recordState(c Credential, p Proven) Credential {
	if p.RefusedElsewhere != "" && c.External.IsZero() && r.Provider.Directory && r.isPersonOf(c, p.External) {
		c = r.recordEntry(c, p.External, p.RefusedElsewhere)
	}
	if !c.External.isEntry() || !c.External.isSamePerson(p.External) {
		return c
	}
	return r.observed(c, Observation{State: p.RefusedElsewhere, Groups: c.External.Groups})
}

// observed records what a directory says about the person to whose entry the account is bound.
func (r Rules) observed(c Credential, o Observation) Credential {
	before := c.External
	c.External.State = o.State
	if !slices.Equal(before.Groups, o.Groups) {
		c.External.Groups = groupsOf(o.Groups)
	}
	// An earlier time is of a server that has not heard of the last change yet. Only a time that lies in the future gives way to one, since no change would be later.
	if t := exact(o.PasswordSetTime); t.After(before.PasswordSetTime) || !t.IsZero() && before.PasswordSetTime.After(r.Now.Add(maxClockSkew)) {
		c.External.PasswordSetTime = t
	}
	if r.endOfEntry(before, c.External) != "" {
		c = EndSessions(c)
	}
	return c
}

// isSameBinding tells whether an account stays bound to the person that it was bound to, if it was.
func (e External) isSameBinding(other External) bool {
	return e.isSamePerson(other) && strings.EqualFold(e.Name, other.Name)
}

// directory adds what became of the account's person in a directory.
func (c *comparison) directory() {
	before, after := c.before.External, c.after.External
	switch {
	case !after.isEntry():
	case !before.isSameBinding(after):
		linked := c.add(Linked, "")
		linked.ProviderUID, linked.Subject = after.ProviderUID, after.Subject
		c.raises++ // Nobody had a session that this could end.
	default:
		if after.Suspended && !before.Suspended {
			c.endSessions(TransitionByProvider, "")
		}
		if reason := c.rules.endOfEntry(before, after); reason != "" {
			c.endSessions(reason, "")
		}
	}
}

const (
	// Linked: the account is bound to an entry of a directory from now on.
	Linked TransitionKind = "Linked"
	// TransitionByExternalPassword (of SessionsEnded): the password was changed in the directory.
	TransitionByExternalPassword = "ExternalPasswordChanged"
	// TransitionByExternalGroups (of SessionsEnded): the person has lost a mapped group in the directory.
	TransitionByExternalGroups = "ExternalGroupLost"
)

// maxClockSkew is how far the clock of a directory may be ahead.
const maxClockSkew = 5 * time.Minute

// endOfEntry returns why the sessions of a person end when something new is observed in the directory; empty where they go on.
func (r Rules) endOfEntry(before, after External) string {
	switch {
	case after.State != before.State && after.State != "" && after.State != v1alpha1.ReasonSubjectMismatch:
		return string(after.State)
	case !before.PasswordSetTime.IsZero() && !after.PasswordSetTime.Equal(before.PasswordSetTime): // One that becomes known says nothing: the search account may read more by now.
		return TransitionByExternalPassword
	case r.hasLostGroup(before.Groups, after.Groups):
		return TransitionByExternalGroups
	default:
		return ""
	}
}

// hasLostGroup tells whether the person is no longer in a group that is mapped. A mapping that was taken away, or that names its group in another way
// by now, says nothing about the person: what was recorded for it counts no more, and no session ends.
func (r Rules) hasLostGroup(before, after []string) bool {
	return slices.ContainsFunc(before, func(group string) bool {
		key := groupKey(group)
		isMapped := slices.ContainsFunc(r.Provider.Mapped, func(m v1alpha1.GroupMapping) bool { return groupKey(m.From) == key })
		return isMapped && !slices.ContainsFunc(after, func(left string) bool { return groupKey(left) == key })
	})
}

// groupKey returns the same text for distinguished names that differ only in the case of ASCII letters, or in spaces around commas. Where it fails to see that
// two names are of one group, the former one is taken for a mapping that is no more.
func groupKey(name string) string {
	parts := strings.Split(name, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.Join(parts, ","))
}

// exact returns an instant as it is read again.
func exact(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
