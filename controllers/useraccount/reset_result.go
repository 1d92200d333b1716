package useraccount

import (
	"errors"
	"fmt"
	"slices"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/policy"
)

// resetResult is what became of the declared password. The condition PasswordApplied shows it.
type resetResult struct {
	applied bool
	reason  string
	message string
}

func notApplied(reason, format string, args ...any) *resetResult {
	return &resetResult{reason: reason, message: fmt.Sprintf(format, args...)}
}

// lastResult is what became of the revision of the Secret that was looked at last.
func lastResult(s *scope, c account.Credential) *resetResult {
	switch {
	case c.Reset.Unusable != "":
		return unusableValue(c.Reset)
	case len(c.Reset.Rejected) > 0 && c.Reset.Superseded:
		return superseded(c.Reset)
	case len(c.Reset.Rejected) > 0 && s.policy.Problem == policy.ProblemNotFound:
		return notApplied(v1alpha1.ConditionReasonPolicyViolation,
			"The password in Secret %q was rejected, and is not judged again while the PasswordPolicy is missing. The password in force stays.",
			c.Reset.Source.SecretName)
	case len(c.Reset.Rejected) > 0:
		return notApplied(v1alpha1.ConditionReasonPolicyViolation,
			"The password in Secret %q does not meet PasswordPolicy %s: %s. The password in force stays.",
			c.Reset.Source.SecretName, policyName(s.policy.Policy), requirementTexts(s.policy.Policy, c.Reset.Rejected))
	case c.Password.IsZero():
		return notApplied(v1alpha1.ConditionReasonCredentialInvalid,
			"The password of the Secret was applied, but Secret %q of credentials has none any more, as after a time in which the account was External. "+
				"Hand out another value, or set spec.password.resetTime to apply the same one again.",
			s.credentialName)
	default:
		return &resetResult{applied: true, reason: v1alpha1.ConditionReasonApplied, message: "The password of the Secret has been applied."}
	}
}

// superseded is the result of a revision that was rejected, or could not be judged, before an administrator reset the password by hand.
// The requirements that it did not meet are not named: the policy may be another by now.
func superseded(reset account.Reset) *resetResult {
	what := "was rejected"
	if reset.Deferred() {
		what = "could not be judged"
	}
	return notApplied(v1alpha1.ConditionReasonPolicyViolation,
		"The password in Secret %q %s. An administrator has reset the password since, so it is not judged again; that password stays. Write the Secret anew, or set spec.password.resetTime, to have it judged.",
		reset.Source.SecretName, what)
}

// unusableValue is the result of a revision that has nothing which could be a password.
func unusableValue(reset account.Reset) *resetResult {
	name, key, reason := reset.Source.SecretName, reset.Source.Key, reset.Unusable.ConditionReason()
	switch reset.Unusable {
	case account.UnusableKeyNotFound:
		return notApplied(reason, "Secret %q has no key %q.", name, key)
	case account.UnusableTooLong:
		return notApplied(reason, "The value of key %q in Secret %q has more than %d bytes.", key, name, policy.MaxBytes)
	case account.UnusableEmpty:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrEmpty)
	case account.UnusableNotUTF8:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrNotUTF8)
	default:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrDisallowed)
	}
}

// secretMissing is the result where the Secret does not exist. If its password was applied before it was deleted, all is well.
func secretMissing(s *scope, c account.Credential) *resetResult {
	ref := s.rules.PasswordSecret()
	if !s.rules.AppliedAndGone(c, ref.Name, ref.Key) {
		return notApplied(v1alpha1.ConditionReasonSecretNotFound,
			"Secret %q does not exist in this namespace. The password is applied when it does.", ref.Name)
	}
	result := lastResult(s, c)
	if result.applied {
		result.message = fmt.Sprintf("The password of Secret %q has been applied. The Secret is gone since, and is not needed until a password is to be handed out again.", ref.Name)
	}
	return result
}

// secretNotUsable is the result where the Secret is of another type.
func secretNotUsable(name string) *resetResult {
	return notApplied(v1alpha1.ConditionReasonSecretNotUsable,
		"Secret %q is not of type %s, so it is not read. Delete it and create it with that type.", name, v1alpha1.SecretTypePassword)
}

// cannotBeJudged is the result while the policy or its lists cannot be read.
func cannotBeJudged(s *scope, by criteria) *resetResult {
	if errors.Is(by.listsErr, catalog.ErrPolicyUnreadable) {
		return notApplied(v1alpha1.ConditionReasonSpecUnreadable,
			"PasswordPolicy %q cannot judge a password: %v. Have them set anew.", s.policy.Policy.Name, by.listsErr)
	}
	return notApplied(v1alpha1.ConditionReasonDenyListNotFound,
		"PasswordPolicy %q cannot judge a password: %v. Create it, or take it out of the policy.", s.policy.Policy.Name, by.listsErr)
}

// appliedHashUnusable is the result where the new password cannot be compared with the one that was last applied.
func appliedHashUnusable(s *scope, err error) *resetResult {
	return notApplied(v1alpha1.ConditionReasonCredentialInvalid,
		"The hash of the last reset, in Secret %q of credentials, cannot be verified (%v), so a new password cannot be told from the old one. Set spec.password.resetTime to apply the Secret's.", s.credentialName, err)
}

// requirementTexts names requirements of a policy as people read them, without those on former passwords.
func requirementTexts(p policy.Policy, ids []policy.RequirementID) string {
	named := slices.DeleteFunc(p.Requirements(), func(r policy.Requirement) bool {
		return !slices.Contains(ids, r.ID) || account.IsOnFormerPasswords(r.ID)
	})
	return policy.Messages(named)
}

func policyName(p policy.Policy) string {
	if p.Name == "" {
		return "(built-in default)"
	}
	return fmt.Sprintf("%q", p.Name)
}
