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

// applyReset applies the password of the Secret that the account names, if that is due. It returns the credential to be written. If
// the password is not applied, s.reset says why, and the password in force stays. An error means: try again.
func (r *Reconciler) applyReset(ctx context.Context, s *scope, c account.Credential) (account.Credential, error) {
	ref := s.rules.PasswordSecret()
	if ref == nil {
		return c, nil
	}
	meta, err := r.passwordSecret(ctx, s, c)
	if err != nil || meta == nil { // passwordSecret has said why in s.reset.
		return c, err
	}
	source := account.Source{SecretName: meta.Name, Key: ref.Key, UID: string(meta.UID), ResourceVersion: meta.ResourceVersion}
	judgedBy, due, err := r.resetDue(ctx, s, c, source)
	if err != nil {
		return c, err
	}
	if !due {
		s.reset = lastResult(s, c)
		return c, nil
	}
	if policyMissing(s, c, source) {
		s.reset = lastResult(s, c)
		// The fingerprint of no policy: the password is judged again when the policy is there.
		return s.rules.RejectReset(c, source, "", c.Reset.Rejected), nil
	}
	if judgedBy.listsErr != nil && !mayCompareRefused(s, c) {
		s.reset = cannotBeJudged(s, judgedBy)
		return c, nil
	}
	if !s.slot.take() {
		return c, errQueued
	}
	read, err := r.readPassword(ctx, s, c)
	if err != nil || read == nil { // readPassword has said why in s.reset.
		return c, err
	}
	if read.unusable != "" {
		c = s.rules.RejectUnusable(c, read.source, read.unusable)
	} else {
		c, err = r.judgeReset(ctx, s, c, read.source, read.password, judgedBy)
	}
	if err == nil && s.reset == nil {
		s.reset = lastResult(s, c)
	}
	return c, err
}

// policyMissing tells whether a rejected password must wait because the policy that the account names does not exist. The fallback
// policy may be laxer, and would accept the password while a cluster is being restored. The password waits if its Secret was
// restored, too (another UID), or is the revision that was rejected. A later revision of that Secret is new content, and is judged.
func policyMissing(s *scope, c account.Credential, source account.Source) bool {
	if len(c.Reset.Rejected) == 0 || c.Reset.Deferred() || s.policy.Problem != policy.ProblemNotFound || s.rules.ResetRequested(c) {
		return false
	}
	return source.UID != c.Reset.Source.UID || source == c.Reset.Source
}

// criteria are what the password of a Secret is judged by, besides the settings of the policy.
type criteria struct {
	denyLists []*policy.DenyList
	// fingerprint changes when the policy or one of the lists changes.
	fingerprint string
	// listsErr is why the lists cannot be read, and so no password be judged.
	listsErr error
}

// resetDue tells whether the Secret has to be read, and by what criteria its password is judged. If the cache says that it has to be,
// the policy is read live and the question asked again: an outdated policy must not judge a password.
func (r *Reconciler) resetDue(ctx context.Context, s *scope, c account.Credential, source account.Source) (criteria, bool, error) {
	judgedBy, due, err := r.resetDueByPolicy(ctx, s, c, source)
	if err != nil || !due {
		return judgedBy, false, err
	}
	if err := r.ensurePolicy(ctx, s); err != nil {
		return judgedBy, false, err
	}
	return r.resetDueByPolicy(ctx, s, c, source)
}

// resetDueByPolicy answers resetDue by the policy as it was read last.
func (r *Reconciler) resetDueByPolicy(ctx context.Context, s *scope, c account.Credential, source account.Source) (criteria, bool, error) {
	lists, err := r.catalog.DenyLists(ctx, s.policy.Policy)
	if err != nil && !catalog.CannotJudge(err) {
		return criteria{}, false, err
	}
	judgedBy := criteria{denyLists: lists, listsErr: err, fingerprint: s.policy.Policy.Fingerprint(lists...)}
	return judgedBy, s.rules.ResetDue(c, source, judgedBy.fingerprint), nil
}

// mayBeUnchanged tells whether a revision of the Secret may have the password that was last applied, which is not applied again.
func mayBeUnchanged(s *scope, c account.Credential) bool {
	return c.Reset.AppliedHash != "" && !s.rules.ResetRequested(c)
}

// mayCompareRefused tells whether a password that is refused, or cannot be judged yet, may be compared with the one that was last
// applied.
func mayCompareRefused(s *scope, c account.Credential) bool {
	return mayBeUnchanged(s, c) && s.rules.ComparesRefused(c)
}

// judgeReset judges the password of a revision, and applies it unless it is the one that was last applied.
func (r *Reconciler) judgeReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, judgedBy criteria) (account.Credential, error) {
	if ids := unmet(candidate(s, c, password, catalog.SubjectOf(s.account), judgedBy).Judge()); len(ids) > 0 || judgedBy.listsErr != nil {
		return r.refuseReset(ctx, s, c, source, password, judgedBy, ids)
	}
	if !mayBeUnchanged(s, c) {
		return r.hashAndReset(ctx, s, c, source, password, judgedBy)
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
	reset, failed := r.hashAndReset(ctx, s, c, source, password, judgedBy)
	switch err := comparing.Wait(); {
	case err != nil:
		return c, noteComparisonError(s, err)
	case same:
		return s.rules.NoteRevision(c, source), nil
	}
	return reset, failed
}

// refuseReset refuses a password that does not meet the policy, or cannot be judged. If it is the one that was last applied, which the
// policy allowed then, it only notes the revision.
//
// The two are compared only if that helps nobody to guess (see account.Rules.ComparesRefused). Otherwise somebody who may write the
// Secret could find out the password: wrong guesses would be refused, and the right one would not. For the same reason a password
// that only the displayName or the email refuses is not compared: somebody who edits the account could write the guess there.
func (r *Reconciler) refuseReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, judgedBy criteria, unmetIDs []policy.RequirementID) (account.Credential, error) {
	refusedAnyway := judgedBy.listsErr != nil || len(unmet(candidate(s, c, password, catalog.FixedSubjectOf(s.account), judgedBy).Judge())) > 0
	if refusedAnyway && mayCompareRefused(s, c) {
		switch same, err := r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text()); {
		case err != nil:
			return c, noteComparisonError(s, err)
		case same:
			return s.rules.NoteRevision(c, source), nil
		}
	}
	if judgedBy.listsErr != nil {
		s.reset = cannotBeJudged(s, judgedBy)
		return s.rules.DeferReset(c, source), nil
	}
	return s.rules.RejectReset(c, source, judgedBy.fingerprint, unmetIDs), nil
}

// noteComparisonError returns an error that is worth another try. If the stored hash is at fault, it says so in s.reset and returns nil.
func noteComparisonError(s *scope, err error) error {
	if !errors.Is(err, hash.ErrMalformed) && !errors.Is(err, hash.ErrTooCostly) {
		return fmt.Errorf("verify password: %w", err)
	}
	s.reset = appliedHashUnusable(s, err)
	return nil
}

// hashAndReset hashes a password that was judged before, and makes it the account's.
func (r *Reconciler) hashAndReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, judgedBy criteria) (account.Credential, error) {
	hashed, results, err := passwords.Set(ctx, r.hasher, candidate(s, c, password, catalog.SubjectOf(s.account), judgedBy))
	if err != nil {
		return c, err
	}
	if ids := unmet(results); len(ids) > 0 {
		return s.rules.RejectReset(c, source, judgedBy.fingerprint, ids), nil
	}
	return s.rules.Reset(c, source, hashed.Hash, hashed.Digests), nil
}

// candidate is the password of a Secret, to be judged with regard to a subject: all or some of the account's own words.
func candidate(s *scope, c account.Credential, password policy.Password, subject policy.Subject, judgedBy criteria) passwords.Candidate {
	return passwords.Candidate{Password: password, Policy: s.policy.Policy, Subject: subject, Lists: judgedBy.denyLists, History: c.History}
}

// unmet returns the IDs of the requirements that are not met.
func unmet(results []policy.Result) []policy.RequirementID {
	var ids []policy.RequirementID
	for _, requirement := range policy.Unmet(results) {
		ids = append(ids, requirement.ID)
	}
	return ids
}
