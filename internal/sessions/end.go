package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
)

const (
	// maxConflicts is how often a write is tried when other servers keep writing the credential first.
	maxConflicts = 8
	// endTimeout bounds the end of a session.
	endTimeout = 10 * time.Second
)

// End ends one session, on every replica. The error is ErrUnavailable.
func (s *Service) End(ctx context.Context, current Session) error {
	resolved, err := s.Catalog.PolicyFor(ctx, current.Account)
	if err != nil {
		return unavailable(err)
	}
	now := s.Clock.Now()
	forget := current.Claims.Forget(lifetimesOf(resolved.Policy), now)
	return s.update(ctx, current.Account, func(c account.Credential) account.Credential {
		return account.EndSession(c, current.Claims.SessionID, forget, now)
	})
}

// EndAll ends all sessions of an account, on every replica. The error is ErrUnavailable.
func (s *Service) EndAll(ctx context.Context, a *v1alpha1.UserAccount) error {
	return s.update(ctx, a, account.EndSessions)
}

// update changes the credential of an account. It tries again after a conflict.
func (s *Service) update(ctx context.Context, a *v1alpha1.UserAccount, change func(account.Credential) account.Credential) error {
	// It goes on when the client hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	for range maxConflicts {
		record, err := s.Store.Of(ctx, a)
		if err == nil {
			_, err = s.Store.Update(ctx, record, change(record.Credential))
		}
		switch {
		case errors.Is(err, credential.ErrConflict):
			continue
		case err != nil:
			slog.Error("Session cannot be ended", "error", err, "namespace", a.Namespace, "account", a.Name)
			return ErrUnavailable
		}
		return nil
	}
	slog.Warn("Session not ended: others keep writing first", "namespace", a.Namespace, "account", a.Name)
	return ErrUnavailable
}
