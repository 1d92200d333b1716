package account

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Outcome is the next step after a proof of identity.
type Outcome int

// The values of Outcome.
const (
	// Granted: a session begins; of a change: the password may be changed.
	Granted Outcome = iota + 1
	// ChangeRequired: the password serves to choose a new one only.
	ChangeRequired
	// Unavailable: the account cannot be used; the reason tells.
	Unavailable
	// ChangeForbidden (of a change): the person may not change the password.
	ChangeForbidden
	// TooYoung (of a change): the password was set too short a time ago.
	TooYoung
)

// Answer is the answer to somebody who has proven who they are.
type Answer struct {
	Outcome Outcome

	// Reason of Unavailable.
	Reason v1alpha1.StandingReason
	// MustChange is the reason of ChangeRequired.
	MustChange v1alpha1.MustChangeReason
	// NotBefore, of TooYoung, is when the password may be changed.
	NotBefore time.Time

	// PasswordExpires is when the password ceases to log in as it is; zero: never.
	PasswordExpires time.Time
	// WarnExpiry: PasswordExpires is near, or past with grace logins left.
	WarnExpiry bool
	// GraceLogin: the password has expired, and this login used up one of the grace logins.
	GraceLogin bool
	// GraceLoginsLeft after this login.
	GraceLoginsLeft int
	// FailuresBefore is the number of failed logins since the last login or change that was granted; LastSuccessTime is when
	// that was.
	FailuresBefore  int
	LastSuccessTime time.Time
}

// Compliance tells whether a password that was just verified meets the policy, history and age aside.
type Compliance int

// The values of Compliance.
const (
	// ComplianceUnknown: it was not, or could not be, evaluated.
	ComplianceUnknown Compliance = iota
	// Compliant: it meets the policy.
	Compliant
	// NotCompliant: it does not.
	NotCompliant
)

// Reasons of Unavailable for accounts whose password is kept elsewhere.
const (
	// ReasonNotDeclared: the account is not declared to be that of the person whom a provider asserts, such as one that keeps its password
	// here.
	ReasonNotDeclared v1alpha1.StandingReason = "NotDeclared"
)

// Proven is what the rules know of a proof of identity (see package authn).
type Proven struct {
	// Compliance of the password that was given.
	Compliance Compliance
	// RefusedElsewhere is why the system that keeps the password does not let the person log in, although the password is
	// right; empty where it does.
	RefusedElsewhere v1alpha1.StandingReason
	// Asserted: an identity provider or a ticket says who it is, and no password was given. That clears no failures, and no
	// lock by wrong passwords stands in its way. It lets nobody in but whom the account declares (External).
	Asserted bool
	// External is who the provider says it is; zero for a local password.
	External External
}

// NextStep says what follows when somebody has proven who they are: a session (Granted), a change of the password
// (ChangeRequired), or nothing (Unavailable). It is the only function that decides this, for every kind of proof. The credential
// that it returns is to be written, if it differs, before the answer is given. The caller has refused what AttemptLock
// refuses, before a password was looked at.
func (r Rules) NextStep(c Credential, p Proven) (Credential, Answer) {
	if r.isStranger(c, p) {
		return r.refuseStranger(c, p)
	}
	c, answer := r.recordSuccess(c, p)
	standing := r
	if p.Asserted {
		standing.Policy.MaxFailures, standing.Policy.MaxConsecutiveFailures = 0, 0
	}
	s := standing.Standing(c)
	answer.PasswordExpires = s.PasswordExpires
	switch s.Standing {
	case v1alpha1.StandingActive:
		answer.Outcome = Granted
	case v1alpha1.StandingExpired, v1alpha1.StandingChangeRequired:
		switch s.Reason {
		case v1alpha1.ReasonGraceLogin:
			c.Password.GraceLoginsUsed++
			answer.Outcome, answer.GraceLogin, answer.GraceLoginsLeft = Granted, true, r.graceLoginsLeft(c)
		case v1alpha1.ReasonAccountEnded, v1alpha1.ReasonPasswordLapsed:
			answer.Outcome, answer.Reason = Unavailable, s.Reason
		default:
			answer.Outcome, answer.MustChange = ChangeRequired, s.MustChange
		}
	default:
		answer.Outcome, answer.Reason = Unavailable, s.Reason
		if s.Standing == v1alpha1.StandingResetRequired {
			answer.Reason = v1alpha1.StandingReason(v1alpha1.StandingResetRequired)
		}
	}
	if answer.Outcome == Granted && p.RefusedElsewhere != "" {
		answer.Outcome, answer.Reason = Unavailable, p.RefusedElsewhere
	}
	if answer.Outcome != Granted {
		return c, answer
	}
	c = r.recordExternal(c, p.External)
	c.UnnotifiedFailures = 0 // The answer has their number.
	answer.WarnExpiry = answer.GraceLogin || r.expiresSoon(s.PasswordExpires)
	if r.Now.Sub(c.LastSuccessTime).Abs() >= LastSuccessGrain {
		c.LastSuccessTime = r.Now
	}
	return c, answer
}

// recordSuccess is what every proof does: requests take effect, failures are cleared, what the directory says of its person is recorded, and a password that no longer meets a
// policy that is enforced is recorded as one to be changed.
func (r Rules) recordSuccess(c Credential, p Proven) (Credential, Answer) {
	c = r.ApplyRequests(c)
	if !p.Asserted {
		c = r.clearFailuresOfOrigin(c)
	}
	c = r.recordState(c, p)
	answer := Answer{FailuresBefore: c.UnnotifiedFailures, LastSuccessTime: c.LastSuccessTime}
	if r.Policy.EnforceExisting && p.Compliance == NotCompliant && c.Password.MustChange == "" {
		c.Password.MustChange = v1alpha1.MustChangePolicyChanged
	}
	return c, answer
}

// Notice is what somebody who is logged in should know of the password's end.
type Notice struct {
	// WarnExpiry: it is near, or past.
	WarnExpiry bool
	// Expired: it is past, and GraceLoginsLeft is how many logins are left.
	Expired         bool
	GraceLoginsLeft int
}

// Notice tells of the password's end at any time after the login, as the login's answer did.
func (r Rules) Notice(c Credential) Notice {
	s := r.Standing(c)
	expired := s.MustChange == v1alpha1.MustChangeExpired
	return Notice{WarnExpiry: expired || r.expiresSoon(s.PasswordExpires), Expired: expired, GraceLoginsLeft: r.graceLoginsLeft(c)}
}

func (r Rules) expiresSoon(expires time.Time) bool {
	return !expires.IsZero() && r.Policy.ExpiryWarning > 0 && expires.Sub(r.Now) <= r.Policy.ExpiryWarning
}
