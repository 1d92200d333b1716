package useraccount

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// accountIDSize in bytes: 128 random bits.
const accountIDSize = 16

// resetResult is what became of the password that is declared, as the condition PasswordApplied tells it.
type resetResult struct {
	applied bool
	reason  string
	message string
}

func notApplied(reason, format string, args ...any) *resetResult {
	return &resetResult{reason: reason, message: fmt.Sprintf(format, args...)}
}

// applyReset applies the password of the Secret that the account names, where that is due. What stands in its way is a
// result, and the password in force stays; an error is something to try again.
func (r *Reconciler) applyReset(ctx context.Context, s *scope, c account.Credential) (account.Credential, error) {
	p := s.account.Spec.Password
	if p == nil || p.SecretRef == nil || s.rules.IsExternal() {
		return c, nil
	}
	meta, err := r.passwordSecret(ctx, s, c)
	if err != nil || meta == nil {
		return c, err
	}
	source := account.Source{SecretName: meta.Name, Key: p.SecretRef.Key, UID: string(meta.UID), ResourceVersion: meta.ResourceVersion}
	rp, due, err := r.resetDue(ctx, s, c, source)
	if err != nil {
		return c, err
	}
	if !due {
		s.reset = standingReset(s, c)
		return c, nil
	}
	if standIn(s, c, source) {
		s.reset = standingReset(s, c)
		return s.rules.RejectReset(c, source, "", c.Reset.Rejected), nil // To be judged when the policy is there.
	}
	if rp.missing != nil && !comparesRefused(s, c) {
		s.reset = cannotJudge(s, rp)
		return c, nil
	}
	if !s.turn.take() {
		return c, errWait
	}
	read, err := r.readPassword(ctx, s, c)
	if err != nil || read == nil {
		return c, err
	}
	if read.unusable != "" {
		c = s.rules.RejectUnusable(c, read.source, read.unusable)
	} else {
		c, err = r.evaluateReset(ctx, s, c, read.source, read.password, rp)
	}
	if err == nil && s.reset == nil {
		s.reset = standingReset(s, c)
	}
	return c, err
}

// standIn tells whether a password that was rejected would be judged anew by another policy than the one that is
// declared, because that is missing: in the middle of a restore it must not get in that way. A new revision of the very
// Secret that was rejected is new content, and is judged.
func standIn(s *scope, c account.Credential, source account.Source) bool {
	if len(c.Reset.Rejected) == 0 || c.Reset.Deferred() || s.policy.Problem != policy.ProblemNotFound || s.rules.ResetRequested(c) {
		return false
	}
	return source.UID != c.Reset.Source.UID || source == c.Reset.Source
}

// resetPolicy is the policy's part in a reset.
type resetPolicy struct {
	lists       []*policy.DenyList
	fingerprint string
	// missing is why the lists cannot be read.
	missing error
}

// resetDue tells whether the Secret has to be looked at, and by what it is judged.
func (r *Reconciler) resetDue(ctx context.Context, s *scope, c account.Credential, source account.Source) (resetPolicy, bool, error) {
	for confirmed := false; ; confirmed = true {
		rp := resetPolicy{}
		rp.lists, rp.missing = r.catalog.DenyLists(ctx, s.policy.Policy)
		if rp.missing != nil && !catalog.CannotJudge(rp.missing) {
			return rp, false, rp.missing
		}
		rp.fingerprint = s.policy.Policy.Fingerprint(rp.lists...)
		due := s.rules.ResetDue(c, source, rp.fingerprint)
		if !due || confirmed {
			return rp, due, nil
		}
		if err := r.confirmPolicy(ctx, s); err != nil {
			return rp, false, err
		}
	}
}

// mayBeApplied tells whether a revision may turn out to hold what was last applied: then there is nothing to judge.
func mayBeApplied(s *scope, c account.Credential) bool {
	return c.Reset.AppliedHash != "" && !s.rules.ResetRequested(c)
}

// comparesRefused tells whether content that cannot be applied, or not yet, may turn out to be what was last applied.
func comparesRefused(s *scope, c account.Credential) bool {
	return mayBeApplied(s, c) && s.rules.ComparesRefused(c)
}

func cannotJudge(s *scope, rp resetPolicy) *resetResult {
	if errors.Is(rp.missing, catalog.ErrPolicyUnreadable) {
		return notApplied(v1alpha1.ConditionReasonSpecUnreadable,
			"PasswordPolicy %q cannot judge a password: %v. Have them set anew.", s.policy.Policy.Name, rp.missing)
	}
	return notApplied(v1alpha1.ConditionReasonDenyListNotFound,
		"PasswordPolicy %q cannot judge a password: %v. Create it, or take it out of the policy.", s.policy.Policy.Name, rp.missing)
}

// evaluateReset tells a revision without a new password from a new password, and judges the latter.
func (r *Reconciler) evaluateReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, rp resetPolicy) (account.Credential, error) {
	if unmet := unmetByReset(s, password, catalog.SubjectOf(s.account), rp.lists); len(unmet) > 0 || rp.missing != nil {
		return r.refuseReset(ctx, s, c, source, password, rp, unmet)
	}
	if !mayBeApplied(s, c) {
		return r.setReset(ctx, s, c, source, password)
	}
	// As a rule it is a new password, and the sessions of the old one go on until that is recorded: so it is hashed while it is compared.
	var (
		same      bool
		comparing errgroup.Group
	)
	comparing.Go(func() (err error) {
		same, err = r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text())
		return err
	})
	reset, failed := r.setReset(ctx, s, c, source, password)
	switch err := comparing.Wait(); {
	case err != nil:
		return c, cannotCompare(s, err)
	case same:
		return s.rules.NoteRevision(c, source), nil
	}
	return reset, failed
}

// refuseReset refuses content that does not meet the policy, or cannot be judged, unless it is what was applied before the policy asked for
// that. It is compared only where that tells nothing to those who guess (see account.Rules.ComparesRefused): otherwise whoever may
// write the Secret could have each guess refused, and the right one not. Nor is it compared if it would meet the policy but for words
// that can be edited, since whoever declares a guess as displayName has it refused.
func (r *Reconciler) refuseReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, rp resetPolicy, unmet []policy.RequirementID) (account.Credential, error) {
	byFixed := rp.missing != nil || len(unmetByReset(s, password, catalog.FixedSubjectOf(s.account), rp.lists)) > 0
	if byFixed && comparesRefused(s, c) {
		switch same, err := r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text()); {
		case err != nil:
			return c, cannotCompare(s, err)
		case same:
			return s.rules.NoteRevision(c, source), nil
		}
	}
	if rp.missing != nil {
		s.reset = cannotJudge(s, rp)
		return s.rules.DeferReset(c, source), nil
	}
	return s.rules.RejectReset(c, source, rp.fingerprint, unmet), nil
}

// cannotCompare tells why the content could not be compared with what was applied; an error that it returns is one to try again.
func cannotCompare(s *scope, err error) error {
	if !errors.Is(err, hash.ErrMalformed) && !errors.Is(err, hash.ErrTooCostly) {
		return fmt.Errorf("verify password: %w", err)
	}
	s.reset = notApplied(v1alpha1.ConditionReasonCredentialInvalid,
		"The hash of the last reset, in Secret %q of credentials, cannot be verified (%v), so a new password cannot be told from the old one. Set spec.password.resetTime to apply the Secret's.", s.credentialName, err)
	return nil
}

// setReset hashes a new password that meets the policy. What the account's person has or had as a password is not compared with it:
// whoever may write the Secret could guess at that, and would be told.
func (r *Reconciler) setReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password) (account.Credential, error) {
	digests, err := r.resetDigests(ctx, s, c, password)
	if err != nil {
		return c, err
	}
	encoded, err := r.hasher.Create(ctx, password.Text(), s.policy.Policy.Hashing)
	if err != nil {
		return c, fmt.Errorf("hash password: %w", err)
	}
	return s.rules.Reset(c, source, encoded, digests), nil
}

// resetDigests makes the history digest of a password that is applied; none where the policy keeps no history. The person
// cannot choose that password again for as long as the history holds it.
func (r *Reconciler) resetDigests(ctx context.Context, s *scope, c account.Credential, password policy.Password) (account.Digests, error) {
	if s.policy.Policy.HistoryCount == 0 {
		return account.Digests{}, nil
	}
	digests := account.Digests{Salt: c.History.Salt}
	if len(digests.Salt) == 0 {
		digests.Salt = random(accountIDSize)
	}
	var err error
	if digests.New, err = r.hasher.Digest(ctx, password.Text(), digests.Salt); err != nil {
		return account.Digests{}, fmt.Errorf("hash password: %w", err)
	}
	return digests, nil
}

// unmetByReset lists the requirements that the content of a handed-out password does not meet.
func unmetByReset(s *scope, password policy.Password, subject policy.Subject, lists []*policy.DenyList) []policy.RequirementID {
	var unmet []policy.RequirementID
	content := policy.Content(s.policy.Policy.Evaluate(password, subject, lists...))
	for _, requirement := range policy.Unmet(content) {
		unmet = append(unmet, requirement.ID)
	}
	return unmet
}

// standingReset tells what became of the revision that was last looked at.
func standingReset(s *scope, c account.Credential) *resetResult {
	switch {
	case c.Reset.Unusable != "":
		return notUsable(c.Reset)
	case len(c.Reset.Rejected) > 0 && s.policy.Problem == policy.ProblemNotFound:
		return notApplied(v1alpha1.ConditionReasonPolicyViolation,
			"The password in Secret %q was rejected, and is not judged again while the PasswordPolicy is missing. The password in force stays.",
			c.Reset.Source.SecretName)
	case len(c.Reset.Rejected) > 0:
		return notApplied(v1alpha1.ConditionReasonPolicyViolation,
			"The password in Secret %q does not meet PasswordPolicy %s: %s. The password in force stays.",
			c.Reset.Source.SecretName, policyName(s.policy.Policy), describe(s.policy.Policy, c.Reset.Rejected))
	case c.Password.IsZero():
		return notApplied(v1alpha1.ConditionReasonCredentialInvalid,
			"The password of the Secret was applied, but Secret %q of credentials has none any more. Restore it, or set spec.password.resetTime to apply the Secret's again.",
			s.credentialName)
	default:
		return &resetResult{applied: true, reason: v1alpha1.ConditionReasonApplied, message: "The password of the Secret has been applied."}
	}
}

// notUsable tells why a revision of the Secret has nothing that could be a password.
func notUsable(reset account.Reset) *resetResult {
	name, key, reason := reset.Source.SecretName, reset.Source.Key, reset.Unusable.ConditionReason()
	switch reset.Unusable {
	case account.UnusableKeyNotFound:
		return notApplied(reason, "Secret %q has no key %q.", name, key)
	case account.UnusableTooLong:
		return notApplied(reason, "The value of key %q in Secret %q has more than %d bytes.", key, name, policy.MaxBytes)
	case account.UnusableEmpty:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrEmpty)
	case account.UnusableNotUTF8:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrNotUTF8)
	default:
		return notApplied(reason, "The value of key %q in Secret %q cannot be a password: %v.", key, name, policy.ErrDisallowed)
	}
}

// describe names the requirements of a policy as people read them, those on former passwords aside.
func describe(p policy.Policy, ids []policy.RequirementID) string {
	named := slices.DeleteFunc(p.Requirements(), func(r policy.Requirement) bool {
		return !slices.Contains(ids, r.ID) || account.IsOnFormerPasswords(r.ID)
	})
	return policy.Messages(named)
}

func policyName(p policy.Policy) string {
	if p.Name == "" {
		return "(built-in default)"
	}
	return fmt.Sprintf("%q", p.Name)
}

func newAccountID() string { return hex.EncodeToString(random(accountIDSize)) }

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // Never fails, says its documentation.
	return b
}
