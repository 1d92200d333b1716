package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// policyIs waits until a policy's condition Ready has a status and a reason.
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

// TestAccountsOfAPolicyAreCounted: a policy that applies to accounts is kept from being deleted by their number. So accounts that name it
// without being allowed to, accounts that are being deleted and namespaces without accounts do not count.
func TestAccountsOfAPolicyAreCounted(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	all := v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
	closed := w.policy("closed", v1alpha1.PasswordPolicySpec{})
	byRef := w.policy("by-ref", v1alpha1.PasswordPolicySpec{AllowedNamespaces: all})
	byLabel := w.policy("by-label", v1alpha1.PasswordPolicySpec{})
	w.addNamespace(w.name+"-labelled", map[string]string{v1alpha1.LabelPasswordPolicy: byLabel.Name})
	for _, p := range []*v1alpha1.PasswordPolicy{closed, byRef, byLabel} {
		w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
		w.g.Expect(p.Finalizers).To(gomega.BeEmpty())
		w.g.Expect(o.traffic.about(p.Name)).To(gomega.HaveLen(1), "the status is written and nothing else")
	}

	refused := w.account("refused", underPolicy(closed))
	w.eventually(refused, policyName(""), condition(v1alpha1.ConditionPolicyResolved, "False", v1alpha1.ConditionReasonPolicyNotAllowed))
	labelled := w.account("labelled", inNamespaceOf(w.name+"-labelled"))
	w.eventually(labelled, ready, policyName(byLabel.Name))
	accounts := []*v1alpha1.UserAccount{}
	for n := range 3 {
		a := w.account(fmt.Sprintf("a%d", n), underPolicy(byRef))
		w.eventually(a, ready, policyName(byRef.Name))
		accounts = append(accounts, a)
	}
	w.counts(map[*v1alpha1.PasswordPolicy]int32{byRef: 3, byLabel: 1, closed: 0})

	edit(w, accounts[0], func(a *v1alpha1.UserAccount) { a.Finalizers = append(a.Finalizers, "example.com/somebody") })
	w.delete(accounts[0], accounts[1]) // The first waits for its finalizer.
	edit(w, accounts[2], func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = nil })
	edit(w, labelled, func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: byRef.Name} })
	w.counts(map[*v1alpha1.PasswordPolicy]int32{byRef: 1, byLabel: 0, closed: 0})
	edit(w, accounts[0], func(a *v1alpha1.UserAccount) { a.Finalizers = nil })
}

// counts waits until policies report these numbers of accounts.
func (w *world) counts(want map[*v1alpha1.PasswordPolicy]int32) {
	w.t.Helper()
	for p, number := range want {
		w.g.Eventually(func() (int32, error) {
			if err := admin.Get(ctx, keyOf(p), p); err != nil || p.Status.Accounts == nil {
				return -1, err
			}
			return *p.Status.Accounts, nil
		}, patience, glance).Should(gomega.Equal(number), "accounts of %s", p.Name)
	}
}

// TestFinalizerOfFormerVersionsIsRemoved: the operator removes the finalizer of former versions from a policy, whatever its state, and leaves those of others.
func TestFinalizerOfFormerVersionsIsRemoved(t *testing.T) {
	const foreign = "example.com/somebody"
	w := newWorld(t)
	held := func(others ...string) func(*v1alpha1.PasswordPolicy) {
		return func(p *v1alpha1.PasswordPolicy) { p.Finalizers = append(others, v1alpha1.FinalizerInUse) }
	}
	spec := v1alpha1.PasswordPolicySpec{AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}}
	kept, keptBeside := w.policy("kept", spec, held()), w.policy("kept-beside", spec, held(foreign))
	deleted, deletedBeside := w.policy("deleted", spec, held()), w.policy("deleted-beside", spec, held(foreign))
	a := w.account("a", underPolicy(deleted))
	w.delete(deleted, deletedBeside)

	w.run()
	w.gone(deleted)
	w.eventually(a, policyName(""), condition(v1alpha1.ConditionPolicyResolved, "False", v1alpha1.ConditionReasonPolicyNotFound))
	for _, p := range []*v1alpha1.PasswordPolicy{kept, keptBeside, deletedBeside} {
		w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	}
	w.g.Expect(kept.Finalizers).To(gomega.BeEmpty())
	w.g.Expect(keptBeside.Finalizers).To(gomega.Equal([]string{foreign}))
	w.g.Expect(deletedBeside.Finalizers).To(gomega.Equal([]string{foreign}))
	edit(w, deletedBeside, func(p *v1alpha1.PasswordPolicy) { p.Finalizers = nil })
	w.gone(deletedBeside)
}

// TestStatusOfAPolicy: the status of a policy says what it asks for and where it departs from NIST. It is written again when it is lost.
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

	w.g.Eventually(func() error {
		w.must(admin.Get(ctx, keyOf(p), p))
		p.Status = v1alpha1.PasswordPolicyStatus{}
		return admin.Status().Update(ctx, p)
	}, patience, glance).Should(gomega.Succeed())
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	p.Status.Conditions[0].LastTransitionTime = was.Conditions[0].LastTransitionTime
	w.g.Expect(p.Status).To(gomega.Equal(*was))

	o.stop()
	restarted := w.run()
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.MaxAgeDays = new(int32(30)) })
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	w.g.Expect(restarted.traffic.about(p.Name)).To(gomega.HaveLen(1), "a restart writes nothing, the edit one status")
}

// TestChangeRequiredTimeInTheFuture: a changeRequiredTime in the future has a condition until it takes effect. The policy is Ready all the same.
func TestChangeRequiredTimeInTheFuture(t *testing.T) {
	w := newWorld(t)
	w.run()
	pending := func(p *v1alpha1.PasswordPolicy) func() (string, error) {
		return func() (string, error) {
			err := admin.Get(ctx, keyOf(p), p)
			c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionRequestPending)
			if err != nil || c == nil {
				return "", err
			}
			return string(c.Status) + " " + c.Reason + " " + c.Message, nil
		}
	}
	day := at(w.clock.Now().Add(24 * time.Hour))
	p := w.policy("breached", v1alpha1.PasswordPolicySpec{ChangeRequiredTime: day})
	w.g.Eventually(pending(p), patience, glance).Should(gomega.HavePrefix(
		"True InFuture spec.changeRequiredTime lies in the future and takes effect at " + day.UTC().Format(time.RFC3339)))
	w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.ChangeRequiredTime = at(w.clock.Now().Add(3 * time.Second)) })
	w.g.Eventually(func() (int64, error) { _, err := pending(p)(); return p.Status.ObservedGeneration - p.Generation, err }, patience, glance).Should(gomega.BeZero())
	w.g.Eventually(pending(p), patience, glance).Should(gomega.BeEmpty(), "it has taken effect")
}

// TestPolicyThatWaitsToBeDeleted: a policy whose deletion has begun applies to no account, however long a finalizer keeps the object. So the end
// of the deletion, which nobody can refuse, changes nothing for any account.
func TestPolicyThatWaitsToBeDeleted(t *testing.T) {
	w := newWorld(t)
	w.run()
	all := v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
	held := func(p *v1alpha1.PasswordPolicy) { p.Finalizers = []string{"example.com/somebody"} }
	deleted := w.policy("deleted", v1alpha1.PasswordPolicySpec{AllowedNamespaces: all}, held)
	byDefault := w.policy("default", v1alpha1.PasswordPolicySpec{}, held, func(p *v1alpha1.PasswordPolicy) {
		p.Annotations = map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"}
	})
	w.policyIs(byDefault, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
	before, beside := w.account("before", underPolicy(deleted)), w.account("beside")
	w.eventually(before, ready, policyName(deleted.Name))
	w.eventually(beside, ready, policyName(byDefault.Name))
	w.counts(map[*v1alpha1.PasswordPolicy]int32{deleted: 1, byDefault: 1})

	w.delete(deleted, byDefault)
	after := w.account("after", underPolicy(deleted))
	for _, a := range []*v1alpha1.UserAccount{before, after} {
		w.eventually(a, policyName(""), condition(v1alpha1.ConditionPolicyResolved, "False", v1alpha1.ConditionReasonPolicyNotFound),
			says(v1alpha1.ConditionPolicyResolved, "is being deleted"))
	}
	w.eventually(beside, ready, policyName(""))
	w.counts(map[*v1alpha1.PasswordPolicy]int32{deleted: 0, byDefault: 0})
	for _, p := range []*v1alpha1.PasswordPolicy{deleted, byDefault} {
		w.g.Expect(p.DeletionTimestamp).NotTo(gomega.BeNil())
		edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Finalizers = nil })
		w.gone(p)
	}
}
