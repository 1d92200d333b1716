package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// saltSize of history digests in bytes, as RFC 9106 recommends for password hashing.
const saltSize = 16

// Login checks a password. Errors: ErrInvalidCredentials, TooManyAttemptsError, ChangeRequiredError,
// AccountUnavailableError, ErrOverloaded, ErrUnavailable, or the context's.
func (s *Service) Login(ctx context.Context, who Who, password string) (*Result, error) {
	return s.check(ctx, who, password, func(ctx context.Context, a *attempt) (decision, error) {
		c, answer := a.rules.Login(a.record.Credential, s.compliance(ctx, a))
		d := decision{credential: c, answer: answer}
		switch answer.Outcome {
		case account.ChangeRequired:
			d.refusal = &ChangeRequiredError{Reason: answer.MustChange, Requirements: a.rules.Policy.Requirements(), Words: a.words()}
		case account.Unavailable:
			d.refusal = &AccountUnavailableError{Reason: answer.Reason}
		case account.Granted:
			s.rehash(ctx, a, &d.credential)
		}
		return d, nil
	})
}

// Change checks the current password and sets a new one. Errors: those of Login but ChangeRequiredError,
// ChangeForbiddenError, PasswordRejectedError.
func (s *Service) Change(ctx context.Context, who Who, current, next string) (*Result, error) {
	return s.check(ctx, who, current, func(ctx context.Context, a *attempt) (decision, error) {
		c, answer := a.rules.MayChange(a.record.Credential, s.compliance(ctx, a))
		d := decision{credential: c, answer: answer}
		switch answer.Outcome {
		case account.Granted:
			return d, s.set(ctx, a, &d, next)
		case account.ChangeForbidden:
			d.refusal = &ChangeForbiddenError{Reason: ChangeForbidden}
		case account.TooYoung:
			d.refusal = &ChangeForbiddenError{Reason: PasswordTooYoung, NotBefore: answer.NotBefore}
		default:
			d.refusal = &AccountUnavailableError{Reason: answer.Reason}
		}
		return d, nil
	})
}

// set judges the new password and puts it into the decision, or the refusal.
func (s *Service) set(ctx context.Context, a *attempt, d *decision, next string) error {
	password, err := policy.Prepare(next)
	if err != nil {
		d.refusal = a.rejected([]policy.Result{{Requirement: policy.RequirementFor(err)}})
		return nil
	}
	lists, err := s.catalog.DenyLists(ctx, a.rules.Policy)
	if err != nil {
		return err
	}
	digests, err := s.digests(ctx, a, password)
	if err != nil {
		return err
	}
	p, history := a.rules.Policy, a.record.History
	results := p.Evaluate(password, catalog.SubjectOf(a.account), lists...)
	for i := range results {
		switch results[i].ID {
		case policy.RequirementNotCurrent:
			results[i].Satisfied = !password.Equal(a.password)
		case policy.RequirementHistory:
			results[i].Satisfied = !history.HasDigest(digests.New, p.HistoryCount)
		}
	}
	if len(policy.Unmet(results)) > 0 {
		d.refusal = a.rejected(results)
		return nil
	}
	encoded, err := s.create(ctx, password, p.Hashing)
	if errors.Is(err, hash.ErrTooLong) {
		d.refusal = a.rejected([]policy.Result{{Requirement: policy.RequirementFor(err)}})
		return nil
	}
	if err != nil {
		return err
	}
	d.credential = a.rules.Change(d.credential, encoded, digests)
	d.answer.PasswordExpires = a.rules.Standing(d.credential).PasswordExpires
	return nil
}

func (a *attempt) rejected(results []policy.Result) *PasswordRejectedError {
	return &PasswordRejectedError{Results: results, Requirements: a.rules.Policy.Requirements(), Words: a.words()}
}

// words are the account's own: who knows the password may know them.
func (a *attempt) words() []string { return catalog.SubjectOf(a.account).Words() }

// digests makes the history digests for a new password; none where the policy keeps no history.
func (s *Service) digests(ctx context.Context, a *attempt, next policy.Password) (account.Digests, error) {
	if a.rules.Policy.HistoryCount == 0 {
		return account.Digests{}, nil
	}
	d := account.Digests{Salt: a.record.History.Salt}
	if len(d.Salt) == 0 {
		d.Salt = make([]byte, saltSize)
		_, _ = rand.Read(d.Salt) // Never fails, says its documentation.
	}
	var err error
	poolErr := s.hashing.Do(ctx, func() {
		d.New, err = s.hasher.Digest(ctx, next.Text(), d.Salt)
		if err == nil && len(a.record.History.Digests) == 0 {
			d.Current, err = s.hasher.Digest(ctx, a.password.Text(), d.Salt)
		}
	})
	return d, cmp.Or(poolErr, err)
}

func (s *Service) create(ctx context.Context, password policy.Password, p hash.Parameters) (encoded hash.Encoded, err error) {
	if poolErr := s.hashing.Do(ctx, func() { encoded, err = s.hasher.Create(ctx, password.Text(), p) }); poolErr != nil {
		return "", poolErr
	}
	return encoded, err
}

// rehash replaces the hash where the policy asks for other parameters by now. Where that cannot be done (bcrypt does not
// take every password, or there is no time) the login is right all the same, and the next one tries again.
func (s *Service) rehash(ctx context.Context, a *attempt, c *account.Credential) {
	p := a.rules.Policy.Hashing
	if !hash.NeedsRehash(c.Password.Hash, p) {
		return
	}
	encoded, err := s.create(ctx, a.password, p)
	if errors.Is(err, hash.ErrTooLong) {
		return
	}
	if err != nil {
		slog.Warn("Password not hashed anew as its policy asks", "namespace", a.account.Namespace, "account", a.account.Name, "error", err)
		return
	}
	c.Password.Hash = encoded
}

// compliance tells whether the password meets the policy, where that matters at a login. Of the account's own words it knows
// those only that cannot be edited: what it finds is in the account's status, where whoever edits the others could have
// guesses at the password judged.
func (s *Service) compliance(ctx context.Context, a *attempt) account.Compliance {
	if !a.rules.Policy.EnforceExisting {
		return account.ComplianceUnknown
	}
	lists, err := s.catalog.DenyLists(ctx, a.rules.Policy)
	if err != nil {
		return account.ComplianceUnknown // The policy's status tells; the login itself is right.
	}
	subject := catalog.FixedSubjectOf(a.account)
	content := policy.Content(a.rules.Policy.Evaluate(a.password, subject, lists...))
	if len(policy.Unmet(content)) > 0 {
		return account.NotCompliant
	}
	return account.Compliant
}
