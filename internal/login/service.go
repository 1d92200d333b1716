package login

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

const (
	// retrySoon is told where nothing but the load of the moment is in the way.
	retrySoon = time.Second
	// burst is how many attempts begin at a time where many wait. Their reads cost the API server and this process far less
	// one right after the other than each between two hashes, which leave nothing in the processor's caches.
	burst = 8
	// maxConflicts is how often an attempt begins again because another wrote the credential in between.
	maxConflicts = 8
	// finishTimeout bounds a hash that is under way, and what follows a verification. Both go on when the caller has gone:
	// hanging up must not keep a failure from being recorded, nor a worker from being of use to the next.
	finishTimeout = 10 * time.Second
	// dummyText is verified where what was typed cannot be a password: it is wrong whatever the hash says, and costs the same.
	dummyText = "cannot be a password"
)

// Service checks passwords.
type Service struct {
	catalog  *catalog.Catalog
	store    *credential.Store
	clock    clock.PassiveClock
	watch    Watch
	decoyKey func() credential.DecoyKey

	// turns bounds the attempts that are under way, hashing those that hash. An attempt loads the credential when its
	// turn has come, so that it is fresh; there are more turns than hashes, so that cores need not idle while one loads.
	turns   *hash.Pool
	hashing *hash.Pool
	hasher  hash.Hasher

	// admitted has a place for each attempt, also for those that wait for their account's slot and not yet for their turn:
	// whoever would wait for long is refused at once instead.
	admitted chan struct{}
	slots    slots

	// unrecorded are failures that could not be written yet.
	unrecorded debts

	// unanswered: the API server did not give the last credential that it was asked for.
	unanswered atomic.Bool
}

// Watch is what a replica knows of credentials without asking the API server.
type Watch interface {
	// Known returns what is known of the credential of a name; nil where there is none. The error says that it cannot be
	// known at present.
	Known(ctx context.Context, credentialName string) (*Known, error)
}

// Known is what a watch tells of a credential.
type Known struct {
	// Version is its resource version.
	Version string
	// UID of its Secret, and its session generation.
	UID        string
	Generation int64
}

// Options of a service.
type Options struct {
	Catalog *catalog.Catalog
	// Store has to read from the API server.
	Store  *credential.Store
	Clock  clock.PassiveClock
	Watch  Watch
	Hasher hash.Hasher
	// DecoyKey returns the key of the decoys. It is asked for while there is one only: without keys nobody is logged in.
	DecoyKey func() credential.DecoyKey
	// Hashes is how many passwords are hashed at once, and Queue how many attempts may wait, for their account's slot or
	// their turn.
	Hashes, Queue int
}

// NewService returns a service.
func NewService(o Options) *Service {
	turns := 2*o.Hashes + burst
	return &Service{
		catalog: o.Catalog, store: o.Store, clock: o.Clock, watch: o.Watch, hasher: o.Hasher, decoyKey: o.DecoyKey,
		turns: hash.NewBurstPool(turns, o.Queue, burst), hashing: hash.NewPool(o.Hashes, turns),
		admitted: make(chan struct{}, turns+max(o.Queue, 0)),
	}
}

// Hashing tells how many passwords are being hashed, and how many attempts wait for their account's slot or their turn.
func (s *Service) Hashing() (running, waiting int) {
	return s.hashing.Running(), max(len(s.admitted)-s.turns.Running(), 0)
}

// Result is a login that was granted.
type Result struct {
	Account *v1alpha1.UserAccount
	Record  *credential.Record
	Policy  policy.Policy
	Answer  account.Answer
}

// decision is what becomes of such an attempt: the credential to write, and the error to answer with, if any.
type decision struct {
	credential account.Credential
	answer     account.Answer
	refusal    error
}

// decideFunc decides about an attempt whose password is right.
type decideFunc func(context.Context, *attempt) (decision, error)

// check runs an attempt to its end. decide is called when the password is right, and again from the start when the
// credential was written by another before its decision was.
func (s *Service) check(ctx context.Context, who Who, raw string, decide decideFunc) (*Result, error) {
	name := credentialName(who)
	known, err := s.watch.Known(ctx, name)
	if err != nil {
		return nil, s.fault(err, nil)
	}
	t := target{slot: slotName{credential: name}, who: who}
	if known != nil {
		t.exists, t.slot.device = true, who.on(known.UID, known.Generation)
	}
	result, err := s.queue(ctx, t, raw, decide)
	if errors.Is(err, errDeviceEnded) {
		t.slot.device = ""
		result, err = s.queue(ctx, t, raw, decide)
	}
	if s.unanswered.Load() && (errors.Is(err, ErrOverloaded) || errors.Is(err, context.DeadlineExceeded)) {
		return nil, ErrUnavailable // There is no crowd, but a queue before an API server that does not answer.
	}
	return result, err
}

// queue waits for the slot and for a turn. Attempts from a device that has logged in before have a slot of their own: who
// floods an account from elsewhere does not stand in front of them.
func (s *Service) queue(ctx context.Context, t target, raw string, decide decideFunc) (result *Result, err error) {
	select {
	case s.admitted <- struct{}{}:
		defer func() { <-s.admitted }()
	default:
		return nil, ErrOverloaded
	}
	release, err := s.slots.acquire(ctx, t.slot)
	if err != nil {
		return nil, err
	}
	defer release()

	poolErr := s.turns.Do(ctx, func() { result, err = s.turn(ctx, t, raw, decide) })
	switch {
	case errors.Is(poolErr, hash.ErrOverloaded):
		return nil, ErrOverloaded
	case poolErr != nil:
		return nil, poolErr
	}
	return result, err
}

// turn begins again as long as another writes the credential in between. A verification holds for the exact hash that was
// verified, and no longer.
func (s *Service) turn(ctx context.Context, t target, raw string, decide decideFunc) (result *Result, err error) {
	password, unusable := policy.Prepare(raw)
	text := password.Text()
	if unusable != nil {
		text = dummyText
	}
	finish, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var verified hash.Encoded
	var right bool
	var guess debt
	defer func() {
		// A guess that was verified counts, whatever kept it from being recorded.
		if verified != "" && !right && !errors.Is(err, ErrInvalidCredentials) {
			s.unrecorded.owe(t.slot.credential, guess)
		}
	}()
	for try := range maxConflicts {
		a, err := s.load(ctx, t, try > 0)
		if err != nil {
			return nil, err
		}
		a.password = password
		if err := s.recordOwed(ctx, t.slot, a); err != nil {
			if errors.Is(err, credential.ErrConflict) {
				continue
			}
			return nil, s.fault(err, a)
		}
		if lock := a.rules.AttemptLock(a.rules.ApplyRequests(a.record.Credential)); lock.Locked {
			return nil, locked(lock, a.rules.Now)
		}
		if verified != a.encoded {
			ok, err := s.verify(ctx, a.encoded, text)
			if err != nil {
				return nil, s.unverified(ctx, err, a)
			}
			if verified == "" {
				defer time.AfterFunc(finishTimeout, giveUp).Stop()
			}
			verified, right, ctx, guess = a.encoded, ok && !a.hopeless && unusable == nil, finish, a.debt()
			changed, err := s.changed(ctx, t.slot.credential, a.record)
			if err != nil {
				return nil, s.fault(err, a)
			}
			if right && changed {
				continue // A wrong one finds that out when it is recorded.
			}
		}
		result, err := s.settle(ctx, a, right, decide)
		if !errors.Is(err, credential.ErrConflict) {
			return result, err
		}
	}
	return nil, ErrOverloaded
}

// unverified says why an attempt was not verified: because nobody waits for it any more, or for a fault.
func (s *Service) unverified(ctx context.Context, err error, a *attempt) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.fault(err, a)
}

// changed tells whether the watch knows that a credential was written while an attempt on it waited and hashed.
func (s *Service) changed(ctx context.Context, name string, read *credential.Record) (bool, error) {
	known, err := s.watch.Known(ctx, name)
	return known != nil && read.IsNewer(known.Version), err
}

// settle writes what a verified attempt means. It returns credential.ErrConflict where that has to be decided again.
func (s *Service) settle(ctx context.Context, a *attempt, right bool, decide decideFunc) (*Result, error) {
	if !right {
		_, err := s.store.Update(ctx, a.record, a.rules.Failed(a.record.Credential))
		switch {
		case errors.Is(err, credential.ErrConflict):
			return nil, err
		case err != nil:
			return nil, s.fault(err, a)
		}
		return nil, ErrInvalidCredentials
	}
	d, err := decide(ctx, a)
	if err != nil {
		return nil, s.fault(err, a)
	}
	record, err := s.store.Update(ctx, a.record, d.credential)
	switch {
	case errors.Is(err, credential.ErrConflict):
		return nil, err
	case err != nil:
		return nil, s.fault(err, a)
	case d.refusal != nil:
		return nil, d.refusal
	}
	return &Result{Account: a.account, Record: record, Policy: a.rules.Policy, Answer: d.answer}, nil
}

// verify hashes in the pool. Who hangs up before it begins has not guessed.
func (s *Service) verify(ctx context.Context, encoded hash.Encoded, text string) (right bool, err error) {
	poolErr := s.hashing.Do(ctx, func() {
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		right, err = s.hasher.Verify(finish, encoded, text)
	})
	if poolErr != nil {
		return false, poolErr
	}
	return right, err
}

// recordOwed writes the failures that could not be written when they happened.
func (s *Service) recordOwed(ctx context.Context, slot slotName, a *attempt) error {
	due := s.unrecorded.due(slot, a.record)
	if len(due) == 0 {
		return nil
	}
	c, rules := a.record.Credential, a.rules
	for _, one := range due {
		c = rules.FailedThen(c, one.at)
	}
	record, err := s.store.Update(ctx, a.record, c)
	if err != nil {
		return err
	}
	a.record = record
	s.unrecorded.paid(slot.credential, due)
	return nil
}

// fault logs what stands in the way of knowing, and refuses.
func (s *Service) fault(err error, a *attempt) error {
	if errors.Is(err, hash.ErrOverloaded) {
		return ErrOverloaded
	}
	attrs := []any{"error", err}
	if a != nil && a.account != nil {
		attrs = append(attrs, "namespace", a.account.Namespace, "account", a.account.Name)
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
