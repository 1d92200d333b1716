package controllers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// check returns what is wrong with an account; "" where nothing is.
type check func(*v1alpha1.UserAccount) string

// eventually waits until the operator has observed the account's spec and all checks hold.
func (w *world) eventually(a *v1alpha1.UserAccount, checks ...check) {
	w.t.Helper()
	checks = append([]check{observed}, checks...)
	w.g.Eventually(func() ([]string, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(a), a); err != nil {
			return nil, err
		}
		var open []string
		for _, c := range checks {
			if what := c(a); what != "" {
				open = append(open, what)
			}
		}
		return open, nil
	}, patience, glance).Should(gomega.BeEmpty(), "about %s", a.Name)
}

func observed(a *v1alpha1.UserAccount) string {
	if a.Status.ObservedGeneration != a.Generation {
		return fmt.Sprintf("generation %d is not observed", a.Generation)
	}
	return ""
}

// condition checks a condition's status and reason.
func condition(kind string, status metav1.ConditionStatus, reason string) check {
	return func(a *v1alpha1.UserAccount) string {
		return conditionIn(a.Status.Conditions, kind, status, reason)
	}
}

func conditionIn(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason string) string {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil {
		return "no condition " + kind
	}
	if c.Status != status || c.Reason != reason {
		return fmt.Sprintf("%s is %s, %s: %s", kind, c.Status, c.Reason, c.Message)
	}
	return ""
}

// ready checks that the account is Ready, and Current for tools that follow kstatus.
func ready(a *v1alpha1.UserAccount) string {
	if what := conditionIn(a.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded); what != "" {
		return what
	}
	return computes("Current")(a)
}

// notReady checks the reason of a condition, which Ready repeats, and what the account is for tools that follow kstatus: Failed where somebody
// has to act, InProgress where waiting may help.
func notReady(kind, reason, kstatus string) check {
	return func(a *v1alpha1.UserAccount) string {
		for _, k := range []string{kind, v1alpha1.ConditionReady} {
			if what := conditionIn(a.Status.Conditions, k, metav1.ConditionFalse, reason); what != "" {
				return what
			}
		}
		return computes(kstatus)(a)
	}
}

func standing(s v1alpha1.Standing, reason v1alpha1.StandingReason) check {
	return func(a *v1alpha1.UserAccount) string {
		if a.Status.Standing != s || a.Status.StandingReason != reason {
			return fmt.Sprintf("standing is %s (%s)", a.Status.Standing, a.Status.StandingReason)
		}
		return ""
	}
}

// says checks that the message of a condition has some words.
func says(kind string, words ...string) check {
	return func(a *v1alpha1.UserAccount) string {
		c := meta.FindStatusCondition(a.Status.Conditions, kind)
		if c == nil {
			return "no condition " + kind
		}
		for _, word := range words {
			if !strings.Contains(c.Message, word) {
				return fmt.Sprintf("%s says %q, without %q", kind, c.Message, word)
			}
		}
		return ""
	}
}

// computes checks the status that kstatus computes.
func computes(want string) check {
	return func(a *v1alpha1.UserAccount) string {
		if got := kstatus(a, a.Status.ObservedGeneration, a.Status.Conditions); got != want {
			return fmt.Sprintf("kstatus computes %s, not %s", got, want)
		}
		return ""
	}
}

// kstatus computes a status as sigs.k8s.io/cli-utils/pkg/kstatus does for kinds that it does not know.
func kstatus(object client.Object, observedGeneration int64, conditions []metav1.Condition) string {
	switch {
	case object.GetDeletionTimestamp() != nil:
		return "Terminating"
	case observedGeneration != object.GetGeneration():
		return "InProgress"
	case meta.IsStatusConditionTrue(conditions, "Reconciling"):
		return "InProgress"
	case meta.IsStatusConditionTrue(conditions, "Stalled"):
		return "Failed"
	case !meta.IsStatusConditionTrue(conditions, "Ready"):
		return "InProgress"
	default:
		return "Current"
	}
}

// checkNothingIsShown fails the test if an event, a condition, a log, or any object but a Secret shows a password or a hash, or if the API
// server has refused an event.
func (w *world) checkNothingIsShown() {
	credentials := &corev1.SecretList{}
	w.must(admin.List(ctx, credentials, client.InNamespace(w.credentials)))
	for _, c := range credentials.Items {
		w.hide(string(c.Data["password.hash"]), string(c.Data["reset.appliedHash"]))
	}
	accounts, policies := &v1alpha1.UserAccountList{}, &v1alpha1.PasswordPolicyList{}
	w.must(admin.List(ctx, accounts, client.MatchingLabels(w.labels())))
	w.must(admin.List(ctx, policies, client.MatchingLabels(w.labels())))
	objects, err := json.Marshal([]any{accounts, policies})
	w.must(err)

	places := map[string][][]byte{
		"an object": {objects},
		"a log":     {[]byte(w.log.String())},
		"an event":  {fmt.Appendf(nil, "%v", w.events.all())},
	}
	for _, o := range w.operators {
		places["a write"] = append(places["a write"], o.traffic.publicBodies()...)
		for _, refused := range o.traffic.refused() {
			w.t.Errorf("the API server refused an event: %s", refused)
		}
	}
	for place, texts := range places {
		for _, text := range texts {
			for _, secret := range w.secrets {
				if bytes.Contains(text, []byte(secret)) {
					w.t.Errorf("%s reveals the secret %.6s...", place, secret)
				}
			}
		}
	}
}
