package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// maxConflicts is how often an attempt begins again because another server wrote the credential in between.
	maxConflicts = 8
	// finishTimeout bounds what follows a verification. It goes on when the client has gone: hanging up must not keep a failure
	// from being recorded.
	finishTimeout = 10 * time.Second
)

// decision is what becomes of an attempt: the credential to write, and the error to answer with, if any.
type decision struct {
	credential account.Credential
	answer     account.Answer
	refusal    error
}

// decideFunc decides about an attempt whose secret is right.
type decideFunc func(context.Context, *loaded, account.Proven) (decision, error)

// attempt runs an attempt from beginning to end. decide is called when the secret is right, and again with the credential read anew
// when another server has written it before the decision was written.
func (s *Service) attempt(ctx context.Context, who Who, secret string, decide decideFunc) (*Result, error) {
	name := credentialName(who)
	known, err := s.watch.Known(ctx, name)
	if err != nil {
		return nil, s.unavailable(err, nil)
	}
	t := target{who: who, key: lockKey{credential: name}, began: time.Now()}
	if known != nil {
		t.exists = true
		if !s.isElsewhere(ctx, known.Owner) { // Where another system counts failures as well, all devices count together.
			t.key.device = who.deviceFor(known.UID, known.Generation)
		}
	}
	result, err := s.admit(ctx, t, secret, decide)
	if errors.Is(err, errDeviceEnded) {
		t.key.device = "" // Begin again, as an attempt from anywhere.
		result, err = s.admit(ctx, t, secret, decide)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return nil, ErrUnavailable // The client still waits: what follows the verification took too long.
	}
	if s.apiServerFailing.Load() && (errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded)) {
		return nil, ErrUnavailable // Not overload: the attempts wait for an API server that does not answer.
	}
	return result, err
}

// admit runs an attempt when it is its turn: it is refused at once where too many wait already, and else waits for the lock of the account (turn.hold), then for
// one of the slots. Attempts from a device that has logged in before have a lock of their own: somebody who floods the account from elsewhere does not keep them
// waiting. In a namespace that a directory serves, a refusal keeps the lock until it is answered, so that of several attempts on a name each is answered in a
// time of its own, wherever its password is.
func (s *Service) admit(ctx context.Context, t target, secret string, decide decideFunc) (*Result, error) {
	turn := &turn{service: s}
	if err := turn.enter(); err != nil {
		return nil, err
	}
	defer turn.leave()
	lock, err := s.accountLocks.join(t.key)
	if err != nil {
		return nil, err
	}
	defer s.accountLocks.leave(t.key, lock)
	if err := turn.hold(ctx, lock, t); err != nil {
		return nil, err
	}
	defer func() { <-lock.held }()
	if err := turn.begin(ctx); err != nil {
		return nil, err
	}
	result, err := s.run(ctx, t, turn, secret, decide)
	turn.leave()
	if errors.Is(err, ErrInvalidCredentials) || err != nil && ctx.Err() != nil { // Who hangs up would otherwise learn by the next attempt how long this one took.
		s.delayRefusal(ctx, t)
	}
	return result, err
}

// verdict is what the verifier said about the secret of an attempt. It holds for one version of what the secret was compared with.
type verdict struct {
	// version is nil as long as the secret was not compared with anything.
	version authn.Version
	// right tells whether the secret is right; if so, proven is what the rules have to know of it, and password what was typed.
	right    bool
	proven   account.Proven
	password policy.Password
	// failure is what to record if the secret is wrong.
	failure failure
	// mismatch: the name of the account belongs to somebody else where the secret is kept, and so no secret is right.
	mismatch bool
	// method of the proof, and the provider that was asked; nil for a secret that Keyturn keeps.
	method   token.Method
	provider *v1alpha1.IdentityProvider
}

// run loads, verifies and writes, and begins again when another server has written the credential in between. The secret is
// verified anew only if what it was compared with has changed; another system is never asked twice, since a wrong secret counts there as well. From the first verification on, the attempt goes on when the client
// has gone, for finishTimeout.
func (s *Service) run(ctx context.Context, t target, turn *turn, secret string, decide decideFunc) (result *Result, err error) {
	finish, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var v verdict
	defer func() {
		// A wrong secret counts, whatever kept the failure from being recorded.
		if v.version != nil && !v.right && !errors.Is(err, ErrInvalidCredentials) {
			s.unrecorded.add(t.key.credential, v.failure)
		}
	}()
	for try := range maxConflicts {
		ctx := ctx
		if v.version != nil {
			ctx = finish
		}
		l, err := s.loadUnlocked(ctx, t, try > 0)
		if err == nil && v.version != l.version {
			isFirst := v.version == nil
			if l.asksElsewhere() || v.provider != nil {
				if !isFirst {
					return nil, l.refusal(s.unavailable(errChangedMeanwhile, l))
				}
				turn.leave() // However long the answer takes, local passwords do not wait for it.
			}
			err = s.verify(ctx, l, secret, &v)
			if isFirst {
				defer time.AfterFunc(finishTimeout, giveUp).Stop()
			}
		}
		if err == nil {
			l.password = v.password
			result, err = s.settle(finish, l, v, decide)
			if v.provider != nil && errors.Is(err, ErrInvalidCredentials) {
				s.hashAsLocal(finish, turn, l, secret)
			}
		}
		if !errors.Is(err, credential.ErrConflict) {
			return result, l.refusal(err)
		}
	}
	return nil, ErrOverloaded
}

// hashAsLocal has the refusal of a password that is kept elsewhere wait for a hash, as that of one which is kept here does: where many hashes wait, the time
// would tell them apart. It takes a place of those who wait for a hash again; where there is none, local attempts are refused.
func (s *Service) hashAsLocal(ctx context.Context, turn *turn, l *loaded, secret string) {
	if turn.enter() == nil && turn.begin(ctx) == nil {
		_ = s.verifiers.VerifyDummy(ctx, l.rules.Policy.Hashing, secret) // Only the time that it takes matters.
	}
}

// loadUnlocked loads what decides about an attempt, records the failures that could not be recorded before, and refuses an account
// that is locked. It returns credential.ErrConflict where another server has written the credential meanwhile. What was loaded it returns with an error,
// too, unless that could not be loaded.
func (s *Service) loadUnlocked(ctx context.Context, t target, live bool) (*loaded, error) {
	l, err := s.load(ctx, t, live)
	if err != nil {
		return nil, err
	}
	if err := s.recordPending(ctx, t.key, l); err != nil {
		return l, s.unavailable(err, l)
	}
	if lock := l.rules.AttemptLock(l.rules.ApplyRequests(l.record.Credential)); lock.Locked {
		return l, lockedError(lock, l.rules.Now)
	}
	return l, nil
}

// verify has the verifier of the account look at a secret.
func (s *Service) verify(ctx context.Context, l *loaded, secret string, v *verdict) error {
	proof, err := s.askVerifier(ctx, l, secret)
	proven, right := authn.Proven(proof, err) // An error may mean: right, but its owner may not log in.
	switch {
	case err == nil && proof.Version != l.version:
		return credential.ErrConflict // What the verifier looks at has changed since it was loaded.
	case right, errors.Is(err, authn.ErrWrong), errors.Is(err, authn.ErrSubjectMismatch):
		*v = verdict{
			version: l.version, right: right, proven: proven, password: proof.Password, failure: l.failure(),
			mismatch: errors.Is(err, authn.ErrSubjectMismatch), method: proof.Method,
		}
		if l.asksElsewhere() {
			v.provider = l.request.Provider
		}
		return s.checkIsCurrent(ctx, l, v)
	case wasSent(err):
		// The other system may have counted it. It counts here as well: otherwise guesses at a system that does not answer would lock people out of it.
		*v = verdict{version: l.version, failure: l.failure(), provider: l.request.Provider}
		return s.unavailable(err, l)
	case ctx.Err() != nil && !isUnavailable(err):
		return ctx.Err() // Nobody waits any more, and the secret was not looked at.
	default:
		return s.unavailable(err, l)
	}
}

// isUnavailable tells whether another system was to be asked and could not be. Callers learn that also where the client has hung up, to count it against the
// address: a stranger could otherwise have that system asked without end.
func isUnavailable(err error) bool {
	_, ok := errors.AsType[*authn.UnavailableError](err)
	return ok
}

// wasSent tells whether a secret was sent to another system that has not said whether it is right.
func wasSent(err error) bool {
	unavailable, ok := errors.AsType[*authn.UnavailableError](err)
	return ok && unavailable.Sent
}

// checkIsCurrent returns credential.ErrConflict if the watch knows that the credential was written while a right secret was verified: a
// login that needs no write would not find out. A wrong secret is always written.
func (s *Service) checkIsCurrent(ctx context.Context, l *loaded, v *verdict) error {
	if !v.right {
		return nil
	}
	known, err := s.watch.Known(ctx, l.record.Name())
	if err != nil {
		return s.unavailable(err, l)
	}
	if known != nil && l.record.IsOlderThan(known.Version) {
		return credential.ErrConflict
	}
	return nil
}

// settle writes the outcome of an attempt. It returns credential.ErrConflict where the credential was written since it was read.
func (s *Service) settle(ctx context.Context, l *loaded, v verdict, decide decideFunc) (*Result, error) {
	d := decision{credential: l.rules.Failed(l.record.Credential), refusal: ErrInvalidCredentials}
	switch {
	case v.mismatch:
		d.credential, d.refusal = l.rules.Mismatched(d.credential), ErrSubjectMismatch
	case v.right:
		var err error
		if d, err = decide(ctx, l, v.proven); err != nil {
			return nil, s.unavailable(err, l)
		}
	}
	record, err := s.store.Update(ctx, l.record, d.credential)
	if err != nil {
		return nil, s.unavailable(err, l)
	}
	if d.refusal != nil {
		return nil, d.refusal
	}
	return &Result{
		Account: l.account, Record: record, Policy: l.rules.Policy, Answer: d.answer, Method: v.method, Provider: l.request.Provider,
	}, nil
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

// unavailable logs why an attempt cannot be decided, and refuses it. A conflict it returns as it is: the attempt begins again.
func (s *Service) unavailable(err error, l *loaded) error {
	if errors.Is(err, credential.ErrConflict) {
		return err
	}
	if elsewhere, ok := errors.AsType[*authn.UnavailableError](err); ok {
		return elsewhere // Its metric counts it, and the log of a directory that is down should not grow with each attempt.
	}
	attrs := []any{"error", err}
	if l != nil && l.account != nil {
		attrs = append(attrs, "namespace", l.account.Namespace, "account", l.account.Name)
	}
	slog.Error("Login refused because it cannot be decided", attrs...)
	return ErrUnavailable
}

// lockedError refuses an attempt on a locked account. A lock without an end is until an administrator unlocks it.
func lockedError(lock account.Lock, now time.Time) error {
	if lock.Until.IsZero() {
		return &TooManyAttemptsError{}
	}
	return &TooManyAttemptsError{RetryAfter: lock.Until.Sub(now)}
}
