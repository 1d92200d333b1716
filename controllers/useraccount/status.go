package useraccount

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/internal/mergepatch"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
)

// writeStatus writes the status, in one write and only if it differs from the stored one, and sends the events of what has changed.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope) error {
	stored, status := &s.account.Status, project(s)
	if equality.Semantic.DeepEqual(*stored, status) {
		return nil
	}
	// A copy, since the API server's answer is read into it: the spec may be a later one than was applied here.
	updated := s.account.DeepCopy()
	updated.Status = status
	err := r.client.Status().Patch(ctx, updated, mergepatch.From(s.account, stored.Unreadable...))
	if err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("write status: %w", err)
	}
	r.written.Wrote(client.ObjectKeyFromObject(updated).String(), updated.ResourceVersion)
	r.resets.condition(stored.Conditions, status.Conditions)
	r.conditionEvents(s.account, stored.Conditions, status.Conditions)
	r.lockEvent(s.account, s.rules.LockWithoutWrite(stored, s.credential()), string(status.StandingReason))
	return nil
}

// project returns the status that a scope amounts to. Of the stored status it keeps the times at which conditions changed.
func project(s *scope) v1alpha1.UserAccountStatus {
	status := v1alpha1.UserAccountStatus{
		ObservedGeneration: s.account.Generation,
		PolicyName:         s.policy.Policy.Name,
		Username:           s.account.Username(),
		Conditions:         s.account.DeepCopy().Status.Conditions,
	}
	c := s.credential()
	standing := s.rules.Standing(c)
	status.Standing, status.StandingReason = standing.Standing, standing.Reason
	if reason := s.withoutCredential(); reason != "" && account.UnavailableReason(s.rules.Spec, s.rules.Now) == "" {
		status.Standing, status.StandingReason = v1alpha1.StandingNoPassword, reason
	}
	if s.record != nil {
		status.Password = projectPassword(c, standing)
		status.Login = projectLogin(c, standing)
	}
	setConditions(s, &status)
	return status
}

// withoutCredential is why the account has no credential that can be used; empty where it has one.
func (s *scope) withoutCredential() v1alpha1.StandingReason {
	switch {
	case s.credentialName == "", s.identity == account.IdentityConflict:
		return v1alpha1.ReasonUsernameNotAccepted
	case s.credentialProblem() != nil:
		return v1alpha1.ReasonCredentialInvalid
	case s.record == nil:
		return v1alpha1.ReasonCredentialNotFound
	default:
		return ""
	}
}

// credentialProblem is why the credential cannot be read, or its password hash not be verified; nil where all is well.
func (s *scope) credentialProblem() error {
	if s.invalid != nil || s.record == nil || s.record.Password.IsZero() {
		return s.invalid
	}
	if _, err := hash.Parse(s.record.Password.Hash.PHC()); err != nil {
		return fmt.Errorf("its password hash cannot be verified (%w)", err)
	}
	return nil
}

// remedy says how an administrator hands out a new password in place of a credential that is of no use any more.
func (s *scope) remedy() string {
	if s.record == nil {
		return "delete it and set spec.password.resetTime to hand out a password anew"
	}
	return "set spec.password.resetTime to hand out a password anew"
}

func projectPassword(c account.Credential, standing account.Standing) *v1alpha1.PasswordStatus {
	if c.Password.IsZero() {
		return nil
	}
	status := &v1alpha1.PasswordStatus{
		SetTime:          toSecond(c.Password.SetTime),
		SetBy:            c.Password.SetBy,
		MustChange:       v1alpha1.ChangeNotRequired,
		MustChangeReason: standing.MustChange,
		ExpirationTime:   toSecond(standing.PasswordExpires),
	}
	if standing.MustChange != "" {
		status.MustChange = v1alpha1.ChangeRequired
	}
	return status
}

func projectLogin(c account.Credential, standing account.Standing) *v1alpha1.LoginStatus {
	login := v1alpha1.LoginStatus{
		LastSuccessTime: toSecond(c.LastSuccessTime),
		Failures:        int32(min(c.Failures.Consecutive, 1<<30)),
		LockedUntilTime: toSecond(standing.Lock.Until),
	}
	if login == (v1alpha1.LoginStatus{}) {
		return nil
	}
	return &login
}

// toSecond returns an instant with the precision of the API, so that an unchanged status is equal to the stored one.
func toSecond(t time.Time) *v1alpha1.Instant {
	if t.IsZero() {
		return nil
	}
	return new(v1alpha1.NewInstant(t.UTC().Truncate(time.Second)))
}
