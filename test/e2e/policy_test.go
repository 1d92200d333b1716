package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// atLeast is a policy that its minimum length identifies.
func atLeast(length int32) v1alpha1.PasswordPolicySpec {
	return v1alpha1.PasswordPolicySpec{Length: v1alpha1.LengthRule{Min: new(length)}}
}

// governedBy waits until an account, and its organisation, are under policies that ask for these lengths.
func (p *person) governedBy(t *testing.T, organisation, account int) {
	t.Helper()
	eventually(t, "the requirements of the organisation", func() error {
		if got := requirements(t, p.organisation).requirement("minLength").Minimum; got != organisation {
			return fmt.Errorf("at least %d characters, want %d", got, organisation)
		}

		return nil
	})
	eventually(t, "the requirements of the account", func() error {
		a, err := p.tryLogin(t.Context(), p.password)
		if err != nil {
			return err
		}

		if r := a.requirement("minLength"); r == nil || r.Minimum != account {
			return fmt.Errorf("%+v, want at least %d characters", r, account)
		}

		return nil
	})
}

// awaitPolicy waits for a policy's condition Ready.
func awaitPolicy(t *testing.T, name string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, fmt.Sprintf("PasswordPolicy %s: Ready %s %s", name, status, reason), func() error {
		p := &v1alpha1.PasswordPolicy{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
			return err
		}

		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status != status || c.Reason != reason {
			return fmt.Errorf("the condition is %+v", c)
		}

		return nil
	})
}

// removePolicy deletes a policy that would bind the organisations of other tests, whether or not it is in use.
func removePolicy(t *testing.T, p *v1alpha1.PasswordPolicy) {
	t.Helper()

	ctx := context.Background() // the test's own is over
	allowed := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{Name: p.Name}}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationDeletion, v1alpha1.DeletionAllowed)
	must(t, kube.Patch(ctx, allowed, client.RawPatch(types.MergePatchType, patch)))
	must(t, kube.Delete(ctx, allowed))
}

// TestWhichPolicyApplies: an account is judged by the policy that it names, else by that of its namespace, else by the default one. The
// default concerns all accounts, so nothing runs beside it.
func TestWhichPolicyApplies(t *testing.T) {
	o := newOrganisation(t)
	name := func(suffix string) string { return o.name + "-" + suffix }
	p := o.hired(t, "ada", nil)
	p.governedBy(t, 8, 8) // built in

	standard := newPolicy(t, name("default"), atLeast(11))
	t.Cleanup(func() { removePolicy(t, standard) })
	update(t, standard, func() { metav1.SetMetaDataAnnotation(&standard.ObjectMeta, v1alpha1.AnnotationDefaultPolicy, "true") })
	p.governedBy(t, 11, 11)
	o.await(t, "ada", "policy", func(a *v1alpha1.UserAccount) bool { return a.Status.PolicyName == standard.Name })

	newPolicy(t, name("label"), atLeast(12))
	o.label(t, name("label"))
	p.governedBy(t, 12, 12)

	chosen := atLeast(13)
	chosen.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
	newPolicy(t, name("chosen"), chosen)

	refer := func(policy string) {
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.PolicyRef = &v1alpha1.PolicyReference{Name: policy} })
	}

	refer(name("chosen"))
	p.governedBy(t, 12, 13)
	o.awaitCondition(t, "ada", v1alpha1.ConditionPolicyResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonResolved)

	// A broken reference never picks what a tenant could want to pick: the organisation's policy applies.
	for policy, reason := range map[string]string{
		standard.Name:   v1alpha1.ConditionReasonPolicyNotAllowed,
		name("missing"): v1alpha1.ConditionReasonPolicyNotFound,
	} {
		refer(policy)
		message := o.awaitCondition(t, "ada", v1alpha1.ConditionPolicyResolved, metav1.ConditionFalse, reason)
		o.awaitCondition(t, "ada", v1alpha1.ConditionReady, metav1.ConditionFalse, reason)

		if !strings.Contains(message, policy) {
			t.Errorf("the message %q does not name the policy %s", message, policy)
		}

		p.governedBy(t, 12, 12)
	}

	// Allowed by a selector, for as long as the namespace matches it.
	updatePolicy(t, name("chosen"), func(s *v1alpha1.PasswordPolicySpec) {
		s.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From:     v1alpha1.NamespacesFromSelector,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelPasswordPolicy: name("label")}},
		}
	})
	refer(name("chosen"))
	p.governedBy(t, 12, 13)
	o.label(t, "")
	p.governedBy(t, 11, 11)

	// A label with a policy that is not there does not leave the organisation without one.
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.PolicyRef = nil })
	o.awaitCondition(t, "ada", v1alpha1.ConditionPolicyResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonResolved)
	o.label(t, name("missing"))
	o.awaitCondition(t, "ada", v1alpha1.ConditionPolicyResolved, metav1.ConditionFalse, v1alpha1.ConditionReasonPolicyNotFound)
	p.governedBy(t, 11, 11)
}

// TestSeveralDefaultPolicies: of several default policies the newest applies, and the others say so. Nothing runs beside it, as above.
func TestSeveralDefaultPolicies(t *testing.T) {
	name := uniqueName(t)
	for _, suffix := range []string{"a", "b"} {
		p := &v1alpha1.PasswordPolicy{ObjectMeta: metav1.ObjectMeta{
			Name: name + "-" + suffix, Annotations: map[string]string{v1alpha1.AnnotationDefaultPolicy: "true"},
		}}
		must(t, kube.Create(t.Context(), p))
		t.Cleanup(func() { removePolicy(t, p) })
	}

	eventually(t, "one of them loses", func() error {
		reasons := map[string]int{}

		for _, suffix := range []string{"a", "b"} {
			p := &v1alpha1.PasswordPolicy{}
			if err := kube.Get(t.Context(), client.ObjectKey{Name: name + "-" + suffix}, p); err != nil {
				return err
			}

			if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); c != nil {
				reasons[c.Reason+" "+string(c.Status)]++
			}
		}

		if len(reasons) != 2 || reasons[v1alpha1.ConditionReasonSeveralDefaults+" False"] != 1 {
			return fmt.Errorf("conditions are %v", reasons)
		}

		return nil
	})
}

// TestPolicyInUseStays: a policy cannot be deleted while accounts are under it.
func TestPolicyInUseStays(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, atLeast(14))
	p := o.hired(t, "ada", nil)

	eventually(t, "the policy counts its account", func() error {
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
			return err
		}

		if s := policy.Status; s.Accounts == nil || *s.Accounts != 1 || len(s.Requirements) == 0 {
			return fmt.Errorf("status is %+v", s)
		}

		return nil
	})

	err := kube.Delete(t.Context(), policy)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "applies to 1 account.") {
		t.Fatalf("the deletion of a policy in use is answered with %v", err)
	}

	p.governedBy(t, 14, 14)

	o.label(t, "")
	eventually(t, "the policy can be deleted", func() error { return kube.Delete(t.Context(), policy) })
	p.governedBy(t, 8, 8)
}

// TestExistingPasswords: a policy decides whether it also binds passwords that are in use already.
func TestExistingPasswords(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, atLeast(8))
	p := o.settled(t, "ada", nil)

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.Length.Min = new(int32(24)) })
	eventually(t, "the stricter policy is in force", func() error {
		if got := requirements(t, o.name).requirement("minLength").Minimum; got != 24 {
			return fmt.Errorf("at least %d characters", got)
		}

		return nil
	})
	p.login(t, p.password, granted)

	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.ExistingPasswords = v1alpha1.ExistingPasswordsEnforce })
	p.loginEventually(t, p.password, mustChange("PolicyChanged"))
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonPolicyChanged)
	p.change(t, newPassword(), rejected)
	p.change(t, noteSecret(newPassword()+"-longer"), granted)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestPolicyChangeRequiredTime: changeRequiredTime of a policy makes everyone under it change the password, as after a breach.
func TestPolicyChangeRequiredTime(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "ada", nil)
	updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.ChangeRequiredTime = soon(0) })
	o.awaitStanding(t, "ada", v1alpha1.StandingChangeRequired, v1alpha1.ReasonPolicyChanged)
	p.loginEventually(t, p.password, mustChange("PolicyChanged"))
	p.change(t, newPassword(), granted)
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestHandedOutPasswordsMayStay: a policy can let people keep the password that was handed out.
func TestHandedOutPasswordsMayStay(t *testing.T) {
	t.Parallel()

	o, _ := governed(t, v1alpha1.PasswordPolicySpec{MustChange: v1alpha1.MustChangeRule{
		OnInitialLogin: v1alpha1.ChangeNotRequired, OnReset: v1alpha1.ChangeNotRequired,
	}})
	p := o.hired(t, "ada", nil)
	p.login(t, p.password, granted)

	p.password = newPassword()
	o.handOut(t, "ada", p.password)
	o.awaitRevision(t, "ada")
	p.login(t, p.password, granted)
	o.awaitStanding(t, "ada", v1alpha1.StandingActive, "")
}

// TestHashesFollowThePolicy: when a policy asks for other hash parameters, the next login hashes the password anew, and nobody notices.
func TestHashesFollowThePolicy(t *testing.T) {
	t.Parallel()

	o, policy := governed(t, v1alpha1.PasswordPolicySpec{})
	p := o.settled(t, "ada", nil)
	token := p.login(t, p.password, granted).Token

	for _, hashing := range []struct {
		rule   v1alpha1.HashingRule
		prefix string
	}{
		{v1alpha1.HashingRule{Algorithm: v1alpha1.HashBcrypt, Bcrypt: &v1alpha1.BcryptParameters{Cost: new(int32(10))}}, "$2"},
		{v1alpha1.HashingRule{Algorithm: v1alpha1.HashPBKDF2SHA512}, "$pbkdf2-sha512$"},
		{v1alpha1.HashingRule{Algorithm: v1alpha1.HashArgon2id}, "$argon2id$"},
	} {
		updatePolicy(t, policy.Name, func(s *v1alpha1.PasswordPolicySpec) { s.Hashing = hashing.rule })
		eventually(t, "the hash begins with "+hashing.prefix, func() error {
			p.login(t, p.password, granted)

			if !strings.HasPrefix(string(o.credential(t, "ada").Data[keyHash]), hashing.prefix) {
				return errTooEarly
			}

			return nil
		})
		p.login(t, p.password, granted)
		p.login(t, newPassword(), wrong)
	}

	if a, err := trySession(t.Context(), token); err != nil || a.code != 200 {
		t.Errorf("the session answers %d %v, want it to go on", a.code, err)
	}
}
