package useraccount

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/eventnote"
	"github.com/keyturn/keyturn/internal/account"
)

// transitionEvent sends the event of a transition, if it has one: it is a transitions.Listener.
func (r *Reconciler) transitionEvent(_ context.Context, t account.Transition, a *v1alpha1.UserAccount) {
	if a == nil || t.Already || t.Reason == account.TransitionOfDevice {
		return // Nobody looks for events of an account that is gone. A lock of one device does not change the account's standing.
	}
	switch t.Kind {
	case account.PasswordReset:
		text := "The password of the Secret was applied"
		if t.By != "" { // Who it was is in the audit log: nobody's name goes into an event.
			text = "An administrator reset the password"
		}
		r.event(a, corev1.EventTypeNormal, v1alpha1.EventPasswordReset, "Reset", text)
	case account.PasswordChanged:
		r.event(a, corev1.EventTypeNormal, v1alpha1.EventPasswordChanged, "Change", "The person changed the password")
	case account.Locked, account.Unlocked:
		r.lockEvent(a, t.Kind, t.Reason)
	}
}

// lockEvent sends the event of a lock that begins or ends.
func (r *Reconciler) lockEvent(a *v1alpha1.UserAccount, kind account.TransitionKind, reason string) {
	switch kind {
	case account.Locked:
		r.event(a, corev1.EventTypeWarning, v1alpha1.EventLocked, "Lock", "The account is locked: "+reason)
	case account.Unlocked:
		r.event(a, corev1.EventTypeNormal, v1alpha1.EventUnlocked, "Unlock", "The account is no longer locked")
	}
}

// identityEvent sends an event where the account has taken over the credential that was there.
func (r *Reconciler) identityEvent(s *scope) {
	switch s.identity {
	case account.IdentityAdopt:
		r.event(s.account, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Restore",
			"The restored account has its former credential again")
	case account.IdentityReplace:
		r.event(s.account, corev1.EventTypeNormal, v1alpha1.EventReplaced, "Create",
			"The credential of a former account of this username was replaced")
	}
}

// conditionEvents sends an event for each condition that tells something new. A first status has events, too: of what is wrong.
// A request that lies in the future is not wrong, since it may be meant: its event is a normal one.
func (r *Reconciler) conditionEvents(a *v1alpha1.UserAccount, before, after []metav1.Condition) {
	for _, c := range after {
		if c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionStalled {
			continue // They repeat the others.
		}
		was := meta.FindStatusCondition(before, c.Type)
		if was != nil && was.Reason == c.Reason && was.Message == c.Message {
			continue
		}
		switch {
		case c.Type == v1alpha1.ConditionRequestPending:
			r.event(a, corev1.EventTypeNormal, c.Reason, "Reconcile", c.Message)
		case c.Status == metav1.ConditionFalse && c.Reason != v1alpha1.ConditionReasonPending:
			r.event(a, corev1.EventTypeWarning, c.Reason, "Reconcile", c.Message)
		}
	}
}

// event sends an event about an account.
func (r *Reconciler) event(a *v1alpha1.UserAccount, kind, reason, action, text string) {
	r.events.Eventf(a, nil, kind, reason, action, "%s", eventnote.Truncate(text))
}
