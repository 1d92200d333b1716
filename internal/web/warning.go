package web

import (
	"fmt"
	"time"

	"github.com/keyturn/keyturn/internal/account"
)

// The IDs of warnings. Programs go by them, so they are never changed.
const (
	warningExpiresSoon    = "password-expires-soon"
	warningGraceLogins    = "grace-logins-remaining"
	warningFailedAttempts = "failed-attempts"
)

// warning is what a person who logged in should know.
type warning struct {
	ID                string    `json:"id"`
	Message           string    `json:"message"`
	PasswordExpiresAt time.Time `json:"passwordExpiresAt,omitzero"`
	// Count of grace logins left, or of failed attempts. It can be 0 for the former.
	Count *int `json:"count,omitempty"`
	// LastSuccessTime is when the last login succeeded, to within an hour.
	LastSuccessTime time.Time `json:"lastSuccessTime,omitzero"`
}

func warnings(a account.Answer) []warning {
	var list []warning
	switch {
	case a.GraceLogin:
		list = append(list, warning{
			ID: warningGraceLogins, Count: new(a.GraceLoginsLeft), PasswordExpiresAt: a.PasswordExpires,
			Message: "Your password has expired. Change it now: after this login, " + graceLeft(a.GraceLoginsLeft) + ".",
		})
	case a.WarnExpiry:
		list = append(list, warning{
			ID: warningExpiresSoon, PasswordExpiresAt: a.PasswordExpires,
			Message: "Your password expires soon. Change it before " + a.PasswordExpires.Format("2 January 2006, 15:04 MST") + ".",
		})
	}
	if a.FailuresBefore > 0 {
		list = append(list, warning{
			ID: warningFailedAttempts, Count: new(a.FailuresBefore), LastSuccessTime: a.LastSuccessTime,
			Message: fmt.Sprintf("Wrong passwords were given for your account %s since your last login. If that was not you, tell an administrator.",
				times(a.FailuresBefore)),
		})
	}
	return list
}

func graceLeft(n int) string {
	switch n {
	case 0:
		return "none is left"
	case 1:
		return "1 more is left"
	default:
		return fmt.Sprintf("%d more are left", n)
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
