package login

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/directory"
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
)

// Service checks passwords.
type Service struct {
	directory *directory.Directory
	store     *credential.Store
	clock     clock.PassiveClock
	versions  Versions

	// turns bounds the attempts that are under way, hashing those that hash. An attempt loads the credential when its
	// turn has come, so that it is fresh; there are more turns than hashes, so that cores need not idle while one loads.
	turns   *hash.Pool
	hashing *hash.Pool
	hasher  Hasher

	slots slots

	mu sync.Mutex
	// unrecorded counts the failures, per credential, that could not be written yet. Until they are, the account is
	// refused.
	unrecorded map[string]int
}

// Hasher computes hashes: the functions of package hash, somewhere. Its errors are theirs, the context's, or say that it
// could not be done.
type Hasher interface {
	Verify(ctx context.Context, encoded hash.Encoded, password string) (bool, error)
	Create(ctx context.Context, password string, parameters hash.Parameters) (hash.Encoded, error)
	Digest(ctx context.Context, password string, salt []byte) ([]byte, error)
}

// Versions tells, from a watch, at which resource version a credential is known to be; empty where it is not known.
type Versions interface {
	Version(ctx context.Context, credentialName string) string
}

// NewService returns a service. The store has to read from the API server. At most hashes passwords are hashed at once and
// at most queue attempts wait for their turn.
func NewService(d *directory.Directory, store *credential.Store, c clock.PassiveClock, versions Versions, hasher Hasher, hashes, queue int) *Service {
	turns := 2*hashes + burst
	return &Service{
		directory: d, store: store, clock: c, versions: versions, hasher: hasher,
		turns: hash.NewBurstPool(turns, queue, burst), hashing: hash.NewPool(hashes, turns),
		unrecorded: map[string]int{},
	}
}

// Hashing tells how many passwords are being hashed, and how many attempts wait for their turn.
func (s *Service) Hashing() (running, waiting int) {
	return s.hashing.Running(), s.turns.Waiting() + s.hashing.Waiting()
}

// Who names an account as a person does.
type Who struct {
	Namespace, Username string
}

// Result is a login that was granted.
type Result struct {
	Account *v1alpha1.UserAccount
	Record  *credential.Record
	Policy  policy.Policy
	Answer  account.Answer
}

// attempt is one attempt whose password is right: what the rules know, and the credential that was verified.
type attempt struct {
	account  *v1alpha1.UserAccount
	record   *credential.Record
	rules    account.Rules
	password policy.Password
}

// decision is what becomes of such an attempt: the credential to write, and the error to answer with, if any.
type decision struct {
	credential account.Credential
	answer     account.Answer
	refusal    error
}

// check runs an attempt to its end. decide is called when the password is right, and again from the start when the
// credential was written by another before its decision was.
func (s *Service) check(ctx context.Context, who Who, raw string, decide func(context.Context, *attempt) (decision, error)) (*Result, error) {
	name := credentialName(who)
	release, err := s.slots.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()

	var result *Result
	poolErr := s.turns.Do(ctx, func() { result, err = s.turn(ctx, name, who, raw, decide) })
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
func (s *Service) turn(ctx context.Context, name string, who Who, raw string, decide func(context.Context, *attempt) (decision, error)) (result *Result, err error) {
	password, err := policy.Prepare(raw)
	text := password.Text()
	if err != nil {
		text = raw // No stored password is like this: it is verified, and fails, as any other.
	}
	finish, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var verified hash.Encoded
	var right bool
	defer func() {
		// A guess that was verified counts, whatever kept it from being recorded.
		if verified != "" && !right && !errors.Is(err, ErrInvalidCredentials) {
			s.owe(name)
		}
	}()
	for try := range maxConflicts {
		a, err := s.load(ctx, name, who, try > 0)
		if err != nil {
			return nil, err
		}
		if a == nil {
			s.forgive(name)
			return nil, s.decoy(ctx, who, text)
		}
		a.password = password
		if err := s.recordOwed(ctx, name, a); err != nil {
			if errors.Is(err, credential.ErrConflict) {
				continue
			}
			return nil, s.fault(err, a)
		}
		if lock := a.rules.Lock(a.rules.ApplyRequests(a.record.Credential)); lock.Locked {
			return nil, locked(lock, a.rules.Now)
		}
		if encoded := a.record.Password.Hash; verified != encoded {
			ok, err := s.verify(ctx, encoded, text)
			if err != nil && ctx.Err() != nil {
				return nil, ctx.Err() // Nobody waits for it any more, and nothing was verified.
			}
			if err != nil {
				return nil, s.fault(err, a)
			}
			if verified == "" {
				defer time.AfterFunc(finishTimeout, giveUp).Stop()
			}
			verified, right, ctx = encoded, ok, finish
		}
		if right && try == 0 && a.record.IsNewer(s.versions.Version(ctx, name)) {
			continue // It was written while this attempt waited and hashed. A wrong one finds that out when it is recorded.
		}
		result, err := s.settle(ctx, a, right, decide)
		if !errors.Is(err, credential.ErrConflict) {
			return result, err
		}
	}
	return nil, ErrOverloaded
}

// settle writes what a verified attempt means. It returns credential.ErrConflict where that has to be decided again.
func (s *Service) settle(ctx context.Context, a *attempt, right bool, decide func(context.Context, *attempt) (decision, error)) (*Result, error) {
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

// load reads the credential of a name, and the account that it belongs to. It returns nil where no password can be
// verified: an unknown account, or one that answers like it. After a conflict the read has to be live; before, one that is
// a moment behind does no harm: whatever is decided from it and written meets a conflict, and what needs no write is decided
// again if the watch knows of a later version.
func (s *Service) load(ctx context.Context, name string, who Who, live bool) (*attempt, error) {
	read := s.store.GetRecent
	if live {
		read = s.store.Get
	}
	record, err := read(ctx, name)
	if errors.Is(err, credential.ErrNotFound) {
		return nil, nil
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, s.fault(err, nil)
	}
	if record.Owner.Namespace != who.Namespace {
		return nil, nil
	}
	declared, err := s.directory.Account(ctx, record.Owner.Namespace, record.Owner.Name)
	if errors.Is(err, directory.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.fault(err, nil)
	}
	if own, err := credential.NameOf(declared); err != nil || own != name || string(declared.UID) != record.Owner.UID {
		return nil, nil
	}
	resolved, err := s.directory.PolicyFor(ctx, declared)
	if err != nil {
		return nil, s.fault(err, nil)
	}
	rules := account.NewRules(&declared.Spec, resolved.Policy, s.clock.Now())
	if !rules.CanVerify(record.Credential) {
		return nil, nil
	}
	return &attempt{account: declared, record: record, rules: rules}, nil
}

// decoy spends what a wrong password of a known account costs.
func (s *Service) decoy(ctx context.Context, who Who, text string) error {
	resolved, err := s.directory.NamespacePolicy(ctx, who.Namespace)
	if err != nil {
		return s.fault(err, nil)
	}
	if _, err := s.verify(ctx, hash.Decoy(resolved.Policy.Hashing), text); err != nil {
		return s.fault(err, nil)
	}
	return ErrInvalidCredentials
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
func (s *Service) recordOwed(ctx context.Context, name string, a *attempt) error {
	s.mu.Lock()
	owed := s.unrecorded[name]
	s.mu.Unlock()
	if owed == 0 {
		return nil
	}
	c := a.record.Credential
	for range owed {
		c = a.rules.Failed(c)
	}
	record, err := s.store.Update(ctx, a.record, c)
	if err != nil {
		return err
	}
	a.record = record
	s.mu.Lock()
	delete(s.unrecorded, name)
	s.mu.Unlock()
	return nil
}

// forgive forgets what is owed of a name that nobody has any more: it was not its next owner's failure.
func (s *Service) forgive(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unrecorded, name)
}

func (s *Service) owe(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unrecorded[name]++
}

// fault logs what stands in the way of knowing, and refuses.
func (s *Service) fault(err error, a *attempt) error {
	if errors.Is(err, hash.ErrOverloaded) {
		return ErrOverloaded
	}
	attrs := []any{"error", err}
	if a != nil {
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

// credentialName is where the credential of a name would be. What cannot be a username has a place of its own that
// nothing is ever at, so that it costs the same.
func credentialName(who Who) string {
	folded, err := policy.FoldUsername(who.Username)
	if err != nil {
		folded = "\x00" + who.Username
	}
	return credential.Name(who.Namespace, folded)
}
