package console

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/policy"
)

// accountAnswer is an account in an answer of the API.
type accountAnswer struct {
	Namespace   string   `json:"namespace"`
	Name        string   `json:"name"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
	// Provider verifies the person of an External account, whom it names by Subject. A directory has them by ExternalName, where that is not the username.
	Provider     string `json:"provider,omitempty"`
	Subject      string `json:"subject,omitempty"`
	ExternalName string `json:"externalName,omitempty"`
	// Standing and the fields below are those of the UserAccount's status.
	Standing          v1alpha1.Standing         `json:"standing"`
	Reason            v1alpha1.StandingReason   `json:"reason,omitempty"`
	MustChangeReason  v1alpha1.MustChangeReason `json:"mustChangeReason,omitempty"`
	PasswordSetAt     time.Time                 `json:"passwordSetAt,omitzero"`
	PasswordExpiresAt time.Time                 `json:"passwordExpiresAt,omitzero"`
	LastSuccessAt     time.Time                 `json:"lastSuccessAt,omitzero"`
	LockedUntil       time.Time                 `json:"lockedUntil,omitzero"`
	Failures          int                       `json:"failures"`
}

// declared returns what is declared of an account.
func declared(a *v1alpha1.UserAccount) accountAnswer {
	answer := accountAnswer{
		Namespace: a.Namespace, Name: a.Name, Username: a.Username(), DisplayName: a.Spec.DisplayName, Email: a.Spec.Email, Groups: a.Spec.Groups,
	}
	if by := a.Spec.Authentication; by.ProviderRef != nil {
		answer.Provider, answer.Subject, answer.ExternalName = by.ProviderRef.Name, by.Subject, by.ExternalName
	}
	if answer.Groups == nil {
		answer.Groups = []string{} // In JSON an empty list, not null.
	}
	return answer
}

// watched returns an account as a list shows it: by its status.
func watched(a *v1alpha1.UserAccount) accountAnswer {
	answer := declared(a)
	answer.Standing, answer.Reason = a.Status.Standing, a.Status.StandingReason
	if p := a.Status.Password; p != nil {
		answer.MustChangeReason = p.MustChangeReason
		answer.PasswordSetAt, answer.PasswordExpiresAt = timeOf(p.SetTime), timeOf(p.ExpirationTime)
	}
	if l := a.Status.Login; l != nil {
		answer.LastSuccessAt, answer.LockedUntil, answer.Failures = timeOf(l.LastSuccessTime), timeOf(l.LockedUntilTime), int(l.Failures)
	}
	return answer
}

// live returns an account as it stands now.
func live(d *administration.Details) accountAnswer {
	answer := declared(d.Account)
	answer.Standing, answer.Reason, answer.MustChangeReason = d.Standing.Standing, d.Standing.Reason, d.Standing.MustChange
	answer.PasswordSetAt, answer.PasswordExpiresAt = seconds(d.Credential.Password.SetTime), seconds(d.Standing.PasswordExpires)
	answer.LastSuccessAt, answer.LockedUntil = seconds(d.Credential.LastSuccessTime), seconds(d.Standing.Lock.Until)
	answer.Failures = d.Credential.Failures.Consecutive
	return answer
}

// timeOf returns an instant of a status; the zero time where there is none, or it cannot be read.
func timeOf(t *v1alpha1.Instant) time.Time {
	if t == nil || t.IsUnreadable() {
		return time.Time{}
	}
	return seconds(t.Time.Time)
}

// seconds cuts a time to the precision of the status.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// listAnswer is a page of the list.
type listAnswer struct {
	Accounts []accountAnswer `json:"accounts"`
	// Continue is the parameter of the next page; empty on the last one.
	Continue string `json:"continue,omitempty"`
}

// detailsAnswer is one account.
type detailsAnswer struct {
	accountAnswer

	// Actions are those that the session may do to the account as it is.
	Actions []administration.Action `json:"actions"`
	// Requirements of a new password that an administrator gives it.
	Requirements []policy.Requirement `json:"requirements"`
	// ResetAt is when an administrator last reset the password in the console, and ResetBy who did, by the name in Kubernetes.
	ResetAt time.Time `json:"resetAt,omitzero"`
	ResetBy string    `json:"resetBy,omitempty"`
}

// resetAnswer is what came of a reset.
type resetAnswer struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Username  string `json:"username"`
	// Password that was generated. It is in no other answer.
	Password          string                    `json:"password,omitempty"`
	MustChangeReason  v1alpha1.MustChangeReason `json:"mustChangeReason,omitempty"`
	PasswordExpiresAt time.Time                 `json:"passwordExpiresAt,omitzero"`
}
