package controllers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// noRequestPending checks that the account does not have the condition.
func noRequestPending(a *v1alpha1.UserAccount) string {
	if c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionRequestPending); c != nil {
		return "a request is pending: " + c.Message
	}
	return ""
}

// TestRequestInTheFuture: a request that lies in the future has a condition with its field and its time, until it takes effect. The account is
// Ready all the same, since such a request may be meant. One that was past when the account was created counts as handled.
func TestRequestInTheFuture(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	past := at(w.clock.Now().Add(-time.Minute))
	a := w.account("ada", handedOut("ada"), func(a *v1alpha1.UserAccount) {
		a.Spec.UnlockTime, a.Spec.SignOutTime, a.Spec.Password.ResetTime, a.Spec.Password.ChangeRequiredTime = past, past, past, past
	})
	w.eventually(a, ready, noRequestPending)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	pending := condition(v1alpha1.ConditionRequestPending, "True", v1alpha1.ConditionReasonInFuture)

	day := at(w.clock.Now().Add(24 * time.Hour))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.UnlockTime, a.Spec.Password.ResetTime = day, day })
	at24h := "lies in the future and takes effect at " + day.UTC().Format(time.RFC3339)
	w.eventually(a, ready, pending, standing(v1alpha1.StandingActive, ""),
		says(v1alpha1.ConditionRequestPending, "spec.unlockTime "+at24h, "spec.password.resetTime "+at24h, "check the clock"))
	w.barrier(a)
	reported := slices.DeleteFunc(w.events.reasons(a.Name), func(reason string) bool { return reason != v1alpha1.ConditionReasonInFuture })
	w.g.Expect(reported).To(gomega.HaveLen(1), "reported once")

	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.UnlockTime, a.Spec.Password.ResetTime = past, past })
	w.eventually(a, ready, noRequestPending)

	generation := w.credential(a).SessionGeneration
	soon := at(w.clock.Now().Add(4 * time.Second))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.SignOutTime, a.Spec.Password.ChangeRequiredTime = soon, soon })
	w.eventually(a, ready, pending, says(v1alpha1.ConditionRequestPending, "spec.signOutTime", "spec.password.changeRequiredTime"))
	w.eventually(a, ready, noRequestPending, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested))
	w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(generation + 1))
}

// TestRequestInTheFutureOfAConflict: an account whose username another one has never comes to its requests, so it does not have the condition.
func TestRequestInTheFutureOfAConflict(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.eventually(w.account("first", called("ada")), ready)
	later := w.account("later", called("ADA"), func(a *v1alpha1.UserAccount) { a.Spec.UnlockTime = at(time.Now().Add(time.Hour)) })
	w.eventually(later, notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameConflict, "Failed"), noRequestPending)
}
