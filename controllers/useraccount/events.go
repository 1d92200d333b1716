package useraccount

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/note"
	"github.com/keyturn/keyturn/internal/account"
)

// tellCredential sends an event where the account has come by the credential of another, or a password was handed out.
func (r *Reconciler) tellCredential(s *scope, reset bool) {
	switch s.identity {
	case account.IdentityAdopt:
		r.events.Eventf(s.account, nil, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Restore",
			"The restored account has its former credential again")
	case account.IdentityReplace:
		r.events.Eventf(s.account, nil, corev1.EventTypeNormal, v1alpha1.EventReplaced, "Create",
			"The credential of a former account of this username was replaced")
	}
	if reset {
		r.events.Eventf(s.account, nil, corev1.EventTypeNormal, v1alpha1.EventPasswordReset, "Reset",
			"The password of the Secret was applied")
	}
	if reset && s.trimmed {
		r.events.Eventf(s.account, nil, corev1.EventTypeNormal, v1alpha1.EventNewlineTrimmed, "Reset",
			"The newline at the end of the Secret's value is not part of the password")
	}
}

// tellTransitions sends an event for each thing that has changed. The first status of an account tells of what is wrong
// only: there is nothing that it could have changed from. A request that lies in the future is not wrong, and may be meant: it
// is a normal event.
func (r *Reconciler) tellTransitions(declared *v1alpha1.UserAccount, before, after v1alpha1.UserAccountStatus) {
	tell := func(kind, reason, action, text string) {
		r.events.Eventf(declared, nil, kind, reason, action, "%s", note.Cut(text))
	}
	for _, c := range after.Conditions {
		if c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionStalled {
			continue
		}
		was := meta.FindStatusCondition(before.Conditions, c.Type)
		if was != nil && was.Reason == c.Reason && was.Message == c.Message {
			continue
		}
		switch {
		case c.Type == v1alpha1.ConditionRequestPending:
			tell(corev1.EventTypeNormal, c.Reason, "Reconcile", c.Message)
		case c.Status == metav1.ConditionFalse && c.Reason != v1alpha1.ConditionReasonPending:
			tell(corev1.EventTypeWarning, c.Reason, "Reconcile", c.Message)
		}
	}
	if changedByUser(before, after) {
		tell(corev1.EventTypeNormal, v1alpha1.EventPasswordChanged, "Change", "The person changed the password")
	}
	locked, was := after.Standing == v1alpha1.StandingLocked, before.Standing == v1alpha1.StandingLocked
	switch {
	case locked && !was:
		tell(corev1.EventTypeWarning, v1alpha1.EventLocked, "Lock", "The account is locked: "+string(after.StandingReason))
	case was && !locked:
		tell(corev1.EventTypeNormal, v1alpha1.EventUnlocked, "Unlock", "The account is no longer locked")
	}
}

// changedByUser tells whether the person has set a password since the last status. A status that was lost tells nothing.
func changedByUser(before, after v1alpha1.UserAccountStatus) bool {
	if before.ObservedGeneration == 0 || after.Password == nil || after.Password.SetBy != v1alpha1.SetByUser {
		return false
	}
	return before.Password == nil || before.Password.SetBy != v1alpha1.SetByUser || !before.Password.SetTime.Equal(after.Password.SetTime)
}
