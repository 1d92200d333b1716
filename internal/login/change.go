package login

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/passwords"
	"github.com/keyturn/keyturn/internal/policy"
)

// Change lets somebody who proves the current password choose a new one. Errors: those of Login but ChangeRequiredError,
// ChangeForbiddenError, PasswordRejectedError.
func (s *Service) Change(ctx context.Context, who Who, current, next string) (*Result, error) {
	return s.attempt(ctx, who, current, func(ctx context.Context, l *loaded, p account.Proven) (decision, error) {
		p.Compliance = s.compliance(ctx, l)
		c, answer := l.rules.MayChange(l.record.Credential, p)
		d := decision{credential: c, answer: answer}
		switch {
		case answer.Outcome == account.Granted:
			return d, s.setPassword(ctx, l, &d, next)
		case answer.Reason == account.ReasonNotDeclared: // The password is another person's than the account's.
			d.refusal = ErrInvalidCredentials
		case answer.Outcome == account.ChangeForbidden:
			d.refusal = &ChangeForbiddenError{Reason: ChangeForbidden}
			if l.request.Provider != nil {
				d.refusal = &ChangeForbiddenError{Reason: External, Provider: l.request.Provider}
			}
		case answer.Outcome == account.TooYoung:
			d.refusal = &ChangeForbiddenError{Reason: PasswordTooYoung, NotBefore: answer.NotBefore}
		default:
			d.refusal = &AccountUnavailableError{Reason: answer.Reason, Provider: l.request.Provider}
		}
		return d, nil
	})
}

// setPassword judges the new password and puts it into the decision, or the refusal.
func (s *Service) setPassword(ctx context.Context, l *loaded, d *decision, next string) error {
	password, err := policy.Prepare(next)
	if err != nil {
		d.refusal = l.rejected([]policy.Result{{Requirement: policy.RequirementFor(err)}})
		return nil
	}
	lists, err := s.catalog.DenyLists(ctx, l.rules.Policy)
	if err != nil {
		return err
	}
	hashed, results, err := passwords.Set(ctx, s.hasher, passwords.Candidate{
		Password: password, Policy: l.rules.Policy, Subject: catalog.SubjectOf(l.account), Lists: lists,
		History: l.record.History, Current: &l.password,
	})
	if err != nil {
		return err
	}
	if hashed.Hash == "" {
		d.refusal = l.rejected(results)
		return nil
	}
	d.credential = l.rules.Change(d.credential, hashed.Hash, hashed.Digests)
	d.answer.PasswordExpires = l.rules.Standing(d.credential).PasswordExpires
	return nil
}

func (l *loaded) rejected(results []policy.Result) *PasswordRejectedError {
	return &PasswordRejectedError{Results: results, Requirements: l.rules.Policy.Requirements(), Words: l.words()}
}

// rehash replaces the hash where the policy asks for other parameters by now. Where that cannot be done (bcrypt does not take
// every password, or there is no time) the login is right all the same, and the next one tries again.
func (s *Service) rehash(ctx context.Context, l *loaded, c *account.Credential) {
	p := l.rules.Policy.Hashing
	if c.Password.IsZero() || l.password.Text() == "" || !hash.NeedsRehash(c.Password.Hash, p) {
		return
	}
	encoded, err := s.hasher.Create(ctx, l.password.Text(), p)
	if errors.Is(err, hash.ErrTooLong) {
		return
	}
	if err != nil {
		slog.Warn("Password not hashed anew as its policy asks", "namespace", l.account.Namespace, "account", l.account.Name, "error", err)
		return
	}
	c.Password.Hash = encoded
}

// compliance tells whether the password meets the policy, where that matters at a login. Of the account's own words it looks only
// at those that cannot be edited: the answer is in the account's status, where somebody who edits the others could have
// guesses at the password judged.
func (s *Service) compliance(ctx context.Context, l *loaded) account.Compliance {
	if !l.rules.Policy.EnforceExisting || l.password.Text() == "" {
		return account.ComplianceUnknown
	}
	lists, err := s.catalog.DenyLists(ctx, l.rules.Policy)
	if err != nil {
		return account.ComplianceUnknown // The policy's status says why; the login itself is right.
	}
	candidate := passwords.Candidate{Password: l.password, Policy: l.rules.Policy, Subject: catalog.FixedSubjectOf(l.account), Lists: lists}
	if len(policy.Unmet(candidate.Judge())) > 0 {
		return account.NotCompliant
	}
	return account.Compliant
}
