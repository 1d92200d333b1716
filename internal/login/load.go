package login

import (
	"context"
	"errors"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// target is what an attempt is about.
type target struct {
	// slot has the name of the credential and the ID of the device, where the attempt comes from one that holds as far as the
	// watch knows.
	slot slotName
	// exists: there is such a credential, as far as the watch knows.
	exists bool
	who    Who
}

// errDeviceEnded: the device holds no more, as the watch has not heard yet. The attempt has to begin again without it.
var errDeviceEnded = errors.New("the device does not count any more")

// attempt is one attempt: what the rules know, and the credential that it is about.
type attempt struct {
	// account is nil where nobody has the name.
	account *v1alpha1.UserAccount
	// record is a decoy where there is no credential.
	record *credential.Record
	rules  account.Rules
	// encoded is what the password is verified against; hopeless tells that no password is right.
	encoded  hash.Encoded
	hopeless bool
	password policy.Password
}

// debt is what the attempt owes if its password was wrong and cannot be recorded.
func (a *attempt) debt() debt {
	return debt{
		at: a.rules.Now, uid: a.record.UID(), decoy: a.record.IsDecoy(),
		device: a.rules.Device, generation: a.record.SessionGeneration,
	}
}

// load reads what an attempt is about. A name that nobody has, as the watch knows, has a decoy in the place of the
// credential: what comes after costs as much, is counted and locked alike, and is never right. Accounts without a password
// count in their own credential and are never right either. After a conflict the read has to be live; before, one that is
// a moment behind does no harm: whatever is decided from it and written meets a conflict, and what needs no write is decided
// again if the watch knows of a later version.
func (s *Service) load(ctx context.Context, t target, live bool) (*attempt, error) {
	record, err := s.read(ctx, t, live)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.unanswered.Store(err != nil && !errors.Is(err, credential.ErrInvalid)) // One that is damaged was answered.
	if err != nil {
		return nil, s.fault(err, nil)
	}
	declared, err := s.declared(ctx, t, record)
	if err != nil {
		return nil, s.fault(err, nil)
	}
	a := &attempt{account: declared, record: record}
	if declared != nil {
		resolved, err := s.catalog.PolicyFor(ctx, declared)
		if err != nil {
			return nil, s.fault(err, a)
		}
		a.rules = account.NewRules(&declared.Spec, resolved.Policy, s.clock.Now())
		a.encoded = record.Password.Hash
	}
	if declared == nil || !a.rules.CanVerify(record.Credential) {
		if err := s.despair(ctx, t, a); err != nil {
			return nil, s.fault(err, a)
		}
	}
	if t.slot.device != "" {
		if a.rules.Device = t.who.on(record.UID(), record.SessionGeneration); a.rules.Device != t.slot.device {
			return nil, errDeviceEnded
		}
	}
	return a, nil
}

// read reads the credential or its decoy.
func (s *Service) read(ctx context.Context, t target, live bool) (*credential.Record, error) {
	if t.exists {
		read := s.store.GetRecent
		if live {
			read = s.store.Get
		}
		record, err := read(ctx, t.slot.credential)
		if !errors.Is(err, credential.ErrNotFound) {
			return record, err
		} // It was deleted a moment ago.
	}
	return s.store.GetDecoy(ctx, s.decoyKey(), t.slot.credential, live)
}

// declared returns the account that a credential belongs to; nil where there is none of this name, or another one.
func (s *Service) declared(ctx context.Context, t target, record *credential.Record) (*v1alpha1.UserAccount, error) {
	if record.IsDecoy() || record.Owner.Namespace != t.who.Namespace {
		return nil, nil
	}
	declared, err := s.catalog.Account(ctx, record.Owner.Namespace, record.Owner.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if own, err := credential.NameOf(declared); err != nil || own != t.slot.credential || string(declared.UID) != record.Owner.UID {
		return nil, nil
	}
	return declared, nil
}

// despair makes an attempt one that cannot be right, and that is otherwise like one on an account under the policy of its
// namespace.
func (s *Service) despair(ctx context.Context, t target, a *attempt) error {
	resolved, err := s.catalog.NamespacePolicy(ctx, t.who.Namespace)
	if err != nil {
		return err
	}
	spec := &v1alpha1.UserAccountSpec{}
	if a.account != nil {
		spec = &a.account.Spec
	}
	a.rules = account.NewRules(spec, resolved.Policy, s.clock.Now())
	a.encoded, a.hopeless = hash.Decoy(resolved.Policy.Hashing), true
	return nil
}
