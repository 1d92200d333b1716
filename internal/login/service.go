package login

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/token"
)

const (
	// retrySoon is the Retry-After where only the load of the moment is in the way.
	retrySoon = time.Second
	// burst is how many attempts begin together where many wait. Their reads cost less CPU one right after the other than each between
	// two hashes, which leave nothing in the processor's caches (ADR 0017).
	burst = 8
)

// Service guards attempts. It is safe for concurrent use.
type Service struct {
	catalog     *catalog.Catalog
	store       *credential.Store
	clock       clock.PassiveClock
	watch       Watch
	decoyKey    func() credential.DecoyKey
	verifiers   authn.Verifiers
	hasher      hash.Hasher
	findAccount authn.Finder
	// ownerOfIdentity returns the UID of the credential that is bound to an identity at a provider; nil where nothing is.
	ownerOfIdentity provider.OwnerFunc

	// admission has room for the attempts that are under way and for those that wait for a slot, or for the lock of their account: one that would have to
	// wait for long is refused at once instead.
	admission    chan struct{}
	accountLocks accountLocks
	// behind has room for the attempts that wait for the lock of an account in a namespace that a directory serves. They take no place of others.
	behind chan struct{}
	// slots bound the attempts that are under way, of which there are underWay. An attempt loads the credential when it has its
	// slot, so that what it loads is fresh.
	slots    *semaphore.Weighted
	underWay atomic.Int64
	// heldSlots are the slots that freeSlot holds back, guarded by slotsMutex.
	heldSlots  int64
	slotsMutex sync.Mutex

	unrecorded unrecordedFailures

	// apiServerFailing: the API server did not return the last credential that it was asked for.
	apiServerFailing atomic.Bool
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
	// Owner of the credential; zero for a decoy.
	Owner account.Owner
}

// Options of a service.
type Options struct {
	Catalog *catalog.Catalog
	// Store has to read from the API server.
	Store *credential.Store
	Clock clock.PassiveClock
	Watch Watch
	// Verifiers say whether a secret is right.
	Verifiers authn.Verifiers
	// Hasher hashes new passwords. It bounds how many hashes are computed at once.
	Hasher hash.Hasher
	// FindAccount finds the account of an assertion; nil where no provider asserts anything.
	FindAccount authn.Finder
	// OwnerOfIdentity returns the UID of the credential that is bound to an identity (provider.Identity); nil where nothing binds. One entry of a
	// directory belongs to one account.
	OwnerOfIdentity provider.OwnerFunc
	// DecoyKey returns the key of the decoys. It is asked for only while there is one: without keys nobody is logged in.
	DecoyKey func() credential.DecoyKey
	// Hashes is how many passwords are hashed at once, and Queue how many attempts may wait for that or for the lock of their account. As many
	// again may wait for locks in namespaces that a directory serves.
	Hashes, Queue int
}

// NewService returns a service.
func NewService(o Options) *Service {
	atOnce := 2*o.Hashes + burst
	return &Service{
		catalog: o.Catalog, store: o.Store, clock: o.Clock, watch: o.Watch, decoyKey: o.DecoyKey,
		verifiers: o.Verifiers, hasher: o.Hasher, findAccount: o.FindAccount, ownerOfIdentity: o.OwnerOfIdentity,
		admission: make(chan struct{}, atOnce+max(o.Queue, 0)),
		behind:    make(chan struct{}, max(o.Queue, 0)),
		slots:     semaphore.NewWeighted(int64(atOnce)),
	}
}

// Waiting returns how many attempts with a place wait: for the lock of their account, or for others that are under way.
func (s *Service) Waiting() int { return max(len(s.admission)-int(s.underWay.Load()), 0) }

// Result is a login that was granted.
type Result struct {
	Account *v1alpha1.UserAccount
	Record  *credential.Record
	Policy  policy.Policy
	Answer  account.Answer
	// Method by which the person has proven who they are.
	Method token.Method
	// Provider that has said who the person is; nil where Keyturn keeps the password. ProvenTime is when the person last proved there, without a password
	// that was given here, who they are; zero: not known.
	Provider   *v1alpha1.IdentityProvider
	ProvenTime time.Time
}

// Groups are those of the account, and the mapped ones that the person has at the provider. They must not be changed.
func (r *Result) Groups() []string {
	if r.Provider == nil {
		return r.Account.Spec.Groups
	}
	return provider.MapGroups(r.Provider, r.Account.Spec.Groups, r.Record.External.Groups)
}

// Login lets somebody in who proves the account by a secret. Errors: ErrInvalidCredentials, TooManyAttemptsError,
// ChangeRequiredError, AccountUnavailableError, ErrOverloaded, ErrUnavailable, *authn.UnavailableError, or the context's; of an account that a provider
// verifies in a *ProviderError.
func (s *Service) Login(ctx context.Context, who Who, secret string) (*Result, error) {
	return s.attempt(ctx, who, secret, func(ctx context.Context, l *loaded, p account.Proven) (decision, error) {
		p.Compliance = s.compliance(ctx, l)
		d := s.nextStep(l, p)
		if d.refusal == nil {
			s.rehash(ctx, l, &d.credential)
		}
		return d, nil
	})
}

// Accept lets somebody in whom an identity provider or a ticket vouches for. Errors: as Login; ErrInvalidCredentials where no
// account is declared for the subject, and AccountUnavailableError where one is that cannot be used, also for the sake of its provider.
func (s *Service) Accept(ctx context.Context, a authn.Assertion) (*Result, error) {
	found, err := s.findAccount(ctx, a)
	if errors.Is(err, authn.ErrNoAccount) {
		return nil, ErrInvalidCredentials
	}
	if err != nil {
		return nil, s.unavailable(err, nil)
	}
	proven := account.Proven{Asserted: true, RefusedElsewhere: a.State, External: account.External{
		ProviderUID: a.ProviderUID, Subject: a.Subject, Groups: a.Groups, PasswordSetTime: a.PasswordSetTime,
	}}
	if a.Directory {
		proven.External.Name = provider.ExternalName(found)
	}
	for range maxConflicts {
		l, err := s.loadOwn(ctx, found)
		if err != nil {
			return nil, s.unavailable(err, nil)
		}
		if a.Directory && s.ownerOfIdentity.IsOwnedElsewhere(a.ProviderUID, a.Subject, l.record.UID()) {
			return nil, ErrInvalidCredentials
		}
		result, err := s.settle(ctx, l, verdict{right: true, proven: proven, method: a.Method},
			func(_ context.Context, l *loaded, p account.Proven) (decision, error) { return s.nextStep(l, p), nil })
		switch {
		case errors.Is(err, credential.ErrConflict):
		case errors.Is(err, ErrInvalidCredentials): // It is not the person's account.
			return nil, err
		default:
			return result, l.refusal(err)
		}
	}
	return nil, ErrOverloaded
}

// nextStep asks the rules what follows a proof.
func (*Service) nextStep(l *loaded, p account.Proven) decision {
	c, answer := l.rules.NextStep(l.record.Credential, p)
	d := decision{credential: c, answer: answer}
	switch {
	case answer.Outcome == account.Granted:
	case answer.Reason == account.ReasonNotDeclared: // The account is another person's than the one who has proven it.
		d.refusal = ErrInvalidCredentials
	case answer.Outcome == account.ChangeRequired:
		d.refusal = &ChangeRequiredError{Reason: answer.MustChange, Requirements: l.rules.Policy.Requirements(), Words: l.words()}
	default:
		d.refusal = &AccountUnavailableError{Reason: answer.Reason, Provider: l.request.Provider}
	}
	return d
}

// loadOwn reads the credential of an account, live, and the rules for it. Errors: credential.ErrNotFound where it has none.
func (s *Service) loadOwn(ctx context.Context, a *v1alpha1.UserAccount) (*loaded, error) {
	record, err := s.store.Of(ctx, a)
	if err != nil {
		return nil, err
	}
	rules, _, err := s.catalog.RulesFor(ctx, a, s.clock.Now())
	if err != nil {
		return nil, err
	}
	found, err := s.catalog.Provider(ctx, a)
	if err != nil {
		return nil, err
	}
	return &loaded{account: a, record: record, rules: rules, request: authn.Request{Provider: found.Provider}}, nil
}
