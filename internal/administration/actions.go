package administration

import (
	"context"
	"errors"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/passwords"
	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
)

const (
	// actionTimeout bounds an action, the hash of a new password included.
	actionTimeout = 15 * time.Second
	// maxConflicts is how often an action is decided again because another writer has changed the credential in between.
	maxConflicts = 8
)

// operation is what an action does to a credential.
type operation func(context.Context, account.Rules, *credential.Record) (account.Credential, error)

// Unlock forgets the failed logins of an account, and ends a lock. Errors: all of this package but PasswordRejectedError.
func (s *Service) Unlock(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.Unlock, func(r account.Rules, c account.Credential, by string) (account.Credential, error) {
		return r.UnlockByHand(c, by)
	})
}

// SignOut ends all sessions of an account. Errors: as of Unlock.
func (s *Service) SignOut(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.SignOut, func(r account.Rules, c account.Credential, by string) (account.Credential, error) {
		return r.SignOutByHand(c, by)
	})
}

// RequireChange has the person choose another password at the next login. Errors: as of Unlock.
func (s *Service) RequireChange(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.RequireChange, func(r account.Rules, c account.Credential, by string) (account.Credential, error) {
		return r.RequireChangeByHand(c, by)
	})
}

// WithdrawRequiredChange takes back that an administrator requires a change. Errors: as of Unlock.
func (s *Service) WithdrawRequiredChange(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.RequireChange, func(r account.Rules, c account.Credential, _ string) (account.Credential, error) {
		return r.WithdrawRequiredChange(c)
	})
}

// act does what needs no password.
func (s *Service) act(
	ctx context.Context, session sessions.Session, t Target, verb permission.Verb,
	operate func(r account.Rules, c account.Credential, by string) (account.Credential, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	found, err := s.permitted(ctx, session, t, verb)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, found, func(_ context.Context, r account.Rules, record *credential.Record) (account.Credential, error) {
		return operate(r, record.Credential, found.actor.Identity.Username)
	})
	return err
}

// permitted reads the target, and asks whether the actor may do it. Errors: ErrProofTooOld, ErrSessionOver, ErrNotFound,
// NotPermittedError, ErrUnavailable.
func (s *Service) permitted(ctx context.Context, session sessions.Session, t Target, verb permission.Verb) (*target, error) {
	if s.RemainingProof(session) <= 0 {
		return nil, ErrProofTooOld
	}
	found, err := s.find(ctx, session, t)
	if err != nil {
		return nil, err
	}
	if err := s.refusal(ctx, found, verb); err != nil {
		return nil, err
	}
	return found, nil
}

// change does something to the credential of the target, in one write. After a conflict it decides again from the start.
func (s *Service) change(ctx context.Context, t *target, operate operation) (*credential.Record, error) {
	for range maxConflicts {
		record, err := s.Store.Of(ctx, t.account)
		switch {
		case errors.Is(err, credential.ErrNotFound), errors.Is(err, credential.ErrInvalid):
			return nil, &NotPossibleError{Reason: ReasonNoCredential}
		case err != nil:
			return nil, s.unavailable(ctx, err)
		}
		rules, err := s.rules(ctx, t.account)
		if err != nil {
			return nil, s.unavailable(ctx, err)
		}
		c, err := operate(ctx, rules, record)
		if err != nil {
			return nil, s.operationError(ctx, err)
		}
		written, err := s.Store.Update(ctx, record, c)
		switch {
		case err == nil:
			return written, nil
		case !errors.Is(err, credential.ErrConflict):
			return nil, s.unavailable(ctx, err)
		}
	}
	return nil, ErrOverloaded
}

// rules returns the rules for an account.
func (s *Service) rules(ctx context.Context, a *v1alpha1.UserAccount) (account.Rules, error) {
	resolved, err := s.Catalog.PolicyFor(ctx, a)
	if err != nil {
		return account.Rules{}, err
	}
	return account.NewRules(&a.Spec, resolved.Policy, s.Clock.Now()), nil
}

// notPossible has the reason for each refusal of the rules.
var notPossible = map[error]string{
	account.ErrNotResettable: ReasonExternal, account.ErrNoPassword: ReasonNoPassword,
	account.ErrChangeForbidden: ReasonChangeForbidden, account.ErrNotRequested: ReasonNotRequested,
}

// operationError returns the error of an operation in the words of this package.
func (s *Service) operationError(ctx context.Context, err error) error {
	for refusal, reason := range notPossible {
		if errors.Is(err, refusal) {
			return &NotPossibleError{Reason: reason}
		}
	}
	_, isRejected := errors.AsType[*PasswordRejectedError](err)
	_, isNotPossible := errors.AsType[*NotPossibleError](err)
	if isRejected || isNotPossible || errors.Is(err, ErrOverloaded) {
		return err
	}
	return s.unavailable(ctx, err)
}

// Reset is what came of a reset.
type Reset struct {
	Account *v1alpha1.UserAccount
	// Password that was generated; the zero Password where the actor has given one.
	Password policy.Password
	// MustChange is why the person has to choose another password; empty where the person may not.
	MustChange v1alpha1.MustChangeReason
	// ExpiresTime is when the password ceases to log in; zero: never.
	ExpiresTime time.Time
}

// ResetPassword gives an account a new password, which the actor has chosen. Errors: all of this package.
func (s *Service) ResetPassword(ctx context.Context, session sessions.Session, t Target, password string) (Reset, error) {
	return s.reset(ctx, session, t, func(policy.Policy, policy.Subject, []*policy.DenyList) (policy.Password, error) {
		return policy.Prepare(password)
	})
}

// GeneratePassword gives an account a new password, which it returns. Errors: all of this package.
func (s *Service) GeneratePassword(ctx context.Context, session sessions.Session, t Target) (Reset, error) {
	done := Reset{}
	reset, err := s.reset(ctx, session, t, func(p policy.Policy, subject policy.Subject, lists []*policy.DenyList) (policy.Password, error) {
		var err error
		done.Password, err = passwords.Generate(p, subject, lists)
		return done.Password, err
	})
	reset.Password = done.Password
	return reset, err
}

// newPassword returns the password of a reset.
type newPassword func(policy.Policy, policy.Subject, []*policy.DenyList) (policy.Password, error)

func (s *Service) reset(ctx context.Context, session sessions.Session, t Target, next newPassword) (Reset, error) {
	ctx, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	found, err := s.permitted(ctx, session, t, permission.ResetPassword)
	if err != nil {
		return Reset{}, err
	}
	if err := s.resets.Acquire(ctx, 1); err != nil {
		return Reset{}, ErrOverloaded
	}
	defer s.resets.Release(1)
	record, err := s.change(ctx, found, func(ctx context.Context, r account.Rules, record *credential.Record) (account.Credential, error) {
		return s.setPassword(ctx, found, r, record, next)
	})
	if err != nil {
		return Reset{}, err
	}
	rules, err := s.rules(ctx, found.account)
	if err != nil {
		return Reset{}, s.unavailable(ctx, err)
	}
	standing := rules.Standing(record.Credential)
	return Reset{Account: found.account, MustChange: standing.MustChange, ExpiresTime: standing.PasswordExpires}, nil
}

// setPassword judges the new password by its content, hashes it, and has the rules put it in force.
func (s *Service) setPassword(ctx context.Context, t *target, r account.Rules, record *credential.Record, next newPassword) (account.Credential, error) {
	if r.IsExternal() {
		return account.Credential{}, account.ErrNotResettable
	}
	lists, err := s.Catalog.DenyLists(ctx, r.Policy)
	if err != nil {
		return account.Credential{}, err
	}
	subject := catalog.SubjectOf(t.account)
	rejected := &PasswordRejectedError{Requirements: r.Policy.ContentRequirements()}
	password, err := next(r.Policy, subject, lists)
	switch {
	case errors.Is(err, passwords.ErrNothingGenerated):
		return account.Credential{}, &NotPossibleError{Reason: ReasonNothingGenerated}
	case err != nil:
		rejected.Results = []policy.Result{{Requirement: policy.RequirementFor(err)}}
		return account.Credential{}, rejected
	}
	hashed, results, err := passwords.Set(ctx, s.Hasher, passwords.Candidate{
		Password: password, Policy: r.Policy, Subject: subject, Lists: lists, History: record.History,
	})
	if err != nil {
		return account.Credential{}, err
	}
	if hashed.Hash == "" {
		rejected.Results = results
		return account.Credential{}, rejected
	}
	return r.ResetByHand(record.Credential, t.actor.Identity.Username, hashed.Hash, hashed.Digests)
}
