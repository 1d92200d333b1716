package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/login"
)

// retrySoon is told where a moment later it may work.
const retrySoon = 2 * time.Second

// addressThrottledError refuses an attempt for those before it that came from the same address.
type addressThrottledError struct{ retryAfter time.Duration }

func (e *addressThrottledError) Error() string { return "too many failed attempts from one address" }

// reasonAddressThrottled is the audit log's.
const reasonAddressThrottled = "AddressThrottled"

// auditReason is the reason that the audit log tells, of this problem.
func (p *problem) auditReason() string {
	if _, ok := errors.AsType[*addressThrottledError](p.cause); ok {
		return reasonAddressThrottled
	}
	return p.Reason
}

// isFailure tells whether an attempt counts against its address: the password was wrong, or was not looked at because too
// many before it were. Whoever knew the password, or could not be answered, has not failed.
func (p *problem) isFailure() bool {
	return p.id == problemInvalidCredentials || p.id == problemTooManyAttempts
}

// refusalOf turns what an attempt was refused for into the problem that a person is told.
func refusalOf(err error) *problem {
	p := problemOf(err)
	p.cause = err
	return p
}

func problemOf(err error) *problem {
	if errors.Is(err, login.ErrInvalidCredentials) {
		return newProblem(http.StatusUnauthorized, problemInvalidCredentials, "The username or the password is wrong",
			"Check the organisation, the username and the password. Too many wrong passwords lock an account.")
	}
	if e, ok := errors.AsType[*login.TooManyAttemptsError](err); ok {
		return tooManyAttempts(e)
	}
	if e, ok := errors.AsType[*addressThrottledError](err); ok {
		p := newProblem(http.StatusTooManyRequests, problemTooManyAttempts, "Too many attempts",
			"Too many logins from your address have failed. Wait until the time in Retry-After is over, then try again.")
		p.retryAfter = e.retryAfter
		return p
	}
	if e, ok := errors.AsType[*login.ChangeRequiredError](err); ok {
		p := newProblem(http.StatusForbidden, problemChangeRequired, "The password must be changed", changeReason(e.Reason))
		p.Reason, p.Requirements = string(e.Reason), e.Requirements
		return p
	}
	if e, ok := errors.AsType[*login.AccountUnavailableError](err); ok {
		p := newProblem(http.StatusForbidden, problemAccountUnavailable, "The account cannot be used", unavailableReason(e.Reason))
		p.Reason = string(e.Reason)
		return p
	}
	if e, ok := errors.AsType[*login.ChangeForbiddenError](err); ok {
		return changeForbidden(e)
	}
	if e, ok := errors.AsType[*login.PasswordRejectedError](err); ok {
		p := newProblem(http.StatusUnprocessableEntity, problemPasswordRejected, "The new password does not meet the requirements",
			"Choose another one that meets every requirement. The current password stays in force.")
		p.Requirements = e.Results
		return p
	}
	if errors.Is(err, login.ErrUnavailable) {
		return unavailable()
	}
	// ErrOverloaded, or the attempt waited too long for its turn, or the caller has gone.
	p := newProblem(http.StatusServiceUnavailable, problemOverloaded, "Too many people are logging in at once",
		"Wait a few seconds and try again.")
	p.retryAfter = retrySoon
	return p
}

func unavailable() *problem {
	p := newProblem(http.StatusServiceUnavailable, problemUnavailable, "Logging in is not possible at present",
		"That has nothing to do with your password. Try again in a moment. If it lasts, tell an administrator.")
	p.retryAfter = retrySoon
	return p
}

func tooManyAttempts(e *login.TooManyAttemptsError) *problem {
	detail := "Wait until the time in Retry-After is over, then try again, or ask an administrator to unlock the account."
	if e.RetryAfter == 0 {
		detail = "Ask an administrator to unlock the account."
	}
	p := newProblem(http.StatusTooManyRequests, problemTooManyAttempts, "Too many attempts", detail)
	p.retryAfter = e.RetryAfter
	return p
}

func changeForbidden(e *login.ChangeForbiddenError) *problem {
	detail := "You may not change this password. Ask an administrator to reset it."
	if e.Reason == login.PasswordTooYoung {
		detail = "The password was changed only a short time ago. Change it after " +
			e.NotBefore.UTC().Format("2 January 2006, 15:04 MST") + ", or ask an administrator to reset it."
	}
	p := newProblem(http.StatusForbidden, problemChangeForbidden, "The password cannot be changed", detail)
	p.Reason, p.NotBefore = e.Reason, e.NotBefore
	return p
}

// changeReason says why a password must be changed, and how.
func changeReason(reason v1alpha1.MustChangeReason) string {
	why := "The password you gave is right."
	switch reason {
	case v1alpha1.MustChangeInitialLogin:
		why = "This is your first login, with a password that was handed out."
	case v1alpha1.MustChangeReset:
		why = "An administrator has reset your password."
	case v1alpha1.MustChangeRequested:
		why = "An administrator asks you to change your password."
	case v1alpha1.MustChangeExpired:
		why = "Your password has expired."
	case v1alpha1.MustChangePolicyChanged:
		why = "The rules for passwords have changed since you set yours."
	}
	return why + " Choose a new one, with POST /api/v1/password, and you are logged in."
}

// unavailableReason says why an account cannot be used, and who can help.
func unavailableReason(reason v1alpha1.StandingReason) string {
	switch reason {
	case v1alpha1.ReasonAccountDisabled:
		return "The account is disabled. Ask an administrator to enable it."
	case v1alpha1.ReasonAccountNotStarted:
		return "The account is not valid yet. Ask an administrator when it will be."
	case v1alpha1.ReasonAccountEnded:
		return "The account has ended. Ask an administrator to extend it."
	case v1alpha1.ReasonPasswordLapsed:
		return "The password that was handed out was not changed in time. Ask an administrator for a new one."
	case v1alpha1.ReasonIdle:
		return "The account is locked because nobody has logged in for a long time. Ask an administrator to unlock it."
	case v1alpha1.StandingReason(v1alpha1.StandingResetRequired):
		return "The password has to be replaced, and you may not change it yourself. Ask an administrator to reset it."
	}
	return "Ask an administrator."
}
