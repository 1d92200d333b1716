package administration

import (
	"context"
	"errors"
	"slices"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
)

// Details are what an administrator sees of one account, read live.
type Details struct {
	Account *v1alpha1.UserAccount
	// IsOwn: it is the actor's own account.
	IsOwn bool
	// HasCredential: it has a credential. If not, it cannot be administered by hand, and Standing is that of the account's status.
	HasCredential bool
	// Credential has no secrets: neither hash nor history.
	Credential account.Credential
	Standing   account.Standing
	Policy     policy.Policy
	// ChangeForbidden: the person may not change the password.
	ChangeForbidden bool
	// Requirements of a new password that an administrator gives it, and the account's own words, which it must not be.
	Requirements []policy.Requirement
	Words        []string
	// Actions are what the actor may do to it as it is.
	Actions []Action
}

// Action is something that an administrator does.
type Action string

// The actions.
const (
	ActionResetPassword  Action = "reset-password"
	ActionUnlock         Action = "unlock"
	ActionSignOut        Action = "sign-out"
	ActionRequireChange  Action = "require-change"
	ActionWithdrawChange Action = "withdraw-change"
)

// Actions are all actions.
var Actions = []Action{ActionResetPassword, ActionUnlock, ActionSignOut, ActionRequireChange, ActionWithdrawChange}

// May tells whether an action is among those that the actor may do.
func (d *Details) May(action Action) bool { return slices.Contains(d.Actions, action) }

// Details reads an account live. Errors: ErrNotFound, ErrSessionOver, ErrOverloaded, ErrUnavailable.
func (s *Service) Details(ctx context.Context, session sessions.Session, t Target) (*Details, error) {
	leave, err := s.admission.enter(ctx, session.Claims.AccountID, false)
	if err != nil {
		return nil, err
	}
	defer leave()
	found, err := s.find(ctx, session, t)
	if err != nil {
		return nil, err
	}
	rules, err := s.rules(ctx, found.account)
	if err != nil {
		return nil, s.unavailable(ctx, err)
	}
	d := &Details{
		Account: found.account, IsOwn: found.isOwn, Policy: rules.Policy, ChangeForbidden: rules.ChangeForbidden(),
		Requirements: rules.Policy.ContentRequirements(), Words: catalog.SubjectOf(found.account).Words(),
	}
	d.Standing.Standing, d.Standing.Reason = found.account.Status.Standing, found.account.Status.StandingReason
	record, err := s.Store.Of(ctx, found.account)
	switch {
	case err == nil:
		d.HasCredential, d.Credential, d.Standing = true, withoutSecrets(rules.ApplyRequests(record.Credential)), rules.Standing(record.Credential)
	case !errors.Is(err, credential.ErrNotFound) && !errors.Is(err, credential.ErrInvalid):
		return nil, s.unavailable(ctx, err)
	}
	if d.HasCredential {
		if d.Actions, err = s.actions(ctx, found, d, rules); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// withoutSecrets returns a credential without what can be guessed at.
func withoutSecrets(c account.Credential) account.Credential {
	c.Password.Hash, c.Reset.AppliedHash, c.History = "", "", account.History{}
	return c
}

// actions returns what the actor may do to an account as it is.
func (s *Service) actions(ctx context.Context, t *target, d *Details, rules account.Rules) ([]Action, error) {
	verbs, err := s.permittedVerbs(ctx, t.actor, Target{Namespace: t.account.Namespace, Name: t.account.Name})
	if err != nil {
		return nil, err
	}
	var actions []Action
	for _, verb := range verbs {
		if t.isOwn && verb != permission.SignOut {
			continue
		}
		switch verb {
		case permission.ResetPassword:
			refused, err := s.isSystemUserRefused(ctx, t)
			if err != nil {
				return nil, err
			}
			if !refused && !rules.IsExternal() {
				actions = append(actions, ActionResetPassword)
			}
		case permission.Unlock:
			actions = append(actions, ActionUnlock)
		case permission.SignOut:
			actions = append(actions, ActionSignOut)
		case permission.RequireChange:
			actions = appendChange(actions, d, rules)
		}
	}
	return actions, nil
}

// isSystemUserRefused tells whether the target is a system user that the actor may not reset.
func (s *Service) isSystemUserRefused(ctx context.Context, t *target) (bool, error) {
	err := s.refusalOfSystemUser(ctx, t)
	if _, refused := errors.AsType[*NotPermittedError](err); refused {
		return true, nil
	}
	return false, err
}

// appendChange adds that a change can be required or, if one is required already, that this can be withdrawn.
func appendChange(actions []Action, d *Details, rules account.Rules) []Action {
	switch {
	case d.Standing.Standing == v1alpha1.StandingNoPassword, rules.ChangeForbidden():
		return actions
	case d.recordedChange() == v1alpha1.MustChangeRequested:
		return append(actions, ActionWithdrawChange)
	case d.recordedChange() == "":
		return append(actions, ActionRequireChange)
	default:
		return actions
	}
}

// recordedChange is why the password must be changed as far as it is recorded, rather than decided by time or by the policy.
func (d *Details) recordedChange() v1alpha1.MustChangeReason { return d.Credential.Password.MustChange }
