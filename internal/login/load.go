package login

import (
	"context"
	"errors"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// target is what an attempt is about.
type target struct {
	who Who
	// key has the name of the credential and, where the attempt comes from a device that has logged in before, its ID.
	key lockKey
	// exists: there is a credential of the name, as far as the watch knows.
	exists bool
	// began is when the attempt did.
	began time.Time
}

// errDeviceEnded: the device no longer counts as one that has logged in before, which the watch does not know yet. The attempt has
// to begin again as one from anywhere.
var errDeviceEnded = errors.New("the device no longer counts as one that has logged in before")

// loaded is everything that decides about an attempt, as it was read.
type loaded struct {
	// account is nil where nobody has the name.
	account *v1alpha1.UserAccount
	// record is a decoy where there is no credential.
	record *credential.Record
	rules  account.Rules
	// verifier is nil where no secret can be right; then a dummy hash is verified. request is what it is asked, but for the secret.
	verifier authn.Verifier
	request  authn.Request
	// version changes with what a secret is compared with, such as the stored hash. It is never nil.
	version authn.Version
	// password that was proven.
	password policy.Password
}

// failure returns what has to be recorded if the secret of the attempt is wrong.
func (l *loaded) failure() failure {
	return failure{
		time: l.rules.Now, credentialUID: l.record.UID(), unknownName: l.record.IsDecoy(),
		device: l.rules.Device, generation: l.record.SessionGeneration,
	}
}

// words are the account's own words, which a new password must not contain, such as the display name. Only somebody who has proven
// the password may see them.
func (l *loaded) words() []string { return catalog.SubjectOf(l.account).Words() }

// refusal names the account and its provider in the error of an attempt.
func (l *loaded) refusal(err error) error {
	if err == nil || l == nil || l.request.Provider == nil {
		return err
	}
	return &ProviderError{Provider: l.request.Provider, Account: l.account, Cause: err}
}

// load reads what decides about an attempt. For a name that nobody has, it reads a decoy in place of the credential: the attempt then
// costs as much, is counted and locked alike, and no secret is right. No secret is right either for an account without a password,
// or one that no verifier is for; its failures are counted in its own credential.
//
// The first read need not be live. If it is a moment old, what is written after it meets a conflict, and what needs no write is
// decided again if the watch knows a later version. The reads after a conflict are live.
func (s *Service) load(ctx context.Context, t target, live bool) (*loaded, error) {
	record, err := s.readRecord(ctx, t, live)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.apiServerFailing.Store(err != nil && !errors.Is(err, credential.ErrInvalid)) // It did answer, if with a damaged credential.
	if err != nil {
		return nil, s.unavailable(err, nil)
	}
	a, err := s.accountOf(ctx, t, record)
	if err != nil {
		return nil, s.unavailable(err, nil)
	}
	l := &loaded{account: a, record: record}
	if err := s.chooseVerifier(ctx, l); err != nil {
		return nil, s.unavailable(err, l)
	}
	if l.version != nil {
		if l.rules, _, err = s.catalog.RulesFor(ctx, a, s.clock.Now()); err != nil {
			return nil, s.unavailable(err, l)
		}
		l.request.Hashing, l.request.Address = l.rules.Policy.Hashing, t.who.Address
	} else if err := s.useDummyHash(ctx, t, l); err != nil {
		return nil, s.unavailable(err, l)
	}
	if t.key.device != "" {
		l.rules.Device = t.who.deviceFor(record.UID(), record.SessionGeneration)
		if l.rules.Device != t.key.device {
			return nil, errDeviceEnded
		}
	}
	return l, nil
}

// readRecord reads the credential or its decoy.
func (s *Service) readRecord(ctx context.Context, t target, live bool) (*credential.Record, error) {
	if t.exists {
		read := s.store.GetRecent
		if live {
			read = s.store.Get
		}
		record, err := read(ctx, t.key.credential)
		if !errors.Is(err, credential.ErrNotFound) {
			return record, err
		}
	}
	// There is none, or it was deleted a moment ago.
	return s.store.GetDecoy(ctx, s.decoyKey(), t.key.credential, live)
}

// accountOf returns the account that a credential belongs to; nil for a decoy, or if the account is gone or another one has its name.
func (s *Service) accountOf(ctx context.Context, t target, record *credential.Record) (*v1alpha1.UserAccount, error) {
	if record.IsDecoy() || record.Owner.Namespace != t.who.Namespace {
		return nil, nil
	}
	a, err := s.catalog.Account(ctx, record.Owner.Namespace, record.Owner.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil || !record.BelongsTo(a) {
		return nil, err
	}
	return a, nil
}

// chooseVerifier fills in what looks at the secret; nothing where no secret can be right.
func (s *Service) chooseVerifier(ctx context.Context, l *loaded) error {
	if l.account == nil {
		return nil
	}
	l.verifier = s.verifiers.For(l.account)
	if l.verifier == nil {
		return nil
	}
	l.request = authn.Request{Account: l.account, Credential: l.record.Credential, CredentialUID: l.record.UID()}
	if l.account.Spec.Authentication.Type == v1alpha1.AuthenticationExternal {
		found, err := s.catalog.Provider(ctx, l.account)
		if err != nil {
			return err
		}
		if found.Problem == "" {
			l.request.Provider = found.Provider
		}
	}
	l.version = l.verifier.Version(l.request)
	return nil
}

// isElsewhere tells whether the owner of a credential has its password elsewhere, as far as the cache knows.
func (s *Service) isElsewhere(ctx context.Context, owner account.Owner) bool {
	if owner.Name == "" {
		return false
	}
	a, err := s.catalog.Account(ctx, owner.Namespace, owner.Name)
	return err == nil && a.Spec.Authentication.Type == v1alpha1.AuthenticationExternal
}

// asksElsewhere tells whether another system is asked about the secret. A password for an account of a provider that has none is compared with a dummy
// hash here.
func (l *loaded) asksElsewhere() bool { return l.verifier != nil && l.request.Provider != nil }

// useDummyHash has the attempt verify a dummy hash, under the policy of the namespace: unknown users cost the same as known ones,
// and no secret is right.
func (s *Service) useDummyHash(ctx context.Context, t target, l *loaded) error {
	// Without an account it is not known what is declared. A spec that cannot be read ends no binding of the credential, which may be kept for a restore.
	spec := &v1alpha1.UserAccountSpec{Unreadable: []string{"spec"}}
	if l.account != nil {
		spec = &l.account.Spec
	}
	rules, err := s.catalog.RulesIn(ctx, t.who.Namespace, spec, s.clock.Now())
	if err != nil {
		return err
	}
	l.rules = rules
	l.verifier, l.version = nil, hash.Decoy(rules.Policy.Hashing)
	return nil
}

// askVerifier asks the verifier of the account about a secret, or verifies the dummy hash.
func (s *Service) askVerifier(ctx context.Context, l *loaded, secret string) (authn.Proof, error) {
	if l.verifier == nil {
		return authn.Proof{}, s.verifiers.VerifyDummy(ctx, l.rules.Policy.Hashing, secret)
	}
	request := l.request
	request.Secret = secret
	return l.verifier.Verify(ctx, request)
}
