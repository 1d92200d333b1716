package account

import (
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// Unusable is why a revision of a Secret has nothing that could be a password.
type Unusable string

// The values of Unusable. They are stored.
const (
	// UnusableKeyNotFound: the Secret does not have the key.
	UnusableKeyNotFound Unusable = "keyNotFound"
	// UnusableTooLong: the value has more than policy.MaxBytes.
	UnusableTooLong Unusable = "tooLong"
	// UnusableEmpty: the value is empty.
	UnusableEmpty Unusable = "empty"
	// UnusableNotUTF8: the value is not text in UTF-8.
	UnusableNotUTF8 Unusable = "notUTF8"
	// UnusableDisallowed: the value has a character that no password may have.
	UnusableDisallowed Unusable = "disallowed"
)

// UnusableReasons are all values of Unusable.
var UnusableReasons = []Unusable{UnusableKeyNotFound, UnusableTooLong, UnusableEmpty, UnusableNotUTF8, UnusableDisallowed}

// ConditionReason is the reason of the condition PasswordApplied that tells of it.
func (u Unusable) ConditionReason() string {
	if u == UnusableKeyNotFound {
		return v1alpha1.ConditionReasonKeyNotFound
	}
	return v1alpha1.ConditionReasonValueInvalid
}

// PasswordSecret returns which Secret hands out the account's password; nil where none is named, or where the password is
// kept elsewhere.
func (r Rules) PasswordSecret() *v1alpha1.PasswordSecretReference {
	if r.Spec.Password == nil || r.IsExternal() {
		return nil
	}
	return r.Spec.Password.SecretRef
}

// ResetDue tells whether the Secret has to be looked at: it, the key, its revision or resetTime are not as they were at
// the last look, or the policy that then rejected it has changed. While it is false nothing is read and nothing hashed.
// After a rejection a resetTime that was taken back counts too: what it asked for is not rejected any more.
// A rejection for the sake of former passwords, which earlier versions made, does not stand: the Secret is judged again.
// A rejection from before a reset by hand stands until there is another revision, or a resetTime that the reset by hand has not handled.
func (r Rules) ResetDue(c Credential, source Source, fingerprint string) bool {
	if c.Reset.Superseded {
		return c.Reset.Source != source || r.ResetRequested(c)
	}
	return c.Reset.Source != source ||
		(r.ResetRequested(c) && !c.Reset.ResetTime.Equal(r.resetTime())) ||
		(len(c.Reset.Rejected) > 0 && (c.Reset.RejectedPolicy != fingerprint || !c.Reset.ResetTime.Equal(r.lookedAt()))) ||
		slices.ContainsFunc(c.Reset.Rejected, IsOnFormerPasswords)
}

// IsOnFormerPasswords tells whether a requirement is about the passwords that the person has or had. A reset is neither held
// to those requirements nor told of them.
func IsOnFormerPasswords(id policy.RequirementID) bool {
	return id == policy.RequirementHistory || id == policy.RequirementNotCurrent
}

// ResetRequested tells whether resetTime asks for the Secret's password to be applied again.
func (r Rules) ResetRequested(c Credential) bool {
	return r.Spec.Password != nil && r.due(r.Spec.Password.ResetTime, c.Handled.Reset)
}

// AppliedAndGone tells whether a Secret that is not there any more may be missing: it is the one that was last looked at, what
// it had under the key is what was last applied, and nobody asks for it again. Taking a plaintext away once it has been applied
// is what one should do.
func (r Rules) AppliedAndGone(c Credential, secretName, key string) bool {
	return c.Reset.Source.SecretName == secretName && c.Reset.Source.Key == key &&
		c.Reset.AppliedHash != "" && len(c.Reset.Rejected) == 0 && c.Reset.Unusable == "" && !r.ResetRequested(c)
}

// ComparesRefused tells whether content that the policy refuses may be compared with what was last applied. The answer to a
// comparison tells who wrote the content whether it was that password, and refused content costs nothing to write. So it is compared only
// under the policyRef that the account had then, and only while the last look found what was applied: after one that was refused,
// content is compared again once it meets the policy. Callers leave out content that only editable words (displayName, email) refuse.
func (r Rules) ComparesRefused(c Credential) bool {
	known := c.Reset.AppliedPolicyRef
	return (known == "" || known == r.policyRef()) && len(c.Reset.Rejected) == 0 && c.Reset.Unusable == ""
}

// noPolicyRef stands for no policyRef in Reset.AppliedPolicyRef. It can be no policy's name.
const noPolicyRef = "-"

func (r Rules) policyRef() string {
	if r.Spec.PolicyRef == nil {
		return noPolicyRef
	}
	return r.Spec.PolicyRef.Name
}

// Reset applies a handed-out password: it lifts a lockout, ends all sessions and, if the policy says so and the person
// may, makes the person change it.
func (r Rules) Reset(c Credential, source Source, encoded hash.Encoded, digests Digests) Credential {
	p := Password{Hash: encoded, SetTime: r.Now, SetBy: v1alpha1.SetByReset, MustChange: r.mustChangeAfterReset(c)}
	c = r.setPassword(c, p, digests)
	if r.ResetRequested(c) {
		c.Handled.Reset = r.resetTime()
	}
	c.Reset = Reset{Source: source, ResetTime: r.lookedAt(), AppliedHash: encoded, AppliedPolicyRef: r.policyRef()}
	return c
}

// mustChangeAfterReset returns why the new password must be changed. Somebody who has not changed the first password yet still logs in
// for the first time. A change that an administrator has requested stays requested: an administrator who hands out a password and
// requests a change at once means the new password, whichever of the two is handled first.
func (r Rules) mustChangeAfterReset(c Credential) v1alpha1.MustChangeReason {
	initial := c.Password.isInitial()
	switch {
	case r.ChangeForbidden():
		return ""
	case initial && r.Policy.ChangeOnInitialLogin:
		return v1alpha1.MustChangeInitialLogin
	case !initial && r.Policy.ChangeOnReset:
		return v1alpha1.MustChangeReset
	case c.Password.MustChange == v1alpha1.MustChangeRequested:
		return v1alpha1.MustChangeRequested
	default:
		return ""
	}
}

// NoteRevision records that a revision of the Secret holds what was last applied.
func (r Rules) NoteRevision(c Credential, source Source) Credential {
	c.Reset = Reset{Source: source, ResetTime: r.lookedAt(), AppliedHash: c.Reset.AppliedHash, AppliedPolicyRef: r.policyRef()}
	return c
}

// RejectReset records that a revision of the Secret does not meet the policy. The password in force stays.
func (r Rules) RejectReset(c Credential, source Source, fingerprint string, unmet []policy.RequirementID) Credential {
	c.Reset = Reset{
		Source: source, ResetTime: r.lookedAt(), AppliedHash: c.Reset.AppliedHash, AppliedPolicyRef: c.Reset.AppliedPolicyRef,
		Rejected: unmet, RejectedPolicy: fingerprint,
	}
	return c
}

// notJudged stands among the requirements that are not met for a revision that could not be judged yet. An earlier version takes it for
// a rejection by another policy, and looks again.
const notJudged policy.RequirementID = "notJudged"

// DeferReset records that a revision of the Secret does not hold what was last applied, and cannot be judged yet. It is judged as
// soon as that is possible, whatever policy applies then.
func (r Rules) DeferReset(c Credential, source Source) Credential {
	return r.RejectReset(c, source, "", []policy.RequirementID{notJudged})
}

// Deferred tells whether the revision that was last looked at could not be judged.
func (r Reset) Deferred() bool { return slices.Contains(r.Rejected, notJudged) }

// RejectUnusable records that a revision of the Secret has nothing that could be a password. The password in force stays.
// No policy changes that, so that a change of the policy is no reason to look again.
func (r Rules) RejectUnusable(c Credential, source Source, why Unusable) Credential {
	c.Reset = Reset{
		Source: source, ResetTime: r.lookedAt(), AppliedHash: c.Reset.AppliedHash, AppliedPolicyRef: c.Reset.AppliedPolicyRef,
		Unusable: why,
	}
	return c
}

// lookedAt is the resetTime of this look at the Secret; one in the future has not been looked at.
func (r Rules) lookedAt() time.Time {
	if t := r.resetTime(); !t.After(r.Now) {
		return t
	}
	return time.Time{}
}

func (r Rules) resetTime() time.Time {
	if r.Spec.Password == nil {
		return time.Time{}
	}
	return instant(r.Spec.Password.ResetTime)
}
