package identityprovider

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// stalledReasons are the reasons for which somebody has to act. With the others, waiting may help.
var stalledReasons = map[string]bool{
	v1alpha1.ConditionReasonSpecUnreadable:        true,
	v1alpha1.ConditionReasonTooManyProviders:      true,
	v1alpha1.ConditionReasonSecretNotUsable:       true,
	v1alpha1.ConditionReasonKeyNotFound:           true,
	v1alpha1.ConditionReasonServerNotAllowed:      true,
	v1alpha1.ConditionReasonCertificateNotTrusted: true,
	v1alpha1.ConditionReasonIssuerMismatch:        true,
	v1alpha1.ConditionReasonClientRefused:         true,
	v1alpha1.ConditionReasonBindRefused:           true,
	v1alpha1.ConditionReasonBaseNotFound:          true,
	v1alpha1.ConditionReasonSearchFailed:          true,
	v1alpha1.ConditionReasonKeytabNotUsable:       true,
}

// project returns the status that a scope amounts to. Of the stored status it keeps the times at which conditions changed.
func project(s *scope) v1alpha1.IdentityProviderStatus {
	status := v1alpha1.IdentityProviderStatus{
		ObservedGeneration: s.object.Generation,
		Accounts:           new(int32(s.accounts)),
		Conditions:         s.object.DeepCopy().Status.Conditions,
	}
	all := []metav1.Condition{credentialsFound(s), connected(s)}
	if s.object.Spec.LDAP.Kerberos != nil {
		all = append(all, keytabUsable(s))
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionKeytabUsable)
	}
	summary := ready(s, all...)
	all = append(all, summary)
	if provider.IsDirectory(s.object) {
		all = append(all, lockoutMargin(s), sweepCurrent(s))
	}
	if summary.Status == metav1.ConditionFalse && stalledReasons[summary.Reason] {
		stalled := summary
		stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		all = append(all, stalled)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
	}
	for _, c := range all {
		c.ObservedGeneration, c.LastTransitionTime = s.object.Generation, metav1.NewTime(s.now.Truncate(time.Second))
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

// credentialsFound returns the condition CredentialsFound, without times.
func credentialsFound(s *scope) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionCredentialsFound}
	switch {
	case s.settingsError != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.settingsError.Reason, s.settingsError.Message
	case s.tested == nil:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ConditionReasonPending, "Nothing is looked up before the provider counts: see Ready."
	case s.keytabError != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.keytabError.Reason, s.keytabError.Message
	case provider.IsDirectory(s.object):
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonFound, "What the provider names is there, and the password of ldap.bindSecretRef may be sent to ldap.servers."
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonFound, "The Secret may be sent to the host of oidc.issuer."
	}
	return c
}

// connected returns the condition Connected, without times. Its message has no time either: a test that repeats what is known writes nothing.
func connected(s *scope) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionConnected}
	switch {
	case s.tested == nil:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ConditionReasonPending, "Nothing is tested before the credentials are there."
	case s.tested.failure != nil:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, s.tested.failure.Reason, s.tested.failure.Message
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonConnected, "The provider answers as declared."
	}
	return c
}

// ready returns the condition Ready, without times. It has the reason of the first condition that is False.
func ready(s *scope, conditions ...metav1.Condition) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case len(s.object.Spec.Unreadable) > 0:
		c.Reason = v1alpha1.ConditionReasonSpecUnreadable
		c.Message = fmt.Sprintf("Nobody logs in through the provider, since these fields were stored in a form that cannot be read: %s. "+
			"Set them anew as kubectl explain identityprovider says.", strings.Join(s.object.Spec.Unreadable, ", "))
		return c
	case s.surplus:
		c.Reason = v1alpha1.ConditionReasonTooManyProviders
		c.Message = fmt.Sprintf("Nobody logs in through the provider, since there are %d older ones, and no more count. Delete one of them.", provider.MaxProviders)
		return c
	}
	for _, part := range conditions {
		if part.Status == metav1.ConditionFalse {
			c.Reason, c.Message = part.Reason, part.Message
			return c
		}
	}
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded, "People can log in through the provider."
	if s.object.Spec.Access == v1alpha1.AccessDisabled {
		c.Message = "The provider is turned off, and would answer: nobody logs in through it until its access is Enabled."
	}
	return c
}
