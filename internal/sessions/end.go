package sessions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// maxConflicts is how often a write is tried when other servers keep writing the credential first.
	maxConflicts = 8
	// endTimeout bounds the end of a session.
	endTimeout = 10 * time.Second
)

// End ends one session, on every replica. The error is ErrUnavailable.
func (s *Service) End(ctx context.Context, current Session) error {
	_, _, err := s.end(ctx, current)
	return err
}

// Replace ends a session in whose place another has begun. If more sessions have been ended of late than are remembered, all of them end:
// then it returns another token for the new one, which goes on, and true. Where somebody else has ended all sessions since the new one began,
// such as an administrator, it is over as well. The error is ErrUnavailable.
func (s *Service) Replace(ctx context.Context, former Session, next token.Claims) (token.Token, token.Claims, bool, error) {
	record, hasEndedAll, err := s.end(ctx, former)
	if err != nil || !hasEndedAll || next.CredentialUID != record.UID() || next.Generation+1 != record.SessionGeneration {
		return token.Token{}, next, false, err
	}
	next.Generation = record.SessionGeneration
	signed, next, err := s.sign(next)
	return signed, next, err == nil, err
}

// end ends one session, and returns the credential as it was written, and whether that has ended all sessions.
func (s *Service) end(ctx context.Context, current Session) (record *credential.Record, hasEndedAll bool, err error) {
	life, err := s.lifetimes(ctx, current)
	if err != nil {
		return nil, false, err
	}
	now := s.Clock.Now()
	forget := current.Claims.Forget(life, now)
	record, err = s.update(ctx, current.Account, func(c account.Credential) account.Credential {
		after := account.EndSession(c, current.Claims.SessionID, forget, now)
		hasEndedAll = after.SessionGeneration != c.SessionGeneration
		return after
	})
	return record, hasEndedAll, err
}

// EndAll ends all sessions of an account, on every replica. The error is ErrUnavailable.
func (s *Service) EndAll(ctx context.Context, a *v1alpha1.UserAccount) error {
	_, err := s.update(ctx, a, account.EndSessions)
	return err
}

// update changes the credential of an account, and returns it as it was written. It tries again after a conflict.
func (s *Service) update(ctx context.Context, a *v1alpha1.UserAccount, change func(account.Credential) account.Credential) (*credential.Record, error) {
	// It goes on when the client hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	for range maxConflicts {
		record, err := s.Store.Of(ctx, a)
		if err == nil {
			record, err = s.Store.Update(ctx, record, change(record.Credential))
		}
		switch {
		case errors.Is(err, credential.ErrConflict):
			continue
		case err != nil:
			slog.Error("Session cannot be ended", "error", err, "namespace", a.Namespace, "account", a.Name)
			return nil, ErrUnavailable
		}
		return record, nil
	}
	slog.Warn("Session not ended: others keep writing first", "namespace", a.Namespace, "account", a.Name)
	return nil, ErrUnavailable
}
