package useraccount

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/provider"
)

// condition is what one condition has to say; without a reason, the account does not have that condition. One whose status is unknown is nothing that
// somebody has to do anything about.
type condition struct {
	kind, reason, message string
	status, unknown       bool
}

// setConditions sets all conditions of a status.
func setConditions(s *scope, status *v1alpha1.UserAccountStatus) {
	all := []condition{specReadable(s), usernameAccepted(s), credentialFound(s), policyResolved(s), providerResolved(s), subjectBound(s), passwordApplied(s)}
	all = append(append(all, ready(all)...), requestPending(s))
	for _, c := range all {
		if c.reason == "" {
			meta.RemoveStatusCondition(&status.Conditions, c.kind)
			continue
		}
		value := metav1.ConditionFalse
		switch {
		case c.status:
			value = metav1.ConditionTrue
		case c.unknown:
			value = metav1.ConditionUnknown
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: c.kind, Status: value, Reason: c.reason, Message: c.message,
			ObservedGeneration: s.account.Generation,
			LastTransitionTime: metav1.NewTime(s.rules.Now.Truncate(time.Second)),
		})
	}
}

// specReadable names the fields that were stored before the schema refused them, or by another version.
func specReadable(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionSpecReadable}
	if fields := s.account.Spec.UnreadableFields(); len(fields) > 0 {
		c.reason = v1alpha1.ConditionReasonSpecUnreadable
		c.message = fmt.Sprintf("These fields were stored in a form that cannot be read, and count as not given: %s. "+
			"Set them anew as kubectl explain useraccount says (a time is one such as 2026-11-29T13:00:00Z), or take them out.", strings.Join(fields, ", "))
	}
	return c
}

// usernameAccepted says whether the account has its username.
func usernameAccepted(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionUsernameAccepted}
	switch {
	case s.credentialName == "":
		c.reason = v1alpha1.ConditionReasonUsernameInvalid
		c.message = "metadata.name cannot be a username: it has more than 128 characters. Create the account with spec.username."
		if s.account.Spec.UsernameUnreadable() {
			c.message = "spec.username was stored in a form that cannot be read. Create the account anew."
		}
	case s.identity == account.IdentityConflict:
		c.reason = v1alpha1.ConditionReasonUsernameConflict
		c.message = fmt.Sprintf("The username is that of UserAccount %q, which had it first. Create this account under another.", s.conflict.Name)
	default:
		c.status, c.reason = true, v1alpha1.ConditionReasonAccepted
		c.message = "The username is this account's."
	}
	return c
}

// credentialFound says whether the account has a credential that can be used.
func credentialFound(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionCredentialFound}
	switch problem := s.credentialProblem(); {
	case s.credentialName == "", s.identity == account.IdentityConflict:
		c.reason = v1alpha1.ConditionReasonPending
		c.message = "Waits for a username that is accepted."
	case problem != nil:
		c.reason = v1alpha1.ConditionReasonCredentialInvalid
		c.message = fmt.Sprintf("Secret %q of credentials: %v. Restore it from a backup; or %s.", s.credentialName, problem, s.remedy())
	case s.record == nil:
		c.reason = v1alpha1.ConditionReasonCredentialNotFound
		c.message = fmt.Sprintf("The account had a credential, Secret %q, that is not there. Restore it from a backup; or set spec.password.resetTime to hand out a password anew.", s.credentialName)
	default:
		c.status, c.reason = true, v1alpha1.ConditionReasonFound
		c.message = "The credential of the account is stored."
	}
	return c
}

// policyResolved says which policy applies, or why another than the account asks for.
func policyResolved(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionPolicyResolved}
	switch {
	case s.policy.Problem != "":
		c.reason, c.message = string(s.policy.Problem), s.policy.Message
	case s.rules.ExpiryExemptionRefused():
		c.reason = v1alpha1.ConditionReasonExpiryExemptionRefused
		c.message = fmt.Sprintf("PasswordPolicy %s refuses spec.password.expiry Never: the password expires. Allow it there by expiryExemption, or leave it out here.", policyName(s.policy.Policy))
	default:
		c.status, c.reason = true, v1alpha1.ConditionReasonResolved
		c.message = fmt.Sprintf("PasswordPolicy %s applies.", policyName(s.policy.Policy))
	}
	return c
}

// providerResolved says whether the provider that is declared verifies the account. One that is turned off is there, and is as its platform
// team wants it: nothing that is declared waits for it.
func providerResolved(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionProviderResolved}
	if !s.namesProvider() {
		return c
	}
	switch s.provider.Problem {
	case v1alpha1.ReasonProviderNotFound, v1alpha1.ReasonProviderNotAllowed:
		c.reason, c.message = string(s.provider.Problem), s.provider.Message
	case v1alpha1.ReasonProviderDisabled:
		c.status, c.reason, c.message = true, string(s.provider.Problem), s.provider.Message
	default:
		c.status, c.reason = true, v1alpha1.ConditionReasonResolved
		c.message = fmt.Sprintf("IdentityProvider %q verifies the account.", s.account.Spec.Authentication.ProviderRef.Name)
	}
	return c
}

// subjectBound says whether the person at the provider is this account's. In a directory that is not known until somebody has given a right password or ticket.
func subjectBound(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionSubjectBound}
	binding, external := s.provider.Binding, s.credential().External
	switch {
	case !s.namesProvider():
	case binding.Problem != "":
		c.reason, c.message = string(binding.Problem), binding.Message
	case external.State == v1alpha1.ReasonSubjectMismatch:
		c.reason = v1alpha1.ConditionReasonSubjectMismatch
		c.message = fmt.Sprintf("The name %q belongs to another entry of the directory than the one that the account is bound to. If the person has another name there by now, "+
			"declare that as spec.authentication.externalName. If the other entry is of the same human being, declare its ID as spec.authentication.subject. Otherwise delete the account.", external.Name)
	case s.account.Spec.Authentication.Subject == "" && external.IsZero():
		if s.provider.Provider == nil {
			break // Whether it has to be declared is not known.
		}
		c.unknown, c.reason = true, v1alpha1.ConditionReasonSubjectNotBound
		c.message = fmt.Sprintf("Nobody has given a right password or ticket yet. The first one binds the account to the entry of the directory that has the name %q then.", provider.ExternalName(s.account))
	default:
		c.status, c.reason = true, v1alpha1.ConditionReasonBound
		c.message = "The subject at the provider is this account's."
	}
	return c
}

// namesProvider tells whether the account is External and names a provider.
func (s *scope) namesProvider() bool {
	return s.rules.IsExternal() && s.account.Spec.Authentication.ProviderRef != nil
}

// passwordApplied says what became of the password that a Secret hands out.
func passwordApplied(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionPasswordApplied}
	switch {
	case s.rules.PasswordSecret() == nil:
	case s.reset == nil:
		c.reason, c.message = v1alpha1.ConditionReasonPending, "Waits for the account's credential."
	default:
		c.status, c.reason, c.message = s.reset.applied, s.reset.reason, s.reset.message
	}
	return c
}

// requestPending names the requests that lie in the future. An account without its username never comes to them.
func requestPending(s *scope) condition {
	c := condition{kind: v1alpha1.ConditionRequestPending}
	pending := s.rules.PendingRequests(s.credential())
	if len(pending) == 0 || s.credentialName == "" || s.identity == account.IdentityConflict {
		return c
	}
	var message strings.Builder
	for _, request := range pending {
		fmt.Fprintf(&message, "%s lies in the future and takes effect at %s. ", request.Field, request.Time.Format(time.RFC3339))
	}
	message.WriteString("If that was not intended, check the clock that wrote it and set it again.")
	c.status, c.reason, c.message = true, v1alpha1.ConditionReasonInFuture, message.String()
	return c
}

// stalledReasons are the reasons for which somebody has to edit what is declared. With the others, waiting may help.
var stalledReasons = map[string]bool{
	v1alpha1.ConditionReasonSpecUnreadable:         true,
	v1alpha1.ConditionReasonUsernameInvalid:        true,
	v1alpha1.ConditionReasonUsernameConflict:       true,
	v1alpha1.ConditionReasonCredentialInvalid:      true,
	v1alpha1.ConditionReasonPolicyNotAllowed:       true,
	v1alpha1.ConditionReasonExpiryExemptionRefused: true,
	v1alpha1.ConditionReasonProviderNotAllowed:     true,
	v1alpha1.ConditionReasonSubjectNotDeclared:     true,
	v1alpha1.ConditionReasonSubjectInvalid:         true,
	v1alpha1.ConditionReasonSubjectConflict:        true,
	v1alpha1.ConditionReasonSubjectMismatch:        true,
	v1alpha1.ConditionReasonSecretNotUsable:        true,
	v1alpha1.ConditionReasonKeyNotFound:            true,
	v1alpha1.ConditionReasonValueInvalid:           true,
	v1alpha1.ConditionReasonPolicyViolation:        true,
}

// ready returns the conditions Ready and Stalled, which sum up the others. Ready has the reason of the first that is not True,
// and Stalled that of the first for which somebody has to act.
func ready(all []condition) []condition {
	summary := condition{
		kind: v1alpha1.ConditionReady, status: true,
		reason: v1alpha1.ConditionReasonSucceeded, message: "Everything that is declared has been applied.",
	}
	stall := condition{kind: v1alpha1.ConditionStalled}
	for _, c := range all {
		if c.reason == "" || c.status || c.unknown {
			continue
		}
		if summary.status {
			summary.status, summary.reason, summary.message = false, c.reason, c.message
		}
		if stalledReasons[c.reason] && !stall.status {
			stall.status, stall.reason, stall.message = true, c.reason, c.message
		}
	}
	return []condition{summary, stall}
}
