package account

import (
	"reflect"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// Credential is everything about an account that decides whether a login succeeds and that changes at run time. It is
// a value: rules never change the one they are given, and what is inside a slice is never written to. Instants are in
// UTC without a monotonic reading; the zero time means never.
type Credential struct {
	// AccountID is 128 random bits in hex: the subject of the account's tokens. It outlives a restore, a username
	// does not tell it, and an account that is created again under an old name has another.
	AccountID string

	// Owner is the UserAccount that this credential belongs to.
	Owner Owner

	// CreatedTime is when the credential was created.
	CreatedTime time.Time

	// Password in force; the zero value where there is none.
	Password Password

	// History holds digests of the passwords that were set, so that they cannot come back.
	History History

	// Failures since the last right password, unlock or reset.
	Failures Failures
	// Devices are the failures from devices that have logged in before, each counted on its own; at most MaxDevices.
	Devices []DeviceFailures

	// UnnotifiedFailures counts the failures that were cleared, for example by an unlock, before the person was notified of them. The
	// answer to the next login or change that is granted has their number.
	UnnotifiedFailures int

	// LastSuccessTime is when a login last succeeded, to within LastSuccessGrain.
	LastSuccessTime time.Time

	// SessionGeneration is raised to end all sessions: a session of a lower one is over.
	SessionGeneration int64

	// EndedSessions are the sessions of this generation that were ended one by one.
	EndedSessions []EndedSession

	// SessionsEnded tells that the sessions of an account that is disabled or has ended were ended already.
	SessionsEnded bool

	// Handled holds, for each kind of request, the latest instant that took effect.
	Handled Requests
	// Acted holds what administrators have done by hand.
	Acted Acts

	// Reset is what became of the Secret that hands out the password.
	Reset Reset

	// External is who the person of an External account is at the provider; zero before that person was first seen there.
	External External

	// OrphanedTime is when the credential was first seen without its account.
	OrphanedTime time.Time
}

// Owner names a UserAccount.
type Owner struct {
	Namespace, Name, UID string
}

// Password is a password in force, and what is known of it.
type Password struct {
	Hash    hash.Encoded
	SetTime time.Time
	SetBy   v1alpha1.PasswordSetter

	// MustChange is why it must be changed, where that was recorded. What time or the policy alone decides (Expired,
	// the policy's changeRequiredTime) is derived and never recorded.
	MustChange v1alpha1.MustChangeReason

	// GraceLoginsUsed counts the logins after it expired.
	GraceLoginsUsed int
}

// IsZero tells that there is no password.
func (p Password) IsZero() bool { return p.Hash == "" }

// isInitial tells whether the person has not chosen a password yet, and so logs in for the first time with the next one that is handed
// out.
func (p Password) isInitial() bool {
	return p.IsZero() || p.MustChange == v1alpha1.MustChangeInitialLogin
}

// History holds digests of the passwords that were set.
type History struct {
	// Salt of the digests, made with the first of them.
	Salt []byte
	// Digests, the newest first. The first is of the password in force, if that was recorded.
	Digests [][]byte
}

// Failures are the failed logins since the last right password, unlock or reset.
type Failures struct {
	// Times of those within the policy's window and after the last lock; oldest first, at most maxFailures of them.
	Times []time.Time
	// Consecutive counts all of them, over all windows and from all devices.
	Consecutive int
	// LockedTime is when the account was last locked by maxFailures.
	LockedTime time.Time
}

// DeviceFailures are the failed logins from one device since the last right password from it.
type DeviceFailures struct {
	// ID of the device: random, from the cookie that it was given at a login.
	ID string
	// Times and LockedTime as of Failures; the lock is that of the device alone.
	Times      []time.Time
	LockedTime time.Time
}

// Requests holds an instant for each kind of one-shot request.
type Requests struct {
	Reset, ChangeRequired, Unlock, SignOut time.Time
}

// Source tells one revision of one key of a Secret.
type Source struct {
	SecretName, Key, UID, ResourceVersion string
}

// Reset is what became of the Secret that hands out the password.
type Reset struct {
	// Source that was last looked at, and the resetTime at that look.
	Source    Source
	ResetTime time.Time

	// AppliedHash is of the password that was last applied: content that verifies against it is not a new reset, even
	// where the person has since chosen another. Empty where none was applied.
	AppliedHash hash.Encoded
	// AppliedPolicyRef is the policyRef that the account had when that password last met the policy: "-" where it had none, and empty
	// where an earlier version has applied it.
	AppliedPolicyRef string

	// Rejected holds the requirements that the last look found unmet; empty where it was not rejected.
	Rejected []policy.RequirementID
	// RejectedPolicy is the fingerprint of the policy that rejected it.
	RejectedPolicy string
	// Unusable is why the last look found nothing that could be a password; empty where it found a password. There is no
	// rejection beside it.
	Unusable Unusable
	// Superseded tells that an administrator has reset the password by hand since a revision was rejected: it is not judged again.
	Superseded bool
}

// Equal tells whether two credentials are the same, so that nothing need be written.
func (c Credential) Equal(other Credential) bool { return reflect.DeepEqual(c, other) }
