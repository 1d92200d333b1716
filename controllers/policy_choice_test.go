package controllers_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

func policyName(want string) check {
	return func(a *v1alpha1.UserAccount) string {
		if a.Status.PolicyName != want {
			return "policy is " + a.Status.PolicyName
		}
		return ""
	}
}

func inNamespaceOf(namespace string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) { a.Namespace = namespace }
}

func asDefault(p *v1alpha1.PasswordPolicy) {
	p.Annotations = map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"}
}

// TestChoiceOfPolicy: the policyRef of an account goes before the label of its namespace, that before the default policy, and that before the
// built-in one. A policyRef that cannot be followed has a condition.
func TestChoiceOfPolicy(t *testing.T) {
	w := newWorld(t)
	w.run()
	all := v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
	open := w.policy("open", v1alpha1.PasswordPolicySpec{AllowedNamespaces: all})
	closed := w.policy("closed", v1alpha1.PasswordPolicySpec{})
	missing := &v1alpha1.PasswordPolicy{ObjectMeta: objectMeta("", w.name+"-missing")}
	label := func(p *v1alpha1.PasswordPolicy) map[string]string {
		return map[string]string{v1alpha1.LabelPasswordPolicy: p.Name}
	}
	w.addNamespace(w.name+"-labelled", label(closed))
	w.addNamespace(w.name+"-mislabelled", label(missing))
	in := func(suffix string) func(*v1alpha1.UserAccount) { return inNamespaceOf(w.name + suffix) }

	builtIn := w.account("plain")
	w.eventually(builtIn, ready, policyName(""))
	standard := w.policy("standard", v1alpha1.PasswordPolicySpec{}, asDefault)
	w.eventually(builtIn, ready, policyName(standard.Name)) // Nobody has edited the account.

	notAllowed := notReady(v1alpha1.ConditionPolicyResolved, v1alpha1.ConditionReasonPolicyNotAllowed, "Failed")
	notFound := notReady(v1alpha1.ConditionPolicyResolved, v1alpha1.ConditionReasonPolicyNotFound, "InProgress")
	tests := map[string]struct {
		edits  []func(*v1alpha1.UserAccount)
		policy string
		check  check
	}{
		"label":                  {[]func(*v1alpha1.UserAccount){in("-labelled")}, closed.Name, ready},
		"label-missing":          {[]func(*v1alpha1.UserAccount){in("-mislabelled")}, standard.Name, notFound},
		"ref":                    {[]func(*v1alpha1.UserAccount){underPolicy(open)}, open.Name, ready},
		"ref-before-label":       {[]func(*v1alpha1.UserAccount){in("-labelled"), underPolicy(open)}, open.Name, ready},
		"ref-not-allowed":        {[]func(*v1alpha1.UserAccount){underPolicy(closed)}, standard.Name, notAllowed},
		"ref-missing":            {[]func(*v1alpha1.UserAccount){underPolicy(missing)}, standard.Name, notFound},
		"ref-missing-with-label": {[]func(*v1alpha1.UserAccount){in("-labelled"), underPolicy(missing)}, closed.Name, notFound},
	}
	accounts := map[string]*v1alpha1.UserAccount{}
	for name, tt := range tests {
		accounts[name] = w.account(name, tt.edits...)
	}
	for name, tt := range tests {
		w.eventually(accounts[name], policyName(tt.policy), tt.check)
	}

	w.policy("missing", v1alpha1.PasswordPolicySpec{AllowedNamespaces: all})
	for name := range tests { // A policy that was missing applies as soon as it exists.
		if name != "ref-not-allowed" {
			w.eventually(accounts[name], ready)
		}
	}
	edit(w, closed, func(p *v1alpha1.PasswordPolicy) { p.Spec.AllowedNamespaces = all })
	w.eventually(accounts["ref-not-allowed"], ready, policyName(closed.Name))
	namespace := &corev1.Namespace{ObjectMeta: objectMeta("", w.name+"-labelled")}
	edit(w, namespace, func(n *corev1.Namespace) { n.Labels = label(open) })
	w.eventually(accounts["label"], ready, policyName(open.Name))
}

// TestSeveralDefaultPolicies: of several default policies the newest applies, and each of them has a condition that says so.
func TestSeveralDefaultPolicies(t *testing.T) {
	w := newWorld(t)
	w.run()
	a := w.account("ada")
	first := w.policy("a-first", v1alpha1.PasswordPolicySpec{}, asDefault)
	w.eventually(a, policyName(first.Name))
	w.policyIs(first, "True", v1alpha1.ConditionReasonSucceeded)
	// Creation times have whole seconds. Where two are equal, the name decides.
	w.g.Eventually(time.Now, patience, glance).Should(gomega.BeTemporally(">", first.CreationTimestamp.Add(time.Second)))
	second := w.policy("b-second", v1alpha1.PasswordPolicySpec{}, asDefault)
	w.eventually(a, policyName(second.Name))
	w.policyIs(first, "False", v1alpha1.ConditionReasonSeveralDefaults)
	w.policyIs(second, "True", v1alpha1.ConditionReasonSeveralDefaults)
	edit(w, second, func(p *v1alpha1.PasswordPolicy) { p.Annotations = nil })
	w.eventually(a, policyName(first.Name))
	w.policyIs(first, "True", v1alpha1.ConditionReasonSucceeded)
	w.policyIs(second, "True", v1alpha1.ConditionReasonSucceeded)
}

// TestDenyListMissing: while a list of refused passwords is missing, new passwords wait. Nothing else does.
func TestDenyListMissing(t *testing.T) {
	w := newWorld(t)
	w.run()
	p := w.policy("lists", v1alpha1.PasswordPolicySpec{
		DenyList:          v1alpha1.DenyListRule{ConfigMapRefs: []v1alpha1.ConfigMapReference{{Name: "words"}}},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	good, bad := w.secret("good", initial), w.secret("bad", second)
	w.policyIs(p, "False", v1alpha1.ConditionReasonDenyListNotFound)
	ada, bob := w.account("ada", handedOut(good.Name), underPolicy(p)), w.account("bob", handedOut(bad.Name), underPolicy(p))
	missing := notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonDenyListNotFound, "InProgress")
	w.eventually(ada, missing, says(v1alpha1.ConditionPasswordApplied, "words", w.system))
	w.eventually(bob, missing)

	list := &corev1.ConfigMap{ObjectMeta: objectMeta(w.system, "words"), Data: map[string]string{"list": "SECOND-harbour-42\n"}}
	w.must(admin.Create(ctx, list))
	w.policyIs(p, "True", v1alpha1.ConditionReasonSucceeded)
	w.eventually(ada, ready)
	refused := notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed")
	w.eventually(bob, refused, says(v1alpha1.ConditionPasswordApplied, "list of refused passwords"))

	again := list.DeepCopy()
	again.ObjectMeta = objectMeta(w.system, "words")
	w.delete(list)
	w.policyIs(p, "False", v1alpha1.ConditionReasonDenyListNotFound)
	w.eventually(bob, missing)
	w.barrier(ada)
	w.eventually(ada, ready) // A password that was applied before is not judged.
	edit(w, good, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
	w.lookedAt(ada, good)
	w.eventually(ada, ready) // Nor is one that a new revision still has.
	edit(w, good, func(s *corev1.Secret) { s.Data["password"] = []byte(third) })
	w.eventually(ada, missing)
	w.g.Expect(w.accepts(ada, initial)).To(gomega.BeTrue())
	w.must(admin.Create(ctx, again))
	w.eventually(bob, refused)
	w.eventually(ada, ready)
	w.g.Expect(w.accepts(ada, third)).To(gomega.BeTrue())
	edit(w, again, func(c *corev1.ConfigMap) { c.Data = nil })
	w.eventually(bob, ready) // Nobody has edited the Secret.
}

// TestPolicyEditedAfterRejection: when a policy is relaxed, a password that it has rejected is applied, though nobody has edited the Secret.
func TestPolicyEditedAfterRejection(t *testing.T) {
	w := newWorld(t)
	w.run()
	p := w.policy("long", v1alpha1.PasswordPolicySpec{
		Length:            v1alpha1.LengthRule{Min: new(int32(40))},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	s := w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"), underPolicy(p))
	w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"),
		says(v1alpha1.ConditionPasswordApplied, "At least 40 characters"))
	rejected := w.credential(a).ResourceVersion()
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = new(int32(39)) })
	w.eventually(a, says(v1alpha1.ConditionPasswordApplied, "At least 39 characters"))
	w.g.Expect(w.credential(a).ResourceVersion()).NotTo(gomega.Equal(rejected), "looked at again")
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = new(int32(12)) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	now := s.DeepCopy()
	w.must(admin.Get(ctx, keyOf(s), now))
	w.g.Expect(now.ResourceVersion).To(gomega.Equal(s.ResourceVersion))

	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = new(int32(50)) })
	w.barrier(a)
	w.eventually(a, ready) // A stricter policy binds at the next reset.
}

// TestExpiryExemption: an account may ask for a password that never expires, and the policy decides.
func TestExpiryExemption(t *testing.T) {
	w := newWorld(t)
	w.run()
	p := w.policy("ageing", v1alpha1.PasswordPolicySpec{
		MaxAgeDays:        new(int32(30)),
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"), underPolicy(p), func(a *v1alpha1.UserAccount) {
		a.Spec.Password.Expiry = v1alpha1.PasswordExpiryNever
	})
	w.eventually(a, notReady(v1alpha1.ConditionPolicyResolved, v1alpha1.ConditionReasonExpiryExemptionRefused, "Failed"))
	w.g.Expect(a.Status.Password.ExpirationTime).NotTo(gomega.BeNil())
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.ExpiryExemption = v1alpha1.ExpiryExemptionAllowed })
	w.eventually(a, ready)
	w.g.Expect(a.Status.Password.ExpirationTime).To(gomega.BeNil())
}

// TestRejectedWhilePolicyIsMissing: while the policy that an account names is missing, as in the middle of a restore, the policy in its place
// does not let in a password that was rejected. New content is judged.
func TestRejectedWhilePolicyIsMissing(t *testing.T) {
	w := newWorld(t)
	w.run()
	strict := w.policy("strict", v1alpha1.PasswordPolicySpec{
		Length:            v1alpha1.LengthRule{Min: new(int32(40))},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"), underPolicy(strict))
	violates := condition(v1alpha1.ConditionPasswordApplied, "False", v1alpha1.ConditionReasonPolicyViolation)
	w.eventually(a, violates)

	w.delete(strict)
	w.gone(strict)
	w.eventually(a, violates, notReady(v1alpha1.ConditionPolicyResolved, v1alpha1.ConditionReasonPolicyNotFound, "Failed"),
		condition(v1alpha1.ConditionStalled, "True", v1alpha1.ConditionReasonPolicyViolation)) // The policy alone does not mend it.
	w.delete(&corev1.Secret{ObjectMeta: objectMeta(w.namespace, "ada")})
	w.gone(&corev1.Secret{ObjectMeta: objectMeta(w.namespace, "ada")})
	restored := w.secret("ada", initial)
	w.barrier(a)
	w.eventually(a, violates)
	w.g.Expect(w.credential(a).Password.IsZero()).To(gomega.BeTrue())

	w.hide(second)
	edit(w, restored, func(s *corev1.Secret) { s.Data[v1alpha1.DefaultPasswordKey] = []byte(second) })
	w.eventually(a, condition(v1alpha1.ConditionPasswordApplied, "True", v1alpha1.ConditionReasonApplied),
		notReady(v1alpha1.ConditionPolicyResolved, v1alpha1.ConditionReasonPolicyNotFound, "InProgress"))
	w.g.Expect(w.accepts(a, second)).To(gomega.BeTrue())
}

// TestPolicyThatTheCacheLacks: a policy, a namespace's label and an account are applied at once, and the operator's cache has the account
// first. Its password is judged by the declared policy all the same.
func TestPolicyThatTheCacheLacks(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.eventually(w.account("first"), ready) // The caches are filled.
	release := o.traffic.hold("namespaces", "passwordpolicies")
	t.Cleanup(release)
	long := w.policy("long", v1alpha1.PasswordPolicySpec{
		Length:            v1alpha1.LengthRule{Min: new(int32(40))},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	kept := w.policy("kept", v1alpha1.PasswordPolicySpec{MustChange: v1alpha1.MustChangeRule{OnInitialLogin: v1alpha1.ChangeNotRequired}})
	for suffix, p := range map[string]*v1alpha1.PasswordPolicy{"-long": long, "-kept": kept} {
		w.addNamespace(w.name+suffix, map[string]string{v1alpha1.LabelPasswordPolicy: p.Name})
	}
	in := func(suffix string) func(*v1alpha1.UserAccount) { return inNamespaceOf(w.name + suffix) }
	violates := notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed")
	tests := map[string]struct {
		edit   func(*v1alpha1.UserAccount)
		policy string
		check  check
	}{
		"ref":           {underPolicy(long), long.Name, violates},
		"label":         {in("-long"), long.Name, violates},
		"label-no-must": {in("-kept"), kept.Name, ready},
	}
	accounts := map[string]*v1alpha1.UserAccount{}
	for name, tt := range tests {
		a := w.account(name, handedOut(name), tt.edit)
		w.secret(name, initial, func(s *corev1.Secret) { s.Namespace = a.Namespace })
		accounts[name] = a
	}
	for name, tt := range tests {
		w.eventually(accounts[name], tt.check) // The status follows the caches; by what the password was judged does not.
	}
	release()
	for name, tt := range tests {
		w.eventually(accounts[name], tt.check, policyName(tt.policy))
		w.barrier(accounts[name])
		w.eventually(accounts[name], tt.check, policyName(tt.policy))
	}
	w.g.Expect(w.credential(accounts["label-no-must"]).Password.MustChange).To(gomega.BeEmpty())
	w.eventually(accounts["label-no-must"], standing(v1alpha1.StandingActive, ""))
}

// TestTooManyLabels: a namespace with more labels than the cache keeps matches no selector, least of all one that asks for the absence of a
// label. The label that names the namespace's policy counts all the same.
func TestTooManyLabels(t *testing.T) {
	w := newWorld(t)
	w.run()
	absent := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tenant", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	chosen := w.policy("chosen", v1alpha1.PasswordPolicySpec{
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: absent},
	})
	own := w.policy("own", v1alpha1.PasswordPolicySpec{})
	labels := map[string]string{v1alpha1.LabelPasswordPolicy: own.Name}
	w.addNamespace(w.name+"-few", maps.Clone(labels))
	labels["tenant"] = "yes"
	for n := range 300 {
		labels[fmt.Sprintf("%d.%s/l", n, strings.Repeat("p", 50))] = strings.Repeat("v", 63)
	}
	w.addNamespace(w.name+"-many", labels)
	few := w.account("few", inNamespaceOf(w.name+"-few"), underPolicy(chosen))
	w.eventually(few, ready, policyName(chosen.Name))
	many := w.account("many", inNamespaceOf(w.name+"-many"), underPolicy(chosen))
	w.eventually(many, policyName(own.Name), condition(v1alpha1.ConditionPolicyResolved, "False", v1alpha1.ConditionReasonPolicyNotAllowed),
		says(v1alpha1.ConditionPolicyResolved, "too many"))
}
