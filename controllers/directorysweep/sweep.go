package directorysweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// maxRounds is how often a sweep asks about people whose account or credential somebody has written since it was read. Whoever is left then is looked
	// up by the next sweep, and counts as not recorded.
	maxRounds = 3
	// maxWriters credentials are written at once.
	maxWriters = 8
	// leastForMass is from how many people on most of them cannot be gone at once.
	leastForMass = 10
)

// sweep is one look at all people of a directory.
type sweep struct {
	*Reconciler
	provider *v1alpha1.IdentityProvider
	settings *provider.Settings
	// missingSince are the subjects that the answer before this one did not have, with the time of the first answer in a row that did not; missing are
	// those that this one does not have. began is when it was asked for.
	missingSince map[string]time.Time
	missing      map[string]bool
	began        time.Time
	// mass tells that the directory no longer has most of the people, so that nobody counts as gone.
	mass bool
	// unread is what the answer could not tell, and unrecorded of whom it could not be recorded: that keeps nobody else from being looked up.
	unread     unread
	unrecorded unrecorded
}

// person is an account that is bound to somebody in the directory, and its credential as it was read before the directory was asked.
type person struct {
	account *v1alpha1.UserAccount
	rule    account.Provider
	record  *credential.Record
}

// subject is how the directory names the person.
func (p *person) subject() string { return p.record.External.Subject }

// run asks the directory about all people that are bound to it, and records what has changed. An error means that there is no complete answer: what was
// recorded until then stays.
func (s *sweep) run(ctx context.Context) error {
	people, err := s.bound(ctx)
	if err != nil {
		return err
	}
	for round := range maxRounds {
		if len(people) == 0 {
			return nil
		}
		answer, err := s.ask(ctx, s.settings, subjectsOf(people))
		if err != nil && round > 0 { // The answer about everybody counts all the same.
			slog.Warn("People whose accounts or credentials were changed during a sweep could not be looked up again", "provider", s.provider.Name, "error", err)
			break
		}
		if err != nil {
			return fmt.Errorf("ask the directory: %w", err)
		}
		if round == 0 {
			s.noteMissing(people, answer)
		}
		s.noteUnread(people, answer)
		people = s.recordAll(ctx, people, answer)
	}
	for _, who := range people { // Whoever can bring that about keeps the sessions meanwhile.
		s.unrecorded.note(who.account, credential.ErrConflict)
	}
	return nil
}

func subjectsOf(people []*person) []string {
	subjects := make([]string, len(people))
	for i, who := range people {
		subjects[i] = who.subject()
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

// bound returns the accounts that are bound to somebody in the directory. Those that the provider may not verify are not among them: their sessions are
// over without the directory.
func (s *sweep) bound(ctx context.Context) ([]*person, error) {
	accounts := &v1alpha1.UserAccountList{}
	if err := s.reader.List(ctx, accounts, catalog.OfProvider(s.provider.Name), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list accounts that name the provider: %w", err)
	}
	var people []*person
	for i := range accounts.Items {
		a := &accounts.Items[i]
		who, err := s.personOf(ctx, a, s.cached)
		if errors.Is(err, credential.ErrInvalid) {
			err = s.noteInvalid(ctx, a, err)
		}
		if err != nil {
			return nil, err
		}
		if who != nil {
			people = append(people, who)
		}
	}
	return people, nil
}

// noteInvalid notes an account whose credential cannot be read. In the cache, that is so of each account that is bound to nobody, too: nothing is left of its
// credential there.
func (s *sweep) noteInvalid(ctx context.Context, a *v1alpha1.UserAccount, why error) error {
	binds, err := s.cached.MayBind(ctx, a, string(s.provider.UID))
	if err == nil && binds {
		s.unrecorded.note(a, why)
	}
	return err
}

// personOf reads whom an account is bound to; nil where it is bound to nobody in the directory. An error wraps credential.ErrInvalid where its credential
// cannot be read.
func (s *sweep) personOf(ctx context.Context, a *v1alpha1.UserAccount, store *credential.Store) (*person, error) {
	if _, err := credential.NameOf(a); err != nil || a.DeletionTimestamp != nil {
		return nil, nil
	}
	found, err := s.catalog.Provider(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("look up the provider of an account: %w", err)
	}
	if found.Problem != "" || found.Provider == nil || found.Provider.UID != s.provider.UID {
		return nil, nil
	}
	record, err := store.Of(ctx, a)
	switch {
	case errors.Is(err, credential.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	rule := catalog.ProviderRule(found)
	rule.Mapped = s.provider.Spec.GroupMappings // The directory is asked about these, though they may have changed meanwhile.
	who := &person{account: a, rule: rule, record: record}
	// A declaration that has changed unbinds the account: the operator records that.
	if now := who.rules(s.clock.Now()).ApplyRequests(record.Credential).External; now.ProviderUID != string(s.provider.UID) || now.Subject != record.External.Subject {
		return nil, nil
	}
	return who, nil
}

// rules returns the rules for the account. What a directory says about somebody is the same under every policy, so none is looked up: the server
// needs no right to read policies.
func (p *person) rules(now time.Time) account.Rules {
	rules := account.NewRules(&p.account.Spec, policy.Policy{}, now)
	rules.Provider = p.rule
	return rules
}

// isGone tells whether somebody is recorded as gone already.
func (p *person) isGone() bool { return p.record.External.State == v1alpha1.ReasonExternalGone }

// noteMissing notes who is not in the answer, and whether these are too many to be true.
// Who cannot be read is there.
func (s *sweep) noteMissing(people []*person, answer Answer) {
	expected := 0
	for _, who := range people {
		if who.isGone() {
			continue
		}
		expected++
		if _, found := answer.Observed[who.subject()]; !found && !answer.Unreadable[who.subject()] {
			s.missing[who.subject()] = true
		}
	}
	if expected < leastForMass || 2*len(s.missing) <= expected {
		return
	}
	slog.Warn("More than half of the people are not in the directory any more, all at once; nobody is recorded as gone",
		"provider", s.provider.Name, "people", expected, "missing", len(s.missing))
	s.mass, s.missing = true, map[string]bool{}
}

// observe returns what the directory says about somebody; false where that does not count yet.
func (s *sweep) observe(who *person, answer Answer) (Observation, bool) {
	if answer.Unreadable[who.subject()] {
		return Observation{}, false
	}
	o, found := answer.Observed[who.subject()]
	if found && answer.GroupsFailure != "" {
		o.Groups = who.record.External.Groups
	}
	if found {
		return o, true
	}
	return Observation{State: v1alpha1.ReasonExternalGone}, !s.mass && s.missing[who.subject()] && s.missedBefore(who.subject())
}

// missedBefore tells whether an answer that is an interval older did not have somebody, nor any since. After writes that have failed the directory is asked
// again sooner than that.
func (s *sweep) missedBefore(subject string) bool {
	since, missed := s.missingSince[subject]
	return missed && s.began.Sub(since) >= shortest(provider.RevalidationInterval(s.provider))
}

// stillMissing returns the subjects that the answer does not have, with the time of the first answer in a row that did not have them.
func (s *sweep) stillMissing() map[string]time.Time {
	missing := make(map[string]time.Time, len(s.missing))
	for subject := range s.missing {
		missing[subject] = s.began
		if since, before := s.missingSince[subject]; before {
			missing[subject] = since
		}
	}
	return missing
}

// recordAll records what the directory says about people. It returns those about whom it has to be asked again.
func (s *sweep) recordAll(ctx context.Context, people []*person, answer Answer) (again []*person) {
	var mu sync.Mutex
	writers := &errgroup.Group{}
	writers.SetLimit(maxWriters)
	for _, who := range people {
		o, counts := s.observe(who, answer)
		// Most often nothing has changed, and then nothing is read or written.
		if !counts || who.rules(s.clock.Now()).Revalidate(who.record.Credential, o).Equal(who.record.Credential) {
			continue
		}
		writers.Go(func() error {
			changed, err := s.record(ctx, who, o)
			if err != nil { // The others are recorded nevertheless.
				s.unrecorded.note(who.account, err)
			}
			if changed != nil {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, changed)
			}
			return nil
		})
	}
	_ = writers.Wait() // None returns an error.
	return again
}

// record writes what the directory says about somebody. Where the account, or whom it is bound to, was changed since the directory was asked, what it says may be older
// than that: it is asked again then, about the person who is returned.
func (s *sweep) record(ctx context.Context, who *person, o Observation) (again *person, err error) {
	for range maxRounds {
		latest, err := s.latest(ctx, who) // Its credential may be one that cannot be read: the cache leaves that out, or is older.
		if err != nil || latest == nil {
			return nil, err
		}
		if latest.account.Generation != who.account.Generation || !sameBinding(latest.record, who.record) {
			return latest, nil
		}
		decided := latest.rules(s.clock.Now()).Revalidate(latest.record.Credential, o)
		written, err := s.live.Update(ctx, latest.record, decided)
		if errors.Is(err, credential.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if written != latest.record {
			s.unrecorded.noteWritten()
		}
		s.ended(latest, written)
		return nil, nil
	}
	return who, nil
}

// latest reads an account again, and its credential from the API server; nil where it is not bound to anybody in the directory any more.
func (s *sweep) latest(ctx context.Context, who *person) (*person, error) {
	a, err := s.catalog.Account(ctx, who.account.Namespace, who.account.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.personOf(ctx, a, s.live)
}

// sameBinding tells whether a credential is the same one, and says the same about the person at the provider. Failed logins do not matter.
func sameBinding(a, b *credential.Record) bool {
	left, right := account.Credential{External: a.External}, account.Credential{External: b.External}
	return a.UID() == b.UID() && left.Equal(right)
}

// ended counts and logs that somebody's sessions ended.
func (s *sweep) ended(before *person, after *credential.Record) {
	for _, t := range before.rules(s.clock.Now()).Transitions(before.record.Credential, after.Credential) {
		if t.Kind != account.SessionsEnded {
			continue
		}
		s.metrics.ended(s.provider.Name, t.Reason)
		slog.Info("Sessions ended because of what the directory says", "provider", s.provider.Name,
			"namespace", before.account.Namespace, "account", before.account.Name, "reason", t.Reason)
	}
}
