package account

import (
	"crypto/subtle"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
)

// MayChange decides whether a person who has proven the current password may choose a new one. Outcome Granted means yes,
// whatever the new password is like. The credential that it returns is to be written, if it differs, whatever the answer.
// The caller has refused what AttemptLock refuses, before the password was looked at.
func (r Rules) MayChange(c Credential, p Proven) (Credential, Answer) {
	if r.isStranger(c, p) {
		return r.refuseStranger(c, p)
	}
	c, answer := r.recordSuccess(c, p)
	s := r.Standing(c)
	answer.PasswordExpires = s.PasswordExpires
	switch {
	case p.RefusedElsewhere != "" && UnavailableReason(r.Spec, r.Now) == "":
		answer.Outcome, answer.Reason = Unavailable, p.RefusedElsewhere
	case r.ChangeForbidden() && UnavailableReason(r.Spec, r.Now) == "":
		answer.Outcome = ChangeForbidden
	case s.Standing == v1alpha1.StandingActive && r.tooYoung(c):
		answer.Outcome, answer.NotBefore = TooYoung, c.Password.SetTime.Add(r.Policy.MinAge)
	case s.Standing == v1alpha1.StandingActive, s.Standing == v1alpha1.StandingChangeRequired,
		s.Reason == v1alpha1.ReasonGraceLogin, s.Reason == v1alpha1.ReasonPasswordExpired:
		answer.Outcome, answer.MustChange = Granted, s.MustChange
	default:
		answer.Outcome, answer.Reason = Unavailable, s.Reason
	}
	return c, answer
}

func (r Rules) tooYoung(c Credential) bool {
	return r.Policy.MinAge > 0 && !c.Password.SetTime.IsZero() && c.Password.SetTime.Add(r.Policy.MinAge).After(r.Now)
}

// Digests are history digests made for a new password. Both are empty where the policy keeps no history.
type Digests struct {
	// Salt that they were made with: the history's, or a new one where it had none.
	Salt []byte
	// New password's digest.
	New []byte
	// Current password's digest, where its plaintext is known and the history does not have it yet.
	Current []byte
}

// Change sets the password that the person has chosen. It ends all sessions but the one that the caller is about to get.
func (r Rules) Change(c Credential, encoded hash.Encoded, digests Digests) Credential {
	c = r.setPassword(c, Password{Hash: encoded, SetTime: r.Now, SetBy: v1alpha1.SetByUser}, digests)
	c.LastSuccessTime = r.Now
	c.UnnotifiedFailures = 0 // The answer of MayChange has their number.
	return c
}

// setPassword puts a new password in force: it clears the failures, ends all sessions and extends the history.
func (r Rules) setPassword(c Credential, p Password, digests Digests) Credential {
	c.Password = p
	c = c.clearFailures()
	c = EndSessions(c)
	c.History = c.History.with(digests, r.Policy.HistoryCount)
	return c
}

// HasDigest tells whether one of the last count previous passwords, or the one in force, has the digest.
func (h History) HasDigest(digest []byte, count int) bool {
	for i, d := range h.Digests {
		if i <= count && subtle.ConstantTimeCompare(d, digest) == 1 {
			return true
		}
	}
	return false
}

// with returns a history that begins with the new password. It keeps count previous ones besides.
func (h History) with(d Digests, count int) History {
	if len(d.New) == 0 {
		// The policy keeps no history: what was kept would tell nothing of the passwords in between.
		return History{}
	}
	next := History{Salt: d.Salt, Digests: [][]byte{d.New}}
	if len(d.Current) > 0 {
		next.Digests = append(next.Digests, d.Current)
	}
	next.Digests = append(next.Digests, h.Digests...)
	if len(next.Digests) > count+1 {
		next.Digests = next.Digests[:count+1]
	}
	return next
}
