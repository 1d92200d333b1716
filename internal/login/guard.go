package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/credential"
)

const (
	// maxConflicts is how often an attempt begins again because another server wrote the credential in between.
	maxConflicts = 8
	// finishTimeout bounds what follows a verification. It goes on when the client has gone: hanging up must not keep a failure
	// from being recorded.
	finishTimeout = 10 * time.Second
)

// decision is what becomes of an attempt whose secret is right: the credential to write, and the error to answer with, if any.
type decision struct {
	credential account.Credential
	answer     account.Answer
	refusal    error
}

// decideFunc decides about an attempt whose secret is right.
type decideFunc func(context.Context, *loaded, account.Proven) (decision, error)

// attempt runs an attempt from beginning to end. decide is called when the secret is right, and again from the start when another
// server has written the credential before the decision was written.
func (s *Service) attempt(ctx context.Context, who Who, secret string, decide decideFunc) (*Result, error) {
	name := credentialName(who)
	known, err := s.watch.Known(ctx, name)
	if err != nil {
		return nil, s.cannotKnow(err, nil)
	}
	t := target{who: who, key: lockKey{credential: name}}
	if known != nil {
		t.exists, t.key.device = true, who.on(known.UID, known.Generation)
	}
	result, err := s.admit(ctx, t, secret, decide)
	if errors.Is(err, errDeviceEnded) {
		t.key.device = ""
		result, err = s.admit(ctx, t, secret, decide)
	}
	if s.apiServerFailing.Load() && (errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded)) {
		return nil, ErrUnavailable // There is no crowd, but attempts that wait for an API server that does not answer.
	}
	return result, err
}

// admit waits for the lock of the account, and until few enough attempts are under way. Attempts from a device that has logged in
// before have a lock of their own: somebody who floods the account from elsewhere does not keep them waiting.
func (s *Service) admit(ctx context.Context, t target, secret string, decide decideFunc) (*Result, error) {
	select {
	case s.admission <- struct{}{}:
		defer func() { <-s.admission }()
	default:
		return nil, ErrOverloaded
	}
	release, err := s.accountLocks.acquire(ctx, t.key)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.slots.Release(1)
	s.underWay.Add(1)
	defer s.underWay.Add(-1)
	return s.run(ctx, t, secret, decide)
}

// guess is what was found out about the secret of an attempt.
type guess struct {
	// version that the secret was compared with; nil before it was.
	version authn.Version
	// right tells whether it was proven, and proven how.
	right  bool
	proven account.Proven
	proof  authn.Proof
	// failure to record where it was wrong.
	failure failure
}

// run begins again as long as another server writes the credential in between. What was found out about the secret holds for the
// version that it was compared with, and no longer.
func (s *Service) run(ctx context.Context, t target, secret string, decide decideFunc) (result *Result, err error) {
	finish, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var g guess
	defer func() {
		// A wrong secret counts, whatever kept the failure from being recorded.
		if g.version != nil && !g.right && !errors.Is(err, ErrInvalidCredentials) {
			s.unrecorded.add(t.key.credential, g.failure)
		}
	}()
	for try := range maxConflicts {
		ctx := ctx
		if g.version != nil {
			ctx = finish
		}
		l, err := s.load(ctx, t, try > 0)
		if err != nil {
			return nil, err
		}
		if err := s.recordPending(ctx, t.key, l); err != nil {
			if errors.Is(err, credential.ErrConflict) {
				continue
			}
			return nil, s.cannotKnow(err, l)
		}
		if lock := l.rules.AttemptLock(l.rules.ApplyRequests(l.record.Credential)); lock.Locked {
			return nil, locked(lock, l.rules.Now)
		}
		if g.version != l.version {
			isFirst := g.version == nil
			again, err := s.find(ctx, t, l, secret, &g)
			if err != nil {
				return nil, err
			}
			if isFirst {
				defer time.AfterFunc(finishTimeout, giveUp).Stop()
			}
			if again {
				continue
			}
		}
		l.password = g.proof.Password
		result, err := s.settle(finish, l, g, decide)
		if !errors.Is(err, credential.ErrConflict) {
			return result, err
		}
	}
	return nil, ErrOverloaded
}

// find finds out whether the secret is right. It returns true where that has to be decided again, because the watch knows that the
// credential was written meanwhile; a wrong secret finds that out when it is recorded.
func (s *Service) find(ctx context.Context, t target, l *loaded, secret string, g *guess) (again bool, err error) {
	proof, err := s.verify(ctx, l, secret)
	proven, right := authn.Proven(err)
	switch {
	case right, errors.Is(err, authn.ErrWrong):
	case ctx.Err() != nil:
		return false, ctx.Err() // Nobody waits any more, and the secret was not looked at.
	default:
		return false, s.cannotKnow(err, l)
	}
	*g = guess{version: l.version, right: right, proven: proven, proof: proof, failure: l.failure()}
	known, err := s.watch.Known(ctx, t.key.credential)
	if err != nil {
		return false, s.cannotKnow(err, l)
	}
	return right && known != nil && l.record.IsNewer(known.Version), nil
}

// settle writes what an attempt means. It returns credential.ErrConflict where that has to be decided again.
func (s *Service) settle(ctx context.Context, l *loaded, g guess, decide decideFunc) (*Result, error) {
	var d decision
	if g.right {
		var err error
		if d, err = decide(ctx, l, g.proven); err != nil {
			return nil, s.cannotKnow(err, l)
		}
	} else {
		d = decision{credential: l.rules.Failed(l.record.Credential), refusal: ErrInvalidCredentials}
	}
	record, err := s.store.Update(ctx, l.record, d.credential)
	switch {
	case errors.Is(err, credential.ErrConflict):
		return nil, err
	case err != nil:
		return nil, s.cannotKnow(err, l)
	case d.refusal != nil:
		return nil, d.refusal
	}
	return &Result{Account: l.account, Record: record, Policy: l.rules.Policy, Answer: d.answer}, nil
}

// recordPending records the failures that could not be recorded when they happened.
func (s *Service) recordPending(ctx context.Context, key lockKey, l *loaded) error {
	pending := s.unrecorded.pending(key, l.record)
	if len(pending) == 0 {
		return nil
	}
	c := l.record.Credential
	for _, f := range pending {
		c = l.rules.FailedEarlier(c, f.time)
	}
	record, err := s.store.Update(ctx, l.record, c)
	if err != nil {
		return err
	}
	l.record = record
	s.unrecorded.recorded(key.credential, pending)
	return nil
}

// cannotKnow logs why an attempt cannot be decided, and refuses it.
func (s *Service) cannotKnow(err error, l *loaded) error {
	attrs := []any{"error", err}
	if l != nil && l.account != nil {
		attrs = append(attrs, "namespace", l.account.Namespace, "account", l.account.Name)
	}
	slog.Error("Login refused because it cannot be decided", attrs...)
	return ErrUnavailable
}

func locked(lock account.Lock, now time.Time) error {
	if lock.Until.IsZero() {
		return &TooManyAttemptsError{}
	}
	return &TooManyAttemptsError{RetryAfter: lock.Until.Sub(now)}
}
