package account

import (
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TransitionKind is what a write of a credential meant for the account.
type TransitionKind string

// The values of TransitionKind.
const (
	// PasswordChanged: the person has chosen a password.
	PasswordChanged TransitionKind = "PasswordChanged"
	// PasswordReset: a handed-out password is in force. Reason is why it must be changed; empty where it need not be.
	PasswordReset TransitionKind = "PasswordReset"
	// ResetRefused: a handed-out password does not meet the policy, or cannot be a password. Reason is which.
	ResetRefused TransitionKind = "ResetRefused"
	// Locked: failed logins have locked the account, or lock it for longer. Until is when that ends by itself, if it does.
	Locked TransitionKind = "Locked"
	// Unlocked: a request or a new password has cleared the failures.
	Unlocked TransitionKind = "Unlocked"
	// SessionEnded: the person has ended one session. Session is its ID.
	SessionEnded TransitionKind = "SessionEnded"
	// SessionsEnded: all sessions that were granted before are over.
	SessionsEnded TransitionKind = "SessionsEnded"
)

// Reasons of SessionsEnded, besides v1alpha1.ReasonAccountDisabled and v1alpha1.ReasonAccountEnded. Those of a new password
// are those of Unlocked, too.
const (
	// TransitionByChange: the person has changed the password.
	TransitionByChange = "PasswordChanged"
	// TransitionByReset: the password was reset.
	TransitionByReset = "PasswordReset"
	// TransitionByUnlockTime (of Unlocked): an administrator has asked for it.
	TransitionByUnlockTime = "UnlockTime"
	// TransitionBySignOutTime: an administrator has asked for it.
	TransitionBySignOutTime = "SignOutTime"
	// TransitionByAdministrator (of Unlocked and SessionsEnded): an administrator has done it by hand. By is who.
	TransitionByAdministrator = "Administrator"
	// TransitionByPerson: the person has logged out everywhere, or has logged out more often than can be remembered.
	TransitionByPerson = "LoggedOutEverywhere"
	// TransitionByAuthentication (of Unlocked and SessionsEnded): the person is verified in another way from now on. The account has become
	// External or Local, or is declared to be of another subject than the one who has logged in.
	TransitionByAuthentication = "AuthenticationChanged"
	// TransitionByProvider: the provider may not verify the account any more, or another one does. The account is declared to be the same
	// person's as before.
	TransitionByProvider = "ProviderChanged"
	// TransitionByDeletion: the account is gone.
	TransitionByDeletion = "AccountDeleted"
	// TransitionOfDevice (of Locked): the account is locked for one device that has logged in before, and for that alone.
	TransitionOfDevice = "TooManyFailuresOnDevice"
	// TransitionByPolicy (of ResetRefused): the policy does not allow the password. Its other reasons are those of
	// Unusable.ConditionReason.
	TransitionByPolicy = "PolicyViolation"
)

// Transition is one thing that a write of a credential meant.
type Transition struct {
	Kind TransitionKind
	// Owner is the account that it is about.
	Owner   Owner
	Reason  string
	Session string
	Until   time.Time
	// ProviderUID and Subject of Linked: whose the account is from now on.
	ProviderUID, Subject string
	// By is the administrator who did it by hand, by the name in Kubernetes: of PasswordReset, and of the Unlocked and SessionsEnded
	// that come with it or were done alone. Empty where nobody did it by hand.
	By string
	// Already tells that the account stood so before the write. Locked: it was locked, by failed logins or for lack of logins, and
	// stays so for longer. Unlocked: failed logins had not locked it, or it was unlocked before in the same write. ResetRefused: a policy had refused the same revision of the
	// Secret.
	Already bool
}

// Transitions returns what the write of a credential over another meant, in the order in which it came about. It compares the
// two credentials, so no rule can forget to report what it does, and it does not matter which server has written. The zero Credential
// stands for none: before the first write, and after a deletion.
//
// Audit lines, metrics and Kubernetes events are made of what it returns. What time or an edit of the policy brings about (a
// password expires, a lock ends) is no write and no transition; LockWithoutWrite finds the part of it that has an event.
func (r Rules) Transitions(before, after Credential) []Transition {
	c := comparison{rules: r, before: before, after: after, owner: after.Owner}
	if before.AccountID != "" && before.AccountID != after.AccountID {
		if before.OrphanedTime.IsZero() { // Else the write that set it was this transition.
			c.all = append(c.all, Transition{Kind: SessionsEnded, Owner: before.Owner, Reason: TransitionByDeletion})
		}
		c.before = Credential{}
	}
	if after.AccountID == "" {
		return c.all
	}
	created := c.before.AccountID == ""
	if !created {
		c.adoption()
		c.authentication()
		c.directory()
		c.requests()
		c.acts()
	}
	c.password(created)
	c.lock()
	if !created {
		c.sessions()
	}
	return c.all
}

// comparison collects the transitions between two credentials.
type comparison struct {
	rules         Rules
	before, after Credential
	owner         Owner
	all           []Transition
	// raises is how often the session generation was raised by what has been collected.
	raises int64
	// unlocked tells that the failures were cleared, so that a lock of after is a new one.
	unlocked bool
}

func (c *comparison) add(kind TransitionKind, reason string) *Transition {
	c.all = append(c.all, Transition{Kind: kind, Owner: c.owner, Reason: reason})
	return &c.all[len(c.all)-1]
}

func (c *comparison) endSessions(reason, by string) {
	c.add(SessionsEnded, reason).By = by
	c.raises++
}

func (c *comparison) unlock(reason, by string) {
	added := c.add(Unlocked, reason)
	added.By, added.Already = by, c.unlocked || !c.rules.Lock(c.before).Locked
	c.unlocked = true
}

// adoption adds what Adopt does, unless the write that noted the account as missing was this transition.
func (c *comparison) adoption() {
	switch {
	case c.before.Owner.UID == c.after.Owner.UID:
	case c.before.OrphanedTime.IsZero():
		c.endSessions(TransitionByDeletion, "")
	default:
		c.raises++
	}
}

// authentication adds what applyAuthentication does.
func (c *comparison) authentication() {
	before, after := c.before.External, c.after.External
	switch {
	case keepsPassword(c.before) && !keepsPassword(c.after): // It has become External.
		c.forgotten(false, TransitionByAuthentication, "")
	case before.IsZero(), before.isSameBinding(after):
	default: // The next person may have logged in by the same write.
		reason, declared := TransitionByAuthentication, c.rules
		declared.Provider = Provider{UID: before.ProviderUID} // Who compares may not have looked it up.
		if declared.declaresRecorded(c.before) {
			reason = TransitionByProvider
		}
		c.endSessions(reason, "")
	}
}

// requests adds what the rest of ApplyRequests does.
func (c *comparison) requests() {
	if c.after.Handled.Unlock.After(c.before.Handled.Unlock) {
		c.unlock(TransitionByUnlockTime, "")
	}
	if c.after.Handled.SignOut.After(c.before.Handled.SignOut) {
		c.endSessions(TransitionBySignOutTime, "")
	}
	if c.after.SessionsEnded && !c.before.SessionsEnded {
		reason := v1alpha1.ReasonAccountEnded
		if c.rules.Spec.Access == v1alpha1.AccessDisabled {
			reason = v1alpha1.ReasonAccountDisabled
		}
		c.endSessions(string(reason), "")
	}
}

// acts adds what an administrator has done by hand, but for a reset, which password adds.
func (c *comparison) acts() {
	before, after := c.before.Acted, c.after.Acted
	if !after.Unlock.Equal(before.Unlock) {
		c.unlock(TransitionByAdministrator, after.Unlock.By)
	}
	if !after.SignOut.Equal(before.SignOut) {
		c.endSessions(TransitionByAdministrator, after.SignOut.By)
	}
}

// password adds a new password, or that one was refused. One that was only hashed anew keeps the time at which it was set.
func (c *comparison) password(created bool) {
	before, after := c.before.Password, c.after.Password
	isSet := !after.IsZero() && (before.IsZero() || before.SetBy != after.SetBy || !before.SetTime.Equal(after.SetTime))
	switch {
	case isSet && after.SetBy == v1alpha1.SetByUser:
		c.add(PasswordChanged, "")
		c.forgotten(created, TransitionByChange, "")
	case isSet:
		by := ""
		if c.after.wasResetByHand() {
			by = c.after.Acted.Reset.By
		}
		c.add(PasswordReset, string(after.MustChange)).By = by
		c.forgotten(created, TransitionByReset, by)
	case c.refused():
		c.add(ResetRefused, TransitionByPolicy).Already = c.sameRevision() && len(c.before.Reset.Rejected) > 0 && c.before.Reset.RejectedPolicy != ""
	case c.unusable():
		c.add(ResetRefused, c.after.Reset.Unusable.ConditionReason())
	}
}

// forgotten adds what ends with the former password: a lock, and the sessions.
func (c *comparison) forgotten(created bool, reason, by string) {
	if created {
		return
	}
	if !c.unlocked && c.rules.Lock(c.before).Locked {
		c.unlock(reason, by)
	}
	c.endSessions(reason, by)
}

// refused tells whether a revision of the Secret was judged, and found not to meet the policy.
func (c *comparison) refused() bool {
	after := c.after.Reset
	return len(after.Rejected) > 0 && after.RejectedPolicy != "" &&
		(!c.sameRevision() || c.before.Reset.RejectedPolicy != after.RejectedPolicy)
}

// unusable tells whether a revision of the Secret was looked at, and found to have nothing that could be a password.
func (c *comparison) unusable() bool {
	after := c.after.Reset
	return after.Unusable != "" && (!c.sameRevision() || c.before.Reset.Unusable != after.Unusable)
}

// sameRevision tells whether the look at the Secret that after knows of was at the same revision, for the same request, as that
// of before.
func (c *comparison) sameRevision() bool {
	before, after := c.before.Reset, c.after.Reset
	return before.Source == after.Source && before.ResetTime.Equal(after.ResetTime)
}

// lock adds a lock that was not there before, or ends later: the account's, or that of a device.
func (c *comparison) lock() {
	before, lock := c.rules.Lock(c.before), c.rules.Lock(c.after)
	same := before.Reason == lock.Reason && before.Until.Equal(lock.Until)
	if lock.Locked && (c.unlocked || !same) {
		added := c.add(Locked, string(lock.Reason))
		added.Until, added.Already = lock.Until, !c.unlocked && (before.Locked || c.rules.past(c.rules.idleLockTime(c.before)))
	}
	if lock.Locked && lock.Until.IsZero() {
		return // For all devices.
	}
	for _, device := range c.after.Devices {
		lock := c.rules.lockSince(device.LockedTime)
		known := slices.ContainsFunc(c.before.Devices, func(d DeviceFailures) bool {
			return d.ID == device.ID && d.LockedTime.Equal(device.LockedTime)
		})
		if lock.Locked && !known {
			c.add(Locked, TransitionOfDevice).Until = lock.Until
		}
	}
}

// sessions adds the sessions that ended for no reason that has been added before.
func (c *comparison) sessions() {
	for _, ended := range c.after.EndedSessions {
		if !HasEnded(c.before.EndedSessions, ended.ID) {
			c.add(SessionEnded, "").Session = ended.ID
		}
	}
	if c.after.SessionGeneration > c.before.SessionGeneration+c.raises {
		c.endSessions(TransitionByPerson, "")
	}
	if !c.after.OrphanedTime.IsZero() && c.before.OrphanedTime.IsZero() {
		c.add(SessionsEnded, TransitionByDeletion)
	}
}

// LockWithoutWrite compares the stored status of an account with how it stands now. It returns Locked or Unlocked where no write
// of the credential has made the difference, and else nothing: Transitions has that. An account gets locked because it was not
// used for too long, a lock ends after its duration, and an edit of the policy or of the account can do both.
func (r Rules) LockWithoutWrite(before *v1alpha1.UserAccountStatus, c Credential) TransitionKind {
	after := r.Standing(c)
	wasLocked, isLocked := before.Standing == v1alpha1.StandingLocked, after.Standing == v1alpha1.StandingLocked
	var login v1alpha1.LoginStatus
	if before.Login != nil {
		login = *before.Login
	}
	sameFailures := int(login.Failures) == c.Failures.Consecutive
	switch {
	case isLocked && !wasLocked:
		isFirst := before.ObservedGeneration == 0 // Or the stored status was lost.
		if sameFailures || isFirst || after.Reason == v1alpha1.ReasonIdle {
			return Locked // A write that locks adds a failure.
		}
	case wasLocked && !isLocked:
		// A write that unlocks leaves nothing of the failures. But where the lock ended by itself, a login may have cleared them
		// since.
		kept := !c.Failures.LockedTime.IsZero() || sameFailures && c.Failures.Consecutive > 0
		if kept || r.past(instant(login.LockedUntilTime)) || before.StandingReason == v1alpha1.ReasonIdle {
			return Unlocked
		}
	}
	return ""
}
