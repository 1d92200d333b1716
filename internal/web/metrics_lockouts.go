package web

import (
	"context"

	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/directory"
)

// Lockouts counts the accounts that wrong passwords lock, by what is written: that is the one moment at which each lock
// begins. Locks for lack of logins come with time, and nobody writes them.
type Lockouts struct {
	// Directory is the one of the cache.
	Directory *directory.Directory
	Clock     clock.PassiveClock
	Metrics   *Metrics
}

// Wrote is a credential.Store's OnWrite.
func (l *Lockouts) Wrote(ctx context.Context, before, after *credential.Record) {
	if after.Failures.Consecutive <= before.Failures.Consecutive {
		return // Nothing but a wrong password locks.
	}
	declared, err := l.Directory.Account(ctx, after.Owner.Namespace, after.Owner.Name)
	if err != nil {
		return // It has gone in this moment, and the lock with it.
	}
	resolved, err := l.Directory.PolicyFor(ctx, declared)
	if err != nil {
		return
	}
	rules := account.NewRules(&declared.Spec, resolved.Policy, l.Clock.Now())
	if lock := rules.Lock(after.Credential); lock.Locked && !rules.Lock(before.Credential).Locked {
		l.Metrics.Locked(lock.Reason)
	}
}
