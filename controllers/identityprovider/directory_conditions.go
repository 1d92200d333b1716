package identityprovider

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// This file has the conditions that only directories have.

// keytabUsable returns the condition KeytabUsable, without times.
func keytabUsable(s *scope) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionKeytabUsable}
	switch {
	case s.keytabError != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.keytabError.Reason, s.keytabError.Message
	case s.tested == nil:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ConditionReasonPending, "The keytab is not looked at before the credentials are there."
	case s.keytabFailure != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.keytabFailure.Reason, s.keytabFailure.Message
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonKeytabUsable, "The keytab has a key of ldap.kerberos.servicePrincipal."
	}
	return c
}

// keytabFailure returns why a keytab cannot be used; nil without an error.
func keytabFailure(err error) *provider.TestError {
	if failure, ok := errors.AsType[*provider.TestError](err); ok {
		return failure
	}
	if err != nil { // Its text is for nobody else: it may have to do with the content.
		return &provider.TestError{Reason: v1alpha1.ConditionReasonKeytabNotUsable, Message: "The keytab cannot be read. Export it again, and put the file into the Secret as it is."}
	}
	return nil
}

// lockoutMargin returns the condition LockoutMargin, without times.
func lockoutMargin(s *scope) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionLockoutMargin}
	if s.tested == nil {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ConditionReasonPending, "The directory is not asked before the credentials are there."
		return c
	}
	// Each login server may have begun an attempt before it learns of the failure that locks the account.
	own, theirs := provider.LockoutOf(s.object), s.tested.lockout
	most := own.MaxFailures + max(s.loginReplicas, 1) - 1
	passedOn := fmt.Sprintf("Up to %d wrong passwords for one account reach the directory: lockout.maxFailures is %d, and each of %d login servers but one may pass on one more",
		most, own.MaxFailures, max(s.loginReplicas, 1))
	switch {
	case !theirs.Known && s.tested.failure != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ConditionReasonPending, "The directory cannot be asked: see Connected."
	case !theirs.Known:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ConditionReasonThresholdUnknown
		c.Message = passedOn + ". The directory does not tell the account that searches it at what number it locks people out itself. " +
			"Ask who runs it: that has to be a greater number, and it has to forget wrong passwords within lockout.windowMinutes."
	case theirs.MaxFailures == 0:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonSufficient, "The directory locks nobody out for wrong passwords."
	case most >= theirs.MaxFailures:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ConditionReasonTooSmall
		c.Message = fmt.Sprintf("%s. The directory locks people out at %d, so who guesses here can lock them out there. %s",
			passedOn, theirs.MaxFailures, lowerLimit(theirs.MaxFailures, max(s.loginReplicas, 1)))
	case theirs.Window > own.Window:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ConditionReasonTooSmall
		c.Message = fmt.Sprintf("%s. The directory locks people out at %d and forgets wrong passwords %s, later than they are forgotten here (lockout.windowMinutes: %d), "+
			"so who guesses here again and again can lock them out there. %s",
			passedOn, theirs.MaxFailures, whenForgotten(theirs.Window), int(own.Window/time.Minute), longerWindow(theirs.Window))
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ConditionReasonSufficient
		c.Message = fmt.Sprintf("%s. The directory locks people out at %d.", passedOn, theirs.MaxFailures)
	}
	return c
}

// maxWindow is the greatest value of lockout.windowMinutes.
const maxWindow = 1440 * time.Minute

// lowerLimit says which limit is low enough for a directory that locks people out at a threshold.
func lowerLimit(threshold, replicas int) string {
	if limit := threshold - replicas; limit >= 1 {
		return fmt.Sprintf("Set lockout.maxFailures to %d or less, or have the directory's limit raised.", limit)
	}
	return fmt.Sprintf("No lockout.maxFailures is low enough: have the directory's limit raised to %d or more.", replicas+1)
}

func whenForgotten(window time.Duration) string {
	if window == provider.Forever {
		return "only after a right one"
	}
	return fmt.Sprintf("%d minutes after the last", int(roundUp(window)/time.Minute))
}

// longerWindow says which window is long enough for a directory that forgets failures after one.
func longerWindow(window time.Duration) string {
	if window > maxWindow {
		return fmt.Sprintf("No lockout.windowMinutes is long enough: have the directory forget them within %d minutes.", int(maxWindow/time.Minute))
	}
	return fmt.Sprintf("Set lockout.windowMinutes to %d.", int(roundUp(window)/time.Minute))
}

// roundUp returns a duration in whole minutes.
func roundUp(d time.Duration) time.Duration {
	if rest := d % time.Minute; rest > 0 {
		return d - rest + time.Minute
	}
	return d
}

// sinceFormer returns a message of Overdue with the time of the former one: a former process knew better since when. Why may have changed.
func sinceFormer(former, message string) string {
	const since = "Since "
	from, _, _ := strings.Cut(strings.TrimPrefix(former, since), " ")
	_, why, _ := strings.Cut(strings.TrimPrefix(message, since), " ")
	return strings.TrimSpace(since + from + " " + why)
}

// sweepCurrent returns the condition SweepCurrent, without times. Until the sweep of this process has something to say, what a former process has
// said of the same declaration stands.
func sweepCurrent(s *scope) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionSweepCurrent, Status: metav1.ConditionUnknown, Reason: v1alpha1.ConditionReasonPending}
	stored := meta.FindStatusCondition(s.object.Status.Conditions, v1alpha1.ConditionSweepCurrent)
	if stored != nil && stored.ObservedGeneration != s.object.Generation {
		stored = nil
	}
	switch {
	case s.surplus || len(s.object.Spec.Unreadable) > 0:
		c.Message = "Nobody is looked up before the provider counts: see Ready."
	case s.object.Spec.Access == v1alpha1.AccessDisabled:
		c.Message = "Nobody is looked up while the provider is turned off: no session that began there goes on."
	case s.swept != nil && s.swept.Reason == v1alpha1.ConditionReasonOverdue && stored != nil && stored.Reason == s.swept.Reason:
		c.Status, c.Reason, c.Message = s.swept.Status, s.swept.Reason, sinceFormer(stored.Message, s.swept.Message)
	case s.swept != nil:
		c.Status, c.Reason, c.Message = s.swept.Status, s.swept.Reason, s.swept.Message
	case stored != nil:
		c.Status, c.Reason, c.Message = stored.Status, stored.Reason, stored.Message
	default:
		c.Message = "The accounts have not been looked up yet."
	}
	return c
}
