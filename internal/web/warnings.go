package web

import (
	"time"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/text"
)

// The IDs of warnings. Programs go by them, so they are never changed.
const (
	warningExpiresSoon    = "password-expires-soon"
	warningGraceLogins    = "grace-logins-remaining"
	warningFailedAttempts = "failed-attempts"
)

// warning is a warning in the answer to a login.
type warning struct {
	ID                string    `json:"id"`
	Message           string    `json:"message"`
	PasswordExpiresAt time.Time `json:"passwordExpiresAt,omitzero"`
	// Count is the number of grace logins left, which may be 0, or of failed attempts.
	Count *int `json:"count,omitempty"`
	// LastSuccessTime is when the last login succeeded, to within an hour.
	LastSuccessTime time.Time `json:"lastSuccessTime,omitzero"`
}

func warnings(a account.Answer) []warning {
	english := text.English()
	var list []warning
	switch {
	case a.GraceLogin:
		key := "warning.expired"
		if a.GraceLoginsLeft == 0 {
			key = "warning.expired.none"
		}
		list = append(list, warning{
			ID: warningGraceLogins, Count: new(a.GraceLoginsLeft), PasswordExpiresAt: a.PasswordExpires,
			Message: english.Say(key, "n", a.GraceLoginsLeft),
		})
	case a.WarnExpiry:
		list = append(list, warning{
			ID: warningExpiresSoon, PasswordExpiresAt: a.PasswordExpires,
			Message: english.Say("warning.expires") + " " + english.Time(a.PasswordExpires) + ".",
		})
	}
	if a.FailuresBefore > 0 {
		list = append(list, warning{
			ID: warningFailedAttempts, Count: new(a.FailuresBefore), LastSuccessTime: a.LastSuccessTime,
			Message: english.Say("home.failed.warning", "n", a.FailuresBefore) + " " + english.Say("home.failed.tell"),
		})
	}
	return list
}
