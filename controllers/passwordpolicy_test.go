package controllers_test

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// policyIs waits until a policy's Ready is so.
func (w *world) policyIs(p *v1alpha1.PasswordPolicy, status metav1.ConditionStatus, reason string) {
	w.t.Helper()
	w.g.Eventually(func() (string, error) {
		if err := admin.Get(ctx, keyOf(p), p); err != nil {
			return "", err
		}
		if p.Status.ObservedGeneration != p.Generation {
			return "not observed", nil
		}
		return conditionIn(p.Status.Conditions, v1alpha1.ConditionReady, status, reason), nil
	}, patience, glance).Should(gomega.BeEmpty())
}

// A policy is held while an account or a namespace names it, and applies so long.
func TestPolicyInUseIsHeld(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	all := v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
	unused := w.policy("unused", v1alpha1.PasswordPolicySpec{})
	byRef := w.policy("by-ref", v1alpha1.PasswordPolicySpec{AllowedNamespaces: all})
	byLabel := w.policy("by-label", v1alpha1.PasswordPolicySpec{})
	for _, p := range []*v1alpha1.PasswordPolicy{unused, byRef, byLabel} {
		w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
		w.g.Expect(p.Finalizers).To(gomega.ContainElement(v1alpha1.FinalizerInUse))
		w.g.Expect(o.traffic.about(p.Name)).To(gomega.HaveLen(2), "the finalizer and the status are written")
	}
	accounts := []*v1alpha1.UserAccount{}
	for n := range 5 {
		accounts = append(accounts, w.account(fmt.Sprintf("a%d", n), underPolicy(byRef)))
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: w.name + "-labelled", Labels: map[string]string{v1alpha1.LabelPasswordPolicy: byLabel.Name},
	}}
	w.must(admin.Create(ctx, namespace))
	for _, a := range accounts {
		w.eventually(a, ready, policyName(byRef.Name))
	}
	w.g.Eventually(func() (int32, error) {
		err := admin.Get(ctx, keyOf(byRef), byRef)
		return *byRef.Status.Accounts, err
	}, patience, glance).Should(gomega.Equal(int32(5)))

	w.delete(unused, byRef, byLabel)
	w.gone(unused)
	for p, names := range map[*v1alpha1.PasswordPolicy]string{
		byRef:   fmt.Sprintf("UserAccount %[1]s/a0, UserAccount %[1]s/a1, UserAccount %[1]s/a2 and 2 more", w.namespace),
		byLabel: "Namespace " + namespace.Name,
	} {
		w.policyIs(p, metav1.ConditionFalse, v1alpha1.ConditionReasonInUse)
		w.g.Expect(p.Status.Conditions[0].Message).To(gomega.ContainSubstring(names))
	}
	w.barrier(accounts[0])
	w.eventually(accounts[0], ready, policyName(byRef.Name))

	for _, a := range accounts[1:] {
		w.delete(a)
	}
	edit(w, accounts[0], func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = nil })
	w.gone(byRef)
	w.eventually(accounts[0], ready, policyName(""))
	edit(w, namespace, func(n *corev1.Namespace) { n.Labels = nil })
	w.gone(byLabel)
}

// The status of a policy tells what it asks for and where it departs from NIST; it and the finalizer are made again.
func TestStatusOfAPolicy(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	p := w.policy("strong", v1alpha1.PasswordPolicySpec{
		Characters: v1alpha1.CharacterRule{Digits: new(int32(1))}, MaxAgeDays: new(int32(90)),
	})
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	w.g.Expect(p.Status.Requirements).To(gomega.ContainElements("At least 8 characters", "At least 1 digit"))
	w.g.Expect(p.Status.Advice).To(gomega.ContainElements(
		gomega.ContainSubstring("characters and minCharacterClasses"), gomega.ContainSubstring("maxAgeDays is 90")))
	w.g.Expect(*p.Status.Accounts).To(gomega.BeZero())
	w.g.Expect(kstatus(p, p.Status.ObservedGeneration, p.Status.Conditions)).To(gomega.Equal("Current"))
	was := p.Status.DeepCopy()

	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Finalizers = nil })
	w.g.Eventually(func() error {
		w.must(admin.Get(ctx, keyOf(p), p))
		p.Status = v1alpha1.PasswordPolicyStatus{}
		return admin.Status().Update(ctx, p)
	}, patience, glance).Should(gomega.Succeed())
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	w.g.Eventually(func() []string {
		w.must(admin.Get(ctx, keyOf(p), p))
		return p.Finalizers
	}, patience, glance).Should(gomega.ContainElement(v1alpha1.FinalizerInUse))
	p.Status.Conditions[0].LastTransitionTime = was.Conditions[0].LastTransitionTime
	w.g.Expect(p.Status).To(gomega.Equal(*was))

	o.stop()
	restarted := w.run()
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.MaxAgeDays = new(int32(30)) })
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	w.g.Expect(restarted.traffic.about(p.Name)).To(gomega.HaveLen(1), "a restart writes nothing, the edit one status")
}
