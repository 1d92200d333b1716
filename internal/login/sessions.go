package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
)

// Profile is what a person who is logged in may know of the own account.
type Profile struct {
	// SetTime is when the password was set; PasswordExpires when it ceases to log in as it is. Zero: not known, never.
	SetTime, PasswordExpires time.Time
	// WarnExpiry: PasswordExpires is near, or past with grace logins left, of which there are GraceLoginsLeft.
	WarnExpiry, Expired bool
	GraceLoginsLeft     int
	// ChangeForbidden: the person may not change the password.
	ChangeForbidden bool
	// NotBefore is when the person may change it again; zero: now.
	NotBefore time.Time
	Policy    policy.Policy
}

// Profile reads the profile of an account, live. Errors: ErrUnavailable where it cannot be known.
func (s *Service) Profile(ctx context.Context, declared *v1alpha1.UserAccount) (Profile, error) {
	a, err := s.own(ctx, declared)
	if err != nil {
		slog.Error("Profile cannot be read", "error", err, "namespace", declared.Namespace, "account", declared.Name)
		return Profile{}, ErrUnavailable
	}
	standing := a.rules.Standing(a.record.Credential)
	notice := a.rules.Notice(a.record.Credential)
	_, change := a.rules.MayChange(a.record.Credential, account.ComplianceUnknown)
	return Profile{
		SetTime: a.record.Password.SetTime, PasswordExpires: standing.PasswordExpires,
		WarnExpiry: notice.WarnExpiry, Expired: notice.Expired, GraceLoginsLeft: notice.GraceLoginsLeft,
		ChangeForbidden: a.rules.ChangeForbidden(),
		NotBefore:       change.NotBefore,
		Policy:          a.rules.Policy,
	}, nil
}

// EndSession ends one session of an account on every replica; forget is when its last token expires. Errors:
// ErrUnavailable where it could not be written.
func (s *Service) EndSession(ctx context.Context, declared *v1alpha1.UserAccount, id string, forget time.Time) error {
	return s.rewrite(ctx, declared, func(a *attempt) account.Credential {
		return a.rules.EndSession(a.record.Credential, id, forget)
	})
}

// EndSessions ends all sessions of an account on every replica. Errors: ErrUnavailable where it could not be written.
func (s *Service) EndSessions(ctx context.Context, declared *v1alpha1.UserAccount) error {
	return s.rewrite(ctx, declared, func(a *attempt) account.Credential { return a.rules.EndSessions(a.record.Credential) })
}

// rewrite writes what change makes of a credential, deciding again where another wrote in between.
func (s *Service) rewrite(ctx context.Context, declared *v1alpha1.UserAccount, change func(*attempt) account.Credential) error {
	// Who hangs up has asked nevertheless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	for range maxConflicts {
		a, err := s.own(ctx, declared)
		if err == nil {
			_, err = s.store.Update(ctx, a.record, change(a))
		}
		switch {
		case errors.Is(err, credential.ErrConflict):
			continue
		case err != nil:
			slog.Error("Session cannot be ended", "error", err, "namespace", declared.Namespace, "account", declared.Name)
			return ErrUnavailable
		}
		return nil
	}
	slog.Warn("Session not ended: others keep writing first", "namespace", declared.Namespace, "account", declared.Name)
	return ErrUnavailable
}

// own reads the credential of a declared account, live. Errors: credential.ErrNotFound where it has none of its own.
func (s *Service) own(ctx context.Context, declared *v1alpha1.UserAccount) (*attempt, error) {
	name, err := credential.NameOf(declared)
	if err != nil {
		return nil, err
	}
	record, err := s.store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if record.Owner.UID != string(declared.UID) {
		return nil, credential.ErrNotFound
	}
	resolved, err := s.catalog.PolicyFor(ctx, declared)
	if err != nil {
		return nil, err
	}
	return &attempt{
		account: declared, record: record, rules: account.NewRules(&declared.Spec, resolved.Policy, s.clock.Now()),
	}, nil
}
