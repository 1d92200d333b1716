package login

import (
	"context"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// Profile is what a person who is logged in may know of the own account.
type Profile struct {
	// SetTime is when the password was set (zero: not known), PasswordExpires when it ceases to log in as it is (zero: never).
	SetTime, PasswordExpires time.Time
	// ResetTime is when an administrator last reset it by hand; zero: never.
	ResetTime time.Time
	// WarnExpiry: PasswordExpires is near, or past with grace logins left, of which there are GraceLoginsLeft.
	WarnExpiry, Expired bool
	GraceLoginsLeft     int
	// ChangeForbidden: the person may not change the password here.
	ChangeForbidden bool
	// NotBefore is when the person may change it again; zero: now.
	NotBefore time.Time
	Policy    policy.Policy
}

// Profile reads the profile of an account, live. Errors: ErrUnavailable where it cannot be known.
func (s *Service) Profile(ctx context.Context, a *v1alpha1.UserAccount) (Profile, error) {
	l, err := s.loadOwn(ctx, a)
	if err != nil {
		slog.Error("Profile cannot be read", "error", err, "namespace", a.Namespace, "account", a.Name)
		return Profile{}, ErrUnavailable
	}
	standing := l.rules.Standing(l.record.Credential)
	notice := l.rules.Notice(l.record.Credential)
	_, change := l.rules.MayChange(l.record.Credential, account.Proven{})
	return Profile{
		SetTime: l.record.Password.SetTime, ResetTime: l.record.Acted.Reset.Time, PasswordExpires: standing.PasswordExpires,
		WarnExpiry: notice.WarnExpiry, Expired: notice.Expired, GraceLoginsLeft: notice.GraceLoginsLeft,
		ChangeForbidden: l.rules.ChangeForbidden(),
		NotBefore:       change.NotBefore,
		Policy:          l.rules.Policy,
	}, nil
}
