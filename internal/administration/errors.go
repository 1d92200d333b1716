package administration

import (
	"errors"

	"github.com/keyturn/keyturn/internal/permission"
	"github.com/keyturn/keyturn/internal/policy"
)

var (
	// ErrNotFound: there is no such account, or the actor may not see it. It does not say which.
	ErrNotFound = errors.New("account not found")
	// ErrSessionOver: the actor's session has ended, or the actor's account is not valid any more.
	ErrSessionOver = errors.New("the session is over")
	// ErrProofTooOld: the actor has to give the password again.
	ErrProofTooOld = errors.New("the actor has proved too long ago who they are")
	// ErrUnavailable: it cannot be known, or not be written, what is asked for. Nothing has changed.
	ErrUnavailable = errors.New("accounts cannot be administered at present")
	// ErrUncertain: the API server did not answer a write, which may have been carried out, or may still be.
	ErrUncertain = errors.New("it is not known whether the action was done")
	// ErrOverloaded: there is too much to do at once. Nothing has changed; try again soon.
	ErrOverloaded = errors.New("too many actions at once")
)

// Reasons of NotPermittedError.
const (
	// ReasonRole: no role of the actor has the verb.
	ReasonRole = "VerbNotGranted"
	// ReasonOwnAccount: nobody does this to the own account.
	ReasonOwnAccount = "OwnAccount"
	// ReasonSystemUser: the account is that of somebody who may reset passwords in all namespaces.
	ReasonSystemUser = "SystemUser"
)

// NotPermittedError refuses what the actor may not do to an account that the actor may see.
type NotPermittedError struct {
	Verb   permission.Verb
	Reason string
}

// Error implements error.
func (e *NotPermittedError) Error() string {
	return "not permitted: " + string(e.Verb) + ": " + e.Reason
}

// Reasons of NotPossibleError.
const (
	// ReasonExternal: the password is kept elsewhere.
	ReasonExternal = "External"
	// ReasonNoCredential: the account has no credential, as while its username is another account's.
	ReasonNoCredential = "NoCredential"
	// ReasonNoPassword: the account has no password that could be changed.
	ReasonNoPassword = "NoPassword"
	// ReasonChangeForbidden: the person may not change the password.
	ReasonChangeForbidden = "ChangeForbidden"
	// ReasonNotRequested: no change is required that could be withdrawn.
	ReasonNotRequested = "NotRequested"
	// ReasonNothingGenerated: no generated password meets the policy.
	ReasonNothingGenerated = "NothingGenerated"
)

// NotPossibleError refuses an action that the account does not allow as it is.
type NotPossibleError struct{ Reason string }

// Error implements error.
func (e *NotPossibleError) Error() string { return "not possible: " + e.Reason }

// PasswordRejectedError refuses a new password.
type PasswordRejectedError struct {
	Results []policy.Result
	// Requirements are all that a reset is judged by, which Results may not get to.
	Requirements []policy.Requirement
}

// Error implements error.
func (*PasswordRejectedError) Error() string { return "new password does not meet the requirements" }
