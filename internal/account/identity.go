package account

import (
	"cmp"
	"maps"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// OwnerState is what is known of the account that a credential names as its owner.
type OwnerState int

// The values of OwnerState.
const (
	// OwnerUnknown: nobody has looked.
	OwnerUnknown OwnerState = iota
	// OwnerExists: it exists and has this username, as a cache or the API server says.
	OwnerExists
	// OwnerGone: it does not (a live read, not a cache).
	OwnerGone
)

// Identity says what becomes of the credential found under an account's username.
type Identity int

// The values of Identity.
const (
	// IdentityOurs: it is the account's.
	IdentityOurs Identity = iota + 1
	// IdentityAdopt: the account was restored from a backup; the credential becomes its again.
	IdentityAdopt
	// IdentityReplace: it belonged to a former account; a new person never gets the old password.
	IdentityReplace
	// IdentityCheckOwner: it is another account's; look whether that still exists, and ask again.
	IdentityCheckOwner
	// IdentityConflict: it is another account's, which was there first.
	IdentityConflict
	// IdentityWait: the account was restored and its credential is not there yet.
	IdentityWait
	// IdentityCreate: there is none, and there should be, unless another account of this username keeps it (KeepsUsername).
	IdentityCreate
)

// Identify decides what becomes of the credential found under an account's username; found is nil where there is none.
// The annotation on the account has no authority of its own: it never makes another account's credential this one's. One that
// names another account was copied with it, and this account is a new person.
func (r Rules) Identify(account *v1alpha1.UserAccount, found *Owner, owner OwnerState) Identity {
	marked := isMarked(account)
	switch {
	case found == nil && !marked:
		return IdentityCreate
	case found == nil && r.startsAnew(account):
		return IdentityCreate
	case found == nil:
		return IdentityWait
	case found.UID == string(account.UID):
		return IdentityOurs
	case found.Namespace == account.Namespace && found.Name == account.Name && marked:
		return IdentityAdopt
	case found.Namespace == account.Namespace && found.Name == account.Name:
		return IdentityReplace
	case owner == OwnerUnknown:
		return IdentityCheckOwner
	case owner == OwnerExists:
		return IdentityConflict
	default:
		return IdentityReplace
	}
}

// startsAnew tells whether an administrator has asked, since the account was restored and since the last reset that took
// effect, for a password to be handed out.
func (r Rules) startsAnew(account *v1alpha1.UserAccount) bool {
	p := r.Spec.Password
	if p == nil || !r.due(p.ResetTime, account.CreationTimestamp.Time) {
		return false
	}
	handled, found := resetMark(account)
	return !found || handled.before(instant(p.ResetTime))
}

// handledReset is the instant of the last reset that took effect, as the account's annotation bears it. Earlier versions left out fractions
// of a second, so one without a fraction stands for every instant of its second.
type handledReset time.Time

// resetMark reads the annotation; false where the account has none, or text that is no instant.
func resetMark(account *v1alpha1.UserAccount) (handledReset, bool) {
	t, err := time.Parse(time.RFC3339Nano, account.Annotations[v1alpha1.AnnotationResetHandledTime])
	return handledReset(t), err == nil
}

// before tells whether a resetTime is later than what was handled.
func (h handledReset) before(resetTime time.Time) bool {
	return time.Time(h).Before(h.grain(resetTime))
}

// covers tells whether the annotation need not be written anew for a reset that took effect.
func (h handledReset) covers(reset time.Time) bool {
	return time.Time(h).Equal(h.grain(reset))
}

// grain cuts an instant to a second, if that is how exact h is.
func (h handledReset) grain(t time.Time) time.Time {
	if time.Time(h).Nanosecond() == 0 {
		return t.Truncate(time.Second)
	}
	return t
}

// KeepsUsername tells whether another account of the same username keeps it from this one while there is no credential that
// would say whose it is: the other had one, and waits for it to be restored. Of two that had one, or whose mark says so,
// the one that was created first keeps it.
func KeepsUsername(other, account *v1alpha1.UserAccount) bool {
	if !isMarked(other) || other.UID == account.UID {
		return false
	}
	return !isMarked(account) || cmp.Or(
		other.CreationTimestamp.Compare(account.CreationTimestamp.Time), cmp.Compare(other.Name, account.Name)) < 0
}

// markOfAny is the mark of earlier versions, which did not say whose it was. It holds for every account that bears it.
const markOfAny = "true"

// markOf is the mark of an account: its namespace and name, which it keeps when it is restored from a backup.
func markOf(account *v1alpha1.UserAccount) string { return account.Namespace + "/" + account.Name }

// isMarked tells whether an account had a credential. The mark of another account, from which it was copied, says nothing.
func isMarked(account *v1alpha1.UserAccount) bool {
	mark := account.Annotations[v1alpha1.AnnotationInitialized]
	return mark == markOf(account) || mark == markOfAny
}

// HasFormerMark tells of a mark that an earlier version has made. A copy of the account bears it, too.
func HasFormerMark(account *v1alpha1.UserAccount) bool {
	return account.Annotations[v1alpha1.AnnotationInitialized] == markOfAny
}

// Mark returns the annotations that an account with this credential has to bear, beside those of others. A mark of an
// earlier version is renewed where the account has to be written anyway: an upgrade alone writes nothing.
func Mark(account *v1alpha1.UserAccount, c Credential, writesAnyway bool) map[string]string {
	annotations := maps.Clone(account.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	if !isMarked(account) {
		annotations[v1alpha1.AnnotationInitialized] = markOf(account)
		delete(annotations, v1alpha1.AnnotationResetHandledTime) // Copied along with the mark of another account.
	}
	if handled, found := resetMark(account); !c.Handled.Reset.IsZero() && (!isMarked(account) || !found || !handled.covers(c.Handled.Reset)) {
		annotations[v1alpha1.AnnotationResetHandledTime] = c.Handled.Reset.Format(time.RFC3339Nano)
	}
	if writesAnyway || !maps.Equal(annotations, account.Annotations) {
		annotations[v1alpha1.AnnotationInitialized] = markOf(account)
	}
	return annotations
}

// OwnerOf names an account as an owner.
func OwnerOf(account *v1alpha1.UserAccount) Owner {
	return Owner{Namespace: account.Namespace, Name: account.Name, UID: string(account.UID)}
}

// Adopt makes a credential the restored account's. The deletion ended all sessions, and they stay over.
func Adopt(c Credential, account *v1alpha1.UserAccount) Credential {
	c.Owner, c.OrphanedTime = OwnerOf(account), time.Time{}
	c.SessionGeneration++
	return c
}

// Succeed returns the credential of a new person in the place of a former owner's. It begins at a higher session
// generation: the Secret, which sessions name, stays the same object.
func (r Rules) Succeed(former Credential, owner Owner, accountID string) Credential {
	c := r.New(owner, accountID)
	c.SessionGeneration = former.SessionGeneration + 1
	return c
}
