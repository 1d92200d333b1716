package login

import (
	"errors"
	"fmt"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

var (
	// ErrInvalidCredentials means that the username is unknown or the password wrong. It does not say which.
	ErrInvalidCredentials = errors.New("username or password is wrong")
	// ErrSubjectMismatch means that the name belongs to another entry of a directory than the account is bound to. It is an ErrInvalidCredentials, which
	// is all that the person is told; administrators have to know.
	ErrSubjectMismatch = fmt.Errorf("%w: the name belongs to another entry", ErrInvalidCredentials)
	// ErrOverloaded means that there are more attempts than can be hashed, or may wait behind others on their accounts; try again soon.
	ErrOverloaded = errors.New("too many logins at once")
	// ErrUnavailable means that it cannot be known, or not recorded, whether the login is right. It is refused.
	ErrUnavailable = errors.New("login is not possible at present")
)

// TooManyAttemptsError refuses an attempt without looking at the password.
type TooManyAttemptsError struct {
	// RetryAfter is when another attempt makes sense; zero where an administrator has to unlock the account.
	RetryAfter time.Duration
}

func (e *TooManyAttemptsError) Error() string { return "too many attempts" }

// ChangeRequiredError refuses a login with the right password: it serves to choose a new one only.
type ChangeRequiredError struct {
	Reason       v1alpha1.MustChangeReason
	Requirements []policy.Requirement
	// Words are the account's own.
	Words []string
}

func (e *ChangeRequiredError) Error() string { return "password change required: " + string(e.Reason) }

// AccountUnavailableError refuses a login or a change with the right password.
type AccountUnavailableError struct {
	Reason v1alpha1.StandingReason
	// Provider verifies the account; nil where Keyturn does.
	Provider *v1alpha1.IdentityProvider
}

func (e *AccountUnavailableError) Error() string { return "account unavailable: " + string(e.Reason) }

// Reasons of ChangeForbiddenError.
const (
	// ChangeForbidden: the account may not change its password.
	ChangeForbidden = "ChangeForbidden"
	// External: the password is kept elsewhere.
	External = "External"
	// PasswordTooYoung: it was set too short a time ago.
	PasswordTooYoung = "PasswordTooYoung"
)

// ChangeForbiddenError refuses a change with the right current password.
type ChangeForbiddenError struct {
	Reason string
	// NotBefore is when a change will be possible; zero where it will not.
	NotBefore time.Time
	// Provider keeps the password; nil where Keyturn does.
	Provider *v1alpha1.IdentityProvider
}

func (e *ChangeForbiddenError) Error() string { return "password change forbidden: " + e.Reason }

// ProviderError is why an attempt on an account that a provider verifies was not granted. It says which these are, for metrics and the audit log: the
// answer to a wrong password must not.
type ProviderError struct {
	Provider *v1alpha1.IdentityProvider
	Account  *v1alpha1.UserAccount
	Cause    error
}

func (e *ProviderError) Error() string { return "account of an identity provider: " + e.Cause.Error() }

// Unwrap returns the error that the attempt would be refused with if Keyturn kept the password.
func (e *ProviderError) Unwrap() error { return e.Cause }

// PasswordRejectedError refuses a new password.
type PasswordRejectedError struct {
	Results []policy.Result
	// Requirements are all of the account's policy, which Results may not get to; Words are the account's own.
	Requirements []policy.Requirement
	Words        []string
}

func (e *PasswordRejectedError) Error() string { return "new password does not meet the requirements" }
