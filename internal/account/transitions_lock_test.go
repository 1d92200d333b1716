package account_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// statusOf is what the operator writes into the status of an account about its lock.
func statusOf(r account.Rules, c account.Credential) *v1alpha1.UserAccountStatus {
	standing := r.Standing(c)
	status := &v1alpha1.UserAccountStatus{
		ObservedGeneration: 1, Standing: standing.Standing, StandingReason: standing.Reason,
		Login: &v1alpha1.LoginStatus{Failures: int32(c.Failures.Consecutive)},
	}
	if until := standing.Lock.Until; !until.IsZero() {
		status.Login.LockedUntilTime = new(v1alpha1.NewInstant(until))
	}
	return status
}

func TestLockWithoutWrite(t *testing.T) {
	open := &v1alpha1.UserAccountStatus{ObservedGeneration: 1, Standing: v1alpha1.StandingActive, Login: &v1alpha1.LoginStatus{Failures: 2}}
	unused := &v1alpha1.UserAccountStatus{ObservedGeneration: 1, Standing: v1alpha1.StandingLocked, StandingReason: v1alpha1.ReasonIdle}
	lockedUntil := func(failures int32, until time.Time) *v1alpha1.UserAccountStatus {
		status := &v1alpha1.UserAccountStatus{
			ObservedGeneration: 1, Standing: v1alpha1.StandingLocked, StandingReason: v1alpha1.ReasonTooManyFailures,
			Login: &v1alpha1.LoginStatus{Failures: failures},
		}
		if !until.IsZero() {
			status.Login.LockedUntilTime = new(v1alpha1.NewInstant(until))
		}
		return status
	}
	failures := func(consecutive int, locked time.Time) func(*state) {
		return func(s *state) { s.c.Failures = account.Failures{Consecutive: consecutive, LockedTime: locked} }
	}
	idle := func(s *state) {
		s.policy.IdleLock, s.c.CreatedTime, s.c.Password.SetTime = time.Hour, ago(2*time.Hour), ago(2*time.Hour)
	}
	nothing := func(*state) {}
	for name, row := range map[string]struct {
		before *v1alpha1.UserAccountStatus
		now    func(*state)
		want   account.TransitionKind
	}{
		"another failure":                     {open, failures(3, time.Time{}), ""},
		"locked by a failure":                 {open, failures(3, ago(time.Second)), ""},
		"locked by an edit of the policy":     {open, failures(2, ago(time.Minute)), account.Locked},
		"locked for lack of logins":           {open, idle, account.Locked},
		"locked at the first look":            {&v1alpha1.UserAccountStatus{}, failures(3, ago(time.Second)), account.Locked},
		"not locked at the first look":        {&v1alpha1.UserAccountStatus{}, nothing, ""},
		"locked for longer":                   {lockedUntil(3, in(time.Minute)), failures(5, ago(time.Minute)), ""},
		"unlocked by a write":                 {lockedUntil(3, in(time.Minute)), nothing, ""},
		"unlocked by a write, and failed":     {lockedUntil(3, in(time.Minute)), failures(1, time.Time{}), ""},
		"unlocked, after a login of a device": {lockedUntil(0, in(time.Minute)), nothing, ""},
		"without end, unlocked by a write":    {lockedUntil(5, time.Time{}), nothing, ""},
		"ended":                               {lockedUntil(3, ago(time.Second)), failures(3, ago(time.Hour)), account.Unlocked},
		"ended, and logged in":                {lockedUntil(3, ago(time.Second)), nothing, account.Unlocked},
		"ended, and failed":                   {lockedUntil(3, ago(time.Second)), failures(4, time.Time{}), account.Unlocked},
		"ended by an edit of the policy":      {lockedUntil(3, in(time.Hour)), failures(0, ago(time.Hour)), account.Unlocked},
		"without end, ended by such an edit":  {lockedUntil(4, time.Time{}), failures(4, time.Time{}), account.Unlocked},
		"used again":                          {unused, nothing, account.Unlocked},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(lockable, row.now)
			if got := s.rules(now).LockWithoutWrite(row.before, s.c); got != row.want {
				t.Errorf("returns %q, want %q", got, row.want)
			}
		})
	}
}

// TestLocksHaveOneEventEach plays the operator. It asks Transitions about each write, and looks at the account
// after an edit of the policy and whenever its standing changes by itself, for which it asks LockWithoutWrite. The events are
// Locked and Unlocked alternately, and the last one says how the account stands.
func TestLocksHaveOneEventEach(t *testing.T) {
	for seed := range uint64(300) {
		choose := rand.New(rand.NewPCG(seed, 1))
		s := begin(lockable, func(s *state) { s.policy.IdleLock = 3 * time.Hour })
		clock, status := now, statusOf(s.rules(now), s.c)
		var events []account.TransitionKind
		write := func(after account.Credential) {
			for _, transition := range s.rules(clock).Transitions(s.c, after) {
				isLock := transition.Kind == account.Locked || transition.Kind == account.Unlocked
				if isLock && !transition.Already && transition.Reason != account.TransitionOfDevice {
					events = append(events, transition.Kind)
				}
			}
			s.c = after
		}
		look := func() {
			write(s.rules(clock).ApplyRequests(s.c))
			if kind := s.rules(clock).LockWithoutWrite(status, s.c); kind != "" {
				events = append(events, kind)
			}
			status = statusOf(s.rules(clock), s.c)
		}
		for step := range 100 {
			until := clock.Add(time.Duration(1+choose.IntN(1800)) * time.Second)
			for next := s.rules(clock).Standing(s.c).Next; !next.IsZero() && next.Before(until); next = s.rules(clock).Standing(s.c).Next {
				clock = next
				look()
			}
			clock = until
			switch choose.IntN(8) {
			case 0:
				s.spec.UnlockTime = at(clock.Truncate(time.Second))
			case 1:
				s.policy.MaxConsecutiveFailures = 4 + choose.IntN(3)
				look()
			case 2:
				s.policy.LockDuration = time.Duration(1+choose.IntN(30)) * time.Minute
				look()
			}
			r := s.rules(clock)
			r.Device = []string{"", "d1"}[choose.IntN(2)]
			after, _, _ := randomWrite(choose, r, s.c, step)
			write(after)
			look()
			isLocked := status.Standing == v1alpha1.StandingLocked
			if reported := len(events) > 0 && events[len(events)-1] == account.Locked; reported != isLocked {
				t.Fatalf("seed %d, step %d: the account is %s (%s), after %v", seed, step, status.Standing, status.StandingReason, events)
			}
			if doubled := slices.Compact(slices.Clone(events)); len(doubled) != len(events) {
				t.Fatalf("seed %d, step %d: events %v", seed, step, events)
			}
		}
	}
}
