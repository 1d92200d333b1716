package useraccount

import (
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestResultAfterResetByHand: a reset by hand changes nothing about what PasswordApplied says, unless the last look at the Secret was a
// rejection. Then the condition goes on to say so, whatever policy there is by then, and what to do.
func TestResultAfterResetByHand(t *testing.T) {
	a := &v1alpha1.UserAccount{}
	rules := account.NewRules(&a.Spec, policy.Default(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	source := account.Source{SecretName: "ada", Key: "password", UID: "s", ResourceVersion: "2"}
	unmet := []policy.RequirementID{policy.RequirementMinLength}
	before := account.Credential{Password: account.Password{Hash: "old"}, Reset: account.Reset{AppliedHash: "old"}}
	for name, row := range map[string]struct {
		c       account.Credential
		problem policy.Problem
		reason  string
		says    string // empty: what it said before
	}{
		"applied":                           {rules.NoteRevision(before, source), "", v1alpha1.ConditionReasonApplied, ""},
		"unusable":                          {rules.RejectUnusable(before, source, account.UnusableEmpty), "", v1alpha1.ConditionReasonValueInvalid, ""},
		"rejected":                          {rules.RejectReset(before, source, "p1", unmet), "", v1alpha1.ConditionReasonPolicyViolation, `in Secret "ada" was rejected`},
		"rejected, and the policy is gone":  {rules.RejectReset(before, source, "p1", unmet), policy.ProblemNotFound, v1alpha1.ConditionReasonPolicyViolation, `in Secret "ada" was rejected`},
		"held back while the policy is":     {rules.RejectReset(before, source, "", unmet), policy.ProblemNotFound, v1alpha1.ConditionReasonPolicyViolation, `in Secret "ada" was rejected`},
		"not to be judged":                  {rules.DeferReset(before, source), "", v1alpha1.ConditionReasonPolicyViolation, `in Secret "ada" could not be judged`},
		"rejected, and reset by hand twice": {twice(t, rules, rules.RejectReset(before, source, "p1", unmet)), "", v1alpha1.ConditionReasonPolicyViolation, `in Secret "ada" was rejected`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{account: a, rules: rules, credentialName: "ada"}
			s.policy.Policy, s.policy.Problem = policy.Default(), row.problem
			was := lastResult(s, row.c)
			after, err := rules.ResetByHand(row.c, "keyturn:acme:grace", "by hand", account.Digests{})
			if err != nil {
				t.Fatal(err)
			}
			got := lastResult(s, after)
			if got.reason != row.reason || got.applied != was.applied {
				t.Errorf("the reason is %s, want %s", got.reason, row.reason)
			}
			if row.says == "" {
				if *got != *was {
					t.Errorf("it says %q, and said %q", got.message, was.message)
				}
				return
			}
			for _, part := range []string{row.says, "An administrator has reset the password since", "spec.password.resetTime"} {
				if !strings.Contains(got.message, part) {
					t.Errorf("it says %q, without %q", got.message, part)
				}
			}
			if strings.Contains(got.message, "grace") || strings.Contains(got.message, "8 characters") {
				t.Errorf("it says %q: nobody's name, and no requirement of a policy that may be another", got.message)
			}
			if rules.ResetDue(after, source, "another") {
				t.Error("the revision is looked at again")
			}
		})
	}
}

// twice resets by hand once before.
func twice(t *testing.T, rules account.Rules, c account.Credential) account.Credential {
	t.Helper()
	c, err := rules.ResetByHand(c, "keyturn:acme:grace", "by hand before", account.Digests{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
