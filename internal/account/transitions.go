package account

import (
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TransitionKind is what a write of a credential meant.
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
	// Unlocked: a request or a reset has forgotten the failures. A lock that ends by itself is no write.
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
	// TransitionByPerson: the person has logged out everywhere, or has logged out more often than can be remembered.
	TransitionByPerson = "LoggedOutEverywhere"
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
}

// Transitions tells what the write of a credential over another meant, in the order in which it came about. It sees every
// write alike, whoever made it and by whichever rule, so that nothing that is done to an account can go untold. The zero
// Credential stands for none: before the first write, and after a deletion. A transition that the policy or time alone
// makes (an expiry, the end of a lock) is none, since it is no write.
func (r Rules) Transitions(before, after Credential) []Transition {
	w := written{rules: r, before: before, after: after, owner: after.Owner}
	if before.AccountID != "" && before.AccountID != after.AccountID {
		if before.OrphanedTime.IsZero() { // Else it has been told.
			w.all = append(w.all, Transition{Kind: SessionsEnded, Owner: before.Owner, Reason: TransitionByDeletion})
		}
		w.before = Credential{}
	}
	if after.AccountID == "" {
		return w.all
	}
	created := w.before.AccountID == ""
	if !created {
		w.adoption()
		w.requests()
	}
	w.password(created)
	w.lock()
	if !created {
		w.sessions()
	}
	return w.all
}

// written is a write that is being told.
type written struct {
	rules         Rules
	before, after Credential
	owner         Owner
	all           []Transition
	// raises is how often the session generation was raised for reasons that are told.
	raises int64
	// unlocked: the failures were forgotten on the way.
	unlocked bool
}

func (w *written) tell(kind TransitionKind, reason string) *Transition {
	w.all = append(w.all, Transition{Kind: kind, Owner: w.owner, Reason: reason})
	return &w.all[len(w.all)-1]
}

func (w *written) end(reason string) {
	w.tell(SessionsEnded, reason)
	w.raises++
}

func (w *written) unlock(reason string) {
	w.tell(Unlocked, reason)
	w.unlocked = true
}

// adoption tells of what Adopt does, unless it was told when the account was missed.
func (w *written) adoption() {
	switch {
	case w.before.Owner.UID == w.after.Owner.UID:
	case w.before.OrphanedTime.IsZero():
		w.end(TransitionByDeletion)
	default:
		w.raises++
	}
}

// requests tells of what ApplyRequests does.
func (w *written) requests() {
	if w.after.Handled.Unlock.After(w.before.Handled.Unlock) {
		w.unlock(TransitionByUnlockTime)
	}
	if w.after.Handled.SignOut.After(w.before.Handled.SignOut) {
		w.end(TransitionBySignOutTime)
	}
	if w.after.SessionsEnded && !w.before.SessionsEnded {
		reason := v1alpha1.ReasonAccountEnded
		if w.rules.Spec.Access == v1alpha1.AccessDisabled {
			reason = v1alpha1.ReasonAccountDisabled
		}
		w.end(string(reason))
	}
}

// password tells of a new password. One that was hashed anew has the time at which it was set.
func (w *written) password(created bool) {
	before, after := w.before.Password, w.after.Password
	isSet := !after.IsZero() && (before.IsZero() || before.SetBy != after.SetBy || !before.SetTime.Equal(after.SetTime))
	switch {
	case isSet && after.SetBy == v1alpha1.SetByUser:
		w.tell(PasswordChanged, "")
		w.forgotten(created, TransitionByChange)
	case isSet:
		w.tell(PasswordReset, string(after.MustChange))
		w.forgotten(created, TransitionByReset)
	case w.refused():
		w.tell(ResetRefused, TransitionByPolicy)
	case w.unusable():
		w.tell(ResetRefused, w.after.Reset.Unusable.ConditionReason())
	}
}

// forgotten tells of what goes with the former password: a lock, and the sessions.
func (w *written) forgotten(created bool, reason string) {
	if created {
		return
	}
	if !w.unlocked && w.rules.Lock(w.before).Locked {
		w.unlock(reason)
	}
	w.end(reason)
}

// refused tells whether a revision of the Secret was judged, and found not to meet the policy.
func (w *written) refused() bool {
	before, after := w.before.Reset, w.after.Reset
	return len(after.Rejected) > 0 && after.RejectedPolicy != "" &&
		(before.Source != after.Source || !before.ResetTime.Equal(after.ResetTime) || before.RejectedPolicy != after.RejectedPolicy)
}

// unusable tells whether a revision of the Secret was looked at, and found to have nothing that could be a password.
func (w *written) unusable() bool {
	before, after := w.before.Reset, w.after.Reset
	return after.Unusable != "" &&
		(before.Source != after.Source || !before.ResetTime.Equal(after.ResetTime) || before.Unusable != after.Unusable)
}

// lock tells of a lock that was not there before, or ends later: the account's, or that of a device.
func (w *written) lock() {
	before, lock := w.rules.Lock(w.before), w.rules.Lock(w.after)
	same := before.Reason == lock.Reason && before.Until.Equal(lock.Until)
	if lock.Locked && (w.unlocked || !same) {
		w.tell(Locked, string(lock.Reason)).Until = lock.Until
	}
	if lock.Locked && lock.Until.IsZero() {
		return // For all devices.
	}
	for _, device := range w.after.Devices {
		lock := w.rules.lockSince(device.LockedTime)
		known := slices.ContainsFunc(w.before.Devices, func(d DeviceFailures) bool {
			return d.ID == device.ID && d.LockedTime.Equal(device.LockedTime)
		})
		if lock.Locked && !known {
			w.tell(Locked, TransitionOfDevice).Until = lock.Until
		}
	}
}

// sessions tells of sessions that ended for no reason that was told before.
func (w *written) sessions() {
	for _, ended := range w.after.EndedSessions {
		if !HasEnded(w.before.EndedSessions, ended.ID) {
			w.tell(SessionEnded, "").Session = ended.ID
		}
	}
	if w.after.SessionGeneration > w.before.SessionGeneration+w.raises {
		w.end(TransitionByPerson)
	}
	if !w.after.OrphanedTime.IsZero() && w.before.OrphanedTime.IsZero() {
		w.tell(SessionsEnded, TransitionByDeletion)
	}
}
