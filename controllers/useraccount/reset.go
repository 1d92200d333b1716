package useraccount

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/passwords"
	"github.com/keyturn/keyturn/internal/policy"
)

// applyReset applies the password of the Secret that the account names, if that is due. It returns the credential to be written. What
// keeps the password from being applied is noted in s.reset, and the password in force stays. An error is something to try again.
func (r *Reconciler) applyReset(ctx context.Context, s *scope, c account.Credential) (account.Credential, error) {
	ref := s.rules.PasswordSecret()
	if ref == nil {
		return c, nil
	}
	meta, err := r.passwordSecret(ctx, s, c)
	if err != nil || meta == nil {
		return c, err
	}
	source := account.Source{SecretName: meta.Name, Key: ref.Key, UID: string(meta.UID), ResourceVersion: meta.ResourceVersion}
	by, due, err := r.resetDue(ctx, s, c, source)
	if err != nil {
		return c, err
	}
	if !due {
		s.reset = lastResult(s, c)
		return c, nil
	}
	if policyMissing(s, c, source) {
		s.reset = lastResult(s, c)
		return s.rules.RejectReset(c, source, "", c.Reset.Rejected), nil // Judged again when the policy is there.
	}
	if by.listsErr != nil && !mayCompareRefused(s, c) {
		s.reset = cannotBeJudged(s, by)
		return c, nil
	}
	if !s.slot.take() {
		return c, errQueued
	}
	read, err := r.readPassword(ctx, s, c)
	if err != nil || read == nil {
		return c, err
	}
	if read.unusable != "" {
		c = s.rules.RejectUnusable(c, read.source, read.unusable)
	} else {
		c, err = r.judgeReset(ctx, s, c, read.source, read.password, by)
	}
	if err == nil && s.reset == nil {
		s.reset = lastResult(s, c)
	}
	return c, err
}

// policyMissing tells whether a rejected password must wait because the policy that the account names does not exist. The policy in
// its place may be laxer, and would let the password in while a cluster is being restored. A new revision of the very Secret that
// was rejected is new content, and is judged.
func policyMissing(s *scope, c account.Credential, source account.Source) bool {
	if len(c.Reset.Rejected) == 0 || c.Reset.Deferred() || s.policy.Problem != policy.ProblemNotFound || s.rules.ResetRequested(c) {
		return false
	}
	return source.UID != c.Reset.Source.UID || source == c.Reset.Source
}

// criteria are what a handed-out password is judged by, besides the settings of the policy.
type criteria struct {
	denyLists []*policy.DenyList
	// fingerprint tells the policy with its lists from any other.
	fingerprint string
	// listsErr is why the lists cannot be read, and so no password be judged.
	listsErr error
}

// resetDue tells whether the Secret has to be read, and by what its password is judged. Before it says yes it makes sure of the
// policy.
func (r *Reconciler) resetDue(ctx context.Context, s *scope, c account.Credential, source account.Source) (criteria, bool, error) {
	for ensured := false; ; ensured = true {
		by := criteria{}
		by.denyLists, by.listsErr = r.catalog.DenyLists(ctx, s.policy.Policy)
		if by.listsErr != nil && !catalog.CannotJudge(by.listsErr) {
			return by, false, by.listsErr
		}
		by.fingerprint = s.policy.Policy.Fingerprint(by.denyLists...)
		due := s.rules.ResetDue(c, source, by.fingerprint)
		if !due || ensured {
			return by, due, nil
		}
		if err := r.ensurePolicy(ctx, s); err != nil {
			return by, false, err
		}
	}
}

// mayBeUnchanged tells whether a revision of the Secret may have the password that was last applied. Then there is nothing to do.
func mayBeUnchanged(s *scope, c account.Credential) bool {
	return c.Reset.AppliedHash != "" && !s.rules.ResetRequested(c)
}

// mayCompareRefused tells whether a password that is refused, or cannot be judged yet, may be compared with the one that was last
// applied.
func mayCompareRefused(s *scope, c account.Credential) bool {
	return mayBeUnchanged(s, c) && s.rules.ComparesRefused(c)
}

// judgeReset judges the password of a revision, and applies it unless it is the one that was last applied.
func (r *Reconciler) judgeReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, by criteria) (account.Credential, error) {
	if ids := unmet(candidate(s, c, password, catalog.SubjectOf(s.account), by)); len(ids) > 0 || by.listsErr != nil {
		return r.refuseReset(ctx, s, c, source, password, by, ids)
	}
	if !mayBeUnchanged(s, c) {
		return r.setReset(ctx, s, c, source, password, by)
	}
	// As a rule it is a new password, and the sessions of the old one go on until it is written. So both are hashed at once.
	var (
		same      bool
		comparing errgroup.Group
	)
	comparing.Go(func() (err error) {
		same, err = r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text())
		return err
	})
	reset, failed := r.setReset(ctx, s, c, source, password, by)
	switch err := comparing.Wait(); {
	case err != nil:
		return c, comparisonFailed(s, err)
	case same:
		return s.rules.NoteRevision(c, source), nil
	}
	return reset, failed
}

// refuseReset refuses a password that does not meet the policy, or cannot be judged. If it is the one that was last applied, before
// the policy asked for more, it only notes the revision. The two are compared only where the answer tells nothing to those who
// guess (see account.Rules.ComparesRefused): else whoever may write the Secret could have each guess refused, and the right one not.
// A password that only the displayName or the email has refused is not compared, since a guess can be declared as either.
func (r *Reconciler) refuseReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, by criteria, unmetIDs []policy.RequirementID) (account.Credential, error) {
	byFixed := by.listsErr != nil || len(unmet(candidate(s, c, password, catalog.FixedSubjectOf(s.account), by))) > 0
	if byFixed && mayCompareRefused(s, c) {
		switch same, err := r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text()); {
		case err != nil:
			return c, comparisonFailed(s, err)
		case same:
			return s.rules.NoteRevision(c, source), nil
		}
	}
	if by.listsErr != nil {
		s.reset = cannotBeJudged(s, by)
		return s.rules.DeferReset(c, source), nil
	}
	return s.rules.RejectReset(c, source, by.fingerprint, unmetIDs), nil
}

// comparisonFailed returns an error that is worth another try. Where the stored hash is at fault, it notes that in s.reset instead.
func comparisonFailed(s *scope, err error) error {
	if !errors.Is(err, hash.ErrMalformed) && !errors.Is(err, hash.ErrTooCostly) {
		return fmt.Errorf("verify password: %w", err)
	}
	s.reset = appliedHashUnusable(s, err)
	return nil
}

// setReset hashes a new password that meets the policy.
func (r *Reconciler) setReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, by criteria) (account.Credential, error) {
	hashed, _, err := passwords.Set(ctx, r.hasher, candidate(s, c, password, catalog.SubjectOf(s.account), by))
	if err != nil {
		return c, err
	}
	return s.rules.Reset(c, source, hashed.Hash, hashed.Digests), nil
}

// candidate is a handed-out password, to be judged with regard to some of the account's own words.
func candidate(s *scope, c account.Credential, password policy.Password, words policy.Subject, by criteria) passwords.Candidate {
	return passwords.Candidate{Password: password, Policy: s.policy.Policy, Subject: words, Lists: by.denyLists, History: c.History}
}

// unmet returns the requirements that a candidate does not meet.
func unmet(c passwords.Candidate) []policy.RequirementID {
	var ids []policy.RequirementID
	for _, requirement := range policy.Unmet(c.Judge()) {
		ids = append(ids, requirement.ID)
	}
	return ids
}
