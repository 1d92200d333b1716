package administration

import (
	"context"
	"errors"
	"log/slog"
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
	// maxWork is how long an action may work between the answer that it is permitted and its write, before it asks again.
	maxWork = time.Second
	// confirmTimeout bounds how long the result of a write is looked for that the API server has not answered.
	confirmTimeout = 3 * time.Second
	// maxConflicts is how often an action is decided again because another writer has changed the credential in between.
	maxConflicts = 8
)

// operation is what an action does to the credential of its target.
type operation func(context.Context, *target, account.Rules, *credential.Record) (account.Credential, error)

// Unlock forgets the failed logins of an account, and ends a lock. Errors: all of this package but PasswordRejectedError.
func (s *Service) Unlock(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.Unlock, account.Rules.UnlockByHand)
}

// SignOut ends all sessions of an account. Errors: as of Unlock.
func (s *Service) SignOut(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.SignOut, account.Rules.SignOutByHand)
}

// RequireChange has the person choose another password at the next login. Errors: as of Unlock.
func (s *Service) RequireChange(ctx context.Context, session sessions.Session, t Target) error {
	return s.act(ctx, session, t, permission.RequireChange, account.Rules.RequireChangeByHand)
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
	return s.change(ctx, session, t, verb,
		func(_ context.Context, found *target, r account.Rules, record *credential.Record) (account.Credential, error) {
			return operate(r, record.Credential, found.actor.Identity.Username)
		})
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

// change does something to the credential of the target, in one write, when it is the turn of the action. After a conflict, and after
// work that has taken long, everything is asked and decided again: a role that is gone by then does not count. Once it is under way, the
// action goes on when the client hangs up: what is written has to be told to the audit log.
func (s *Service) change(ctx context.Context, session sessions.Session, t Target, verb permission.Verb, operate operation) error {
	leave, err := s.admission.enter(ctx, session.Claims.AccountID, verb == permission.ResetPassword)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actionTimeout)
	defer cancel()
	isUncertain := false // An earlier write may have been carried out, so a refusal now does not mean that nothing was done.
	for range maxConflicts {
		err := s.changeOnce(ctx, session, t, verb, operate)
		switch {
		case errors.Is(err, credential.ErrConflict):
			isUncertain = isUncertain || errors.Is(err, ErrUncertain)
		case err != nil && isUncertain:
			return ErrUncertain
		default:
			return err
		}
	}
	if isUncertain {
		return ErrUncertain
	}
	return ErrOverloaded
}

// changeOnce is change until a conflict, which it returns as credential.ErrConflict.
func (s *Service) changeOnce(ctx context.Context, session sessions.Session, t Target, verb permission.Verb, operate operation) error {
	found, err := s.permitted(ctx, session, t, verb)
	if err != nil {
		return err
	}
	began := s.Clock.Now()
	record, err := s.Store.Of(ctx, found.account)
	switch {
	case errors.Is(err, credential.ErrNotFound), errors.Is(err, credential.ErrInvalid):
		return &NotPossibleError{Reason: ReasonNoCredential}
	case err != nil:
		return s.unavailable(ctx, err)
	}
	rules, err := s.rules(ctx, found.account)
	if err != nil {
		return s.unavailable(ctx, err)
	}
	c, err := operate(ctx, found, rules, record)
	if err != nil {
		return s.operationError(ctx, err)
	}
	if s.Clock.Now().Sub(began) > maxWork {
		if _, err := s.permitted(ctx, session, t, verb); err != nil {
			return err
		}
	}
	return s.write(ctx, record, c)
}

// write writes what was decided. Where the API server does not say whether that was done, it looks. Errors: credential.ErrConflict, with
// ErrUncertain where it may have been carried out all the same; ErrUncertain; ErrUnavailable.
func (s *Service) write(ctx context.Context, record *credential.Record, c account.Credential) error {
	_, err := s.Store.Update(ctx, record, c)
	switch {
	case err == nil, errors.Is(err, credential.ErrConflict):
		return err
	case credential.IsRefused(err):
		return s.unavailable(ctx, err)
	}
	slog.Warn("The API server has not said whether the action of an administrator was written", "error", err)
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmTimeout)
	defer cancel()
	_, err = s.Store.Confirm(looking, record, c)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, credential.ErrConflict):
		// The other writer came before the write or after it.
		return errors.Join(err, ErrUncertain)
	default:
		return ErrUncertain
	}
}

// rules returns the rules for an account.
func (s *Service) rules(ctx context.Context, a *v1alpha1.UserAccount) (account.Rules, error) {
	rules, _, err := s.Catalog.RulesFor(ctx, a, s.Clock.Now())
	return rules, err
}

// notPossible has the reason for each refusal of the rules.
var notPossible = map[error]string{
	account.ErrExternal: ReasonExternal, account.ErrNoPassword: ReasonNoPassword,
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
	if isRejected || isNotPossible {
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
	var generated policy.Password
	done, err := s.reset(ctx, session, t, func(p policy.Policy, subject policy.Subject, lists []*policy.DenyList) (policy.Password, error) {
		var err error
		generated, err = passwords.Generate(p, subject, lists)
		return generated, err
	})
	if err == nil {
		done.Password = generated
	}
	return done, err
}

// newPassword returns the password of a reset.
type newPassword func(policy.Policy, policy.Subject, []*policy.DenyList) (policy.Password, error)

func (s *Service) reset(ctx context.Context, session sessions.Session, t Target, next newPassword) (done Reset, err error) {
	err = s.change(ctx, session, t, permission.ResetPassword,
		func(ctx context.Context, found *target, r account.Rules, record *credential.Record) (account.Credential, error) {
			c, err := s.setPassword(ctx, found, r, record, next)
			standing := r.Standing(c)
			done = Reset{Account: found.account, MustChange: standing.MustChange, ExpiresTime: standing.PasswordExpires}
			return c, err
		})
	if err != nil {
		return Reset{}, err
	}
	return done, nil
}

// setPassword judges the new password by its content, hashes it, and has the rules put it in force.
func (s *Service) setPassword(ctx context.Context, t *target, r account.Rules, record *credential.Record, next newPassword) (account.Credential, error) {
	if r.IsExternal() {
		return account.Credential{}, account.ErrExternal
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
