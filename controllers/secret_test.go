package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestUnusableValueIsReadOnce: the operator reads a value that cannot be a password once. Nothing else that happens to the account, nor a start
// of the operator, has it read again, written or shown otherwise.
func TestUnusableValueIsReadOnce(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	tests := map[string]struct {
		value  map[string][]byte
		reason string
	}{
		"no-key": {map[string][]byte{"other": []byte(second)}, v1alpha1.ConditionReasonKeyNotFound},
		"empty":  {map[string][]byte{"password": nil}, v1alpha1.ConditionReasonValueInvalid},
		"utf8":   {map[string][]byte{"password": []byte("caf\xe9-au-lait-41")}, v1alpha1.ConditionReasonValueInvalid},
		"tab":    {map[string][]byte{"password": []byte("Tab\tOrchard-41")}, v1alpha1.ConditionReasonValueInvalid},
		"huge":   {map[string][]byte{"password": make([]byte, 1025)}, v1alpha1.ConditionReasonValueInvalid},
	}
	accounts, messages := map[string]*v1alpha1.UserAccount{}, map[string]string{}
	message := func(a *v1alpha1.UserAccount) string {
		c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionPasswordApplied)
		return fmt.Sprint(c.Status, c.Reason, c.Message)
	}
	for name, tt := range tests {
		w.secret(name, initial, func(s *corev1.Secret) { s.Data = tt.value })
		accounts[name] = w.account(name, handedOut(name))
	}
	for name, tt := range tests {
		a := accounts[name]
		w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, tt.reason, "Failed"))
		messages[name] = message(a)
		w.barrier(a)
		w.g.Expect(message(a)).To(gomega.Equal(messages[name]))
		w.g.Expect(w.reads(o, name)).To(gomega.Equal(1), name)
	}
	counted := counts(t, o.metrics)
	w.g.Expect(counted[resetsTotal+" KeyNotFound"]).To(gomega.Equal(1.0))
	w.g.Expect(counted[resetsTotal+" ValueInvalid"]).To(gomega.Equal(4.0))
	o.stop()
	restarted := w.run()
	for name := range tests {
		a := accounts[name]
		w.barrier(a)
		w.g.Expect(message(a)).To(gomega.Equal(messages[name]))
		w.g.Expect(w.reads(restarted, name)).To(gomega.BeZero(), name)
		writes := restarted.traffic.about(name, credentialName(a))
		w.g.Expect(writes).To(gomega.HaveLen(1), "the barrier alone writes: %v", writes)
	}
	for name := range tests {
		s := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, name)}
		edit(w, s, func(s *corev1.Secret) { s.Data = map[string][]byte{"password": []byte(initial)} })
		w.eventually(accounts[name], ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	}
}

// TestSecretDeletedAfterItWasApplied: an account stays Ready when the Secret is deleted after its password was applied, with one write of the status. Another
// name or key, or a resetTime, needs the Secret.
func TestSecretDeletedAfterItWasApplied(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	notFound := notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonSecretNotFound, "InProgress")
	gone := []check{
		ready, standing(v1alpha1.StandingActive, ""),
		condition(v1alpha1.ConditionPasswordApplied, "True", v1alpha1.ConditionReasonApplied),
		says(v1alpha1.ConditionPasswordApplied, "has been applied", "is gone"),
	}
	tests := map[string]struct {
		before, after func(*v1alpha1.UserAccount, *corev1.Secret) // the Secret is deleted in between
		want          []check
	}{
		"deleted": {nil, nil, gone},
		"reset-in-the-future": {nil, func(a *v1alpha1.UserAccount, _ *corev1.Secret) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now().Add(24 * time.Hour)) })
		}, gone},
		"reset-asked": {nil, func(a *v1alpha1.UserAccount, _ *corev1.Secret) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
		}, []check{notFound}},
		"renamed": {nil, func(a *v1alpha1.UserAccount, _ *corev1.Secret) { edit(w, a, handedOut("missing")) }, []check{notFound}},
		"other-key": {nil, func(a *v1alpha1.UserAccount, _ *corev1.Secret) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.SecretRef.Key = "other" })
		}, []check{notFound}},
		"rejected": {func(a *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte("brief") })
			w.lookedAt(a, s)
		}, nil, []check{notFound}},
		"unusable": {func(a *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = nil })
			w.lookedAt(a, s)
		}, nil, []check{notFound}},
		"other-type": {nil, func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			again := recreated(s)
			again.Type = corev1.SecretTypeOpaque
			w.must(admin.Create(ctx, again))
		}, []check{notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonSecretNotUsable, "Failed")}},
	}
	accounts, secrets := map[string]*v1alpha1.UserAccount{}, map[string]*corev1.Secret{}
	for name := range tests {
		secrets[name] = w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
	}
	for name, tt := range tests {
		a, s := accounts[name], secrets[name]
		w.eventually(a, ready)
		w.choose(a, own)
		w.eventually(a, standing(v1alpha1.StandingActive, ""))
		if tt.before != nil {
			tt.before(a, s)
		}
		w.barrier(a)
		writes := len(o.traffic.about(name, credentialName(a)))
		w.delete(s)
		if tt.after != nil {
			tt.after(a, s)
		}
		w.eventually(a, tt.want...)
		if name == "deleted" {
			w.barrier(a)
			w.g.Expect(o.traffic.about(name, credentialName(a))).To(gomega.HaveLen(writes+2), "the status once, and the barrier")
		}
	}
	a := accounts["deleted"]
	w.g.Expect(w.events.reasons(a.Name)).To(gomega.Equal([]string{v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged}), "is no event")
	o.stop()
	restarted := w.run()
	w.barrier(a)
	w.eventually(a, gone...)
	writes := restarted.traffic.about(a.Name, credentialName(a))
	w.g.Expect(writes).To(gomega.HaveLen(1), "the barrier alone writes: %v", writes)

	// The same password in a new Secret is no reset, another password is.
	s := w.secret(a.Name, initial)
	w.lookedAt(a, s)
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""), says(v1alpha1.ConditionPasswordApplied, "The password of the Secret has been applied."))
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
}
