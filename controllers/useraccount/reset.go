package useraccount

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/directory"
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
	meta, err := r.passwordSecret(ctx, s)
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
	if rp.missing != nil && !mayBeApplied(s, c) {
		s.reset = cannotJudge(s, rp)
		return c, nil
	}
	if !s.turn.take() {
		return c, errWait
	}
	source, password, err := r.readPassword(ctx, s)
	if err != nil || s.reset != nil {
		return c, err
	}
	c, err = r.evaluateReset(ctx, s, c, source, password, rp)
	if err == nil && s.reset == nil {
		s.reset = standingReset(s, c)
	}
	return c, err
}

// standIn tells whether a password that was rejected would be judged anew by another policy than the one that is
// declared, because that is missing: in the middle of a restore it must not get in that way. A new revision of the very
// Secret that was rejected is new content, and is judged.
func standIn(s *scope, c account.Credential, source account.Source) bool {
	if len(c.Reset.Rejected) == 0 || s.policy.Problem != policy.ProblemNotFound || s.rules.ResetRequested(c) {
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
		rp.lists, rp.missing = r.directory.DenyLists(ctx, s.policy.Policy)
		if rp.missing != nil && !directory.CannotJudge(rp.missing) {
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

func cannotJudge(s *scope, rp resetPolicy) *resetResult {
	if errors.Is(rp.missing, directory.ErrPolicyUnreadable) {
		return notApplied(v1alpha1.ConditionReasonSpecUnreadable,
			"PasswordPolicy %q cannot judge a password: %v. Have them set anew.", s.policy.Policy.Name, rp.missing)
	}
	return notApplied(v1alpha1.ConditionReasonDenyListNotFound,
		"PasswordPolicy %q cannot judge a password: %v. Create it, or take it out of the policy.", s.policy.Policy.Name, rp.missing)
}

// evaluateReset tells a revision without a new password from a new password, and judges the latter. As a rule it is a new one, and
// the sessions of the old one go on until that is recorded: so it is judged and hashed while it is compared.
func (r *Reconciler) evaluateReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, rp resetPolicy) (account.Credential, error) {
	if !mayBeApplied(s, c) {
		return r.judgeReset(ctx, s, c, source, password, rp)
	}
	var (
		same      bool
		comparing errgroup.Group
	)
	comparing.Go(func() (err error) {
		same, err = r.hasher.Verify(ctx, c.Reset.AppliedHash, password.Text())
		return err
	})
	judged, failed := r.judgeReset(ctx, s, c, source, password, rp)
	err := comparing.Wait()
	switch {
	case errors.Is(err, hash.ErrMalformed), errors.Is(err, hash.ErrTooCostly):
		s.reset = notApplied(v1alpha1.ConditionReasonCredentialInvalid,
			"The hash of the last reset, in Secret %q of credentials, cannot be verified (%v), so a new password cannot be told from the old one. Set spec.password.resetTime to apply the Secret's.", s.credentialName, err)
		return c, nil
	case err != nil:
		return c, fmt.Errorf("verify password: %w", err)
	case same:
		s.reset = nil // Whatever was found about it: it is in force already.
		return s.rules.NoteRevision(c, source), nil
	}
	return judged, failed
}

// judgeReset judges a new password by its content, and hashes it. What the account's person has or had as a password is not
// compared with it: whoever may write the Secret could guess at that, and would be told.
func (r *Reconciler) judgeReset(ctx context.Context, s *scope, c account.Credential, source account.Source, password policy.Password, rp resetPolicy) (account.Credential, error) {
	if rp.missing != nil {
		s.reset = cannotJudge(s, rp)
		return c, nil
	}
	if unmet := unmetByReset(s, password, rp.lists); len(unmet) > 0 {
		return s.rules.RejectReset(c, source, rp.fingerprint, unmet), nil
	}
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
func unmetByReset(s *scope, password policy.Password, lists []*policy.DenyList) []policy.RequirementID {
	var unmet []policy.RequirementID
	content := policy.Content(s.policy.Policy.Evaluate(password, directory.SubjectOf(s.account), lists...))
	for _, requirement := range policy.Unmet(content) {
		unmet = append(unmet, requirement.ID)
	}
	return unmet
}

// standingReset tells what became of the revision that was last looked at.
func standingReset(s *scope, c account.Credential) *resetResult {
	switch {
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

// passwordSecret finds the metadata of the Secret. The cache holds password Secrets only; one that is not in it is
// looked up live, to tell one that is missing from one of another type.
func (r *Reconciler) passwordSecret(ctx context.Context, s *scope) (*metav1.ObjectMeta, error) {
	name := s.account.Spec.Password.SecretRef.Name
	key := types.NamespacedName{Namespace: s.account.Namespace, Name: name}
	cached := &metav1.PartialObjectMetadata{}
	cached.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.client.Get(ctx, key, cached)
	if err == nil {
		return &cached.ObjectMeta, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	return r.liveSecret(ctx, s, key)
}

// liveSecret looks the metadata of a Secret up live. Where it is missing or of another type, that is the result and it
// returns nil; the content of a Secret of another type is never asked for. Whether it is there is asked first: one that is
// created in between must not be told to be of another type.
func (r *Reconciler) liveSecret(ctx context.Context, s *scope, key types.NamespacedName) (*metav1.ObjectMeta, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.live.Get(ctx, key, found)
	if apierrors.IsNotFound(err) {
		s.reset = secretNotFound(key.Name)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	usable := &metav1.PartialObjectMetadataList{}
	usable.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err = r.live.List(ctx, usable, client.InNamespace(key.Namespace), client.MatchingFields{
		metav1.ObjectNameField: key.Name, "type": string(v1alpha1.SecretTypePassword),
	})
	if err != nil {
		return nil, fmt.Errorf("look up Secret: %w", err)
	}
	if len(usable.Items) == 0 {
		s.reset = secretNotUsable(key.Name)
		return nil, nil
	}
	return &usable.Items[0].ObjectMeta, nil
}

func secretNotFound(name string) *resetResult {
	return notApplied(v1alpha1.ConditionReasonSecretNotFound,
		"Secret %q does not exist in this namespace. The password is applied when it does.", name)
}

func secretNotUsable(name string) *resetResult {
	return notApplied(v1alpha1.ConditionReasonSecretNotUsable,
		"Secret %q is not of type %s, so it is not read. Delete it and create it with that type.", name, v1alpha1.SecretTypePassword)
}

// readSecret reads the Secret live, whose metadata said that it can be used. Where it is gone since, or of another type,
// that is the result and it returns nil.
func (r *Reconciler) readSecret(ctx context.Context, s *scope, key types.NamespacedName) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	switch err := r.live.Get(ctx, key, secret); {
	case apierrors.IsNotFound(err):
		s.reset = secretNotFound(key.Name)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Secret: %w", err)
	case secret.Type != v1alpha1.SecretTypePassword:
		s.reset = secretNotUsable(key.Name)
		return nil, nil
	}
	return secret, nil
}

// readPassword reads the declared password, live. Where there is none that could be one, that is the result.
func (r *Reconciler) readPassword(ctx context.Context, s *scope) (account.Source, policy.Password, error) {
	ref := s.account.Spec.Password.SecretRef
	secret, err := r.readSecret(ctx, s, types.NamespacedName{Namespace: s.account.Namespace, Name: ref.Name})
	if err != nil || secret == nil {
		return account.Source{}, policy.Password{}, err
	}
	value, found := secret.Data[ref.Key]
	if !found {
		s.reset = notApplied(v1alpha1.ConditionReasonKeyNotFound, "Secret %q has no key %q.", ref.Name, ref.Key)
		return account.Source{}, policy.Password{}, nil
	}
	if len(value) > policy.MaxBytes {
		s.reset = notApplied(v1alpha1.ConditionReasonValueInvalid,
			"The value of key %q in Secret %q has more than %d bytes.", ref.Key, ref.Name, policy.MaxBytes)
		return account.Source{}, policy.Password{}, nil
	}
	text, trimmed := trimNewline(string(value))
	password, err := policy.Prepare(text)
	if err != nil {
		s.reset = notApplied(v1alpha1.ConditionReasonValueInvalid,
			"The value of key %q in Secret %q cannot be a password: %v.", ref.Key, ref.Name, err)
		return account.Source{}, policy.Password{}, nil
	}
	s.trimmed = trimmed
	return account.Source{
		SecretName: ref.Name, Key: ref.Key, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion,
	}, password, nil
}

// trimNewline leaves out one newline at the end, which pipelines add by accident.
func trimNewline(value string) (string, bool) {
	n := len(value)
	if n == 0 || value[n-1] != '\n' {
		return value, false
	}
	n--
	if n > 0 && value[n-1] == '\r' {
		n--
	}
	return value[:n], true
}

func newAccountID() string { return hex.EncodeToString(random(accountIDSize)) }

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // Never fails, says its documentation.
	return b
}
