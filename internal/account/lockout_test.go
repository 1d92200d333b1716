package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

func lockout(failures int, window, duration time.Duration, consecutive int) func(*state) {
	return func(s *state) {
		s.policy.MaxFailures, s.policy.FailureWindow = failures, window
		s.policy.LockDuration, s.policy.MaxConsecutiveFailures = duration, consecutive
	}
}

// afterLast has failures forgotten some time after the last of them.
func afterLast(edit func(*state)) func(*state) {
	return func(s *state) {
		edit(s)
		s.policy.ForgetAfterLast = true
	}
}

// TestLockout plays failures at given minutes, and looks at the lock at given minutes.
func TestLockout(t *testing.T) {
	minute := func(n int) time.Time { return in(time.Duration(n) * time.Minute) }
	type look struct {
		minute int
		until  int // minute; 0: not locked; -1: until an administrator acts
		reason v1alpha1.StandingReason
	}
	failures, row100 := v1alpha1.ReasonTooManyFailures, v1alpha1.ReasonTooManyConsecutiveFailures
	free := func(n int) look { return look{minute: n} }

	for _, row := range []struct {
		name  string
		edit  func(*state)
		fails []int
		looks []look
	}{
		{"off", lockout(0, 0, 0, 0), []int{1, 1, 1, 1, 1, 1}, []look{free(1)}},
		{"one too few", lockout(3, 15*time.Minute, 15*time.Minute, 0), []int{1, 2}, []look{free(2)}},
		{"at the limit", lockout(3, 15*time.Minute, 20*time.Minute, 0), []int{1, 2, 3}, []look{{3, 23, failures}, {22, 23, failures}, free(23)}},
		{"the first one", lockout(1, 15*time.Minute, 15*time.Minute, 0), []int{1}, []look{{1, 16, failures}, free(16)}},
		{"spread over more than the window", lockout(3, 15*time.Minute, 15*time.Minute, 0), []int{1, 9, 16, 24, 31}, []look{free(31)}},
		{"the window slides", lockout(3, 15*time.Minute, 15*time.Minute, 0), []int{1, 10, 16, 24}, []look{{24, 39, failures}}},
		{"no window: until a success", lockout(3, 0, 15*time.Minute, 0), []int{1, 5000, 90000}, []look{{90000, 90015, failures}}},
		{"no duration: until an administrator acts", lockout(3, 15*time.Minute, 0, 0), []int{1, 2, 3}, []look{{3, -1, failures}, {900000, -1, failures}}},
		{"in a row, over windows", lockout(0, 15*time.Minute, 15*time.Minute, 4), []int{1, 100, 200, 300}, []look{{300, -1, row100}, {900000, -1, row100}}},
		{"in a row, over locks", lockout(2, 15*time.Minute, 15*time.Minute, 5), []int{1, 2, 30, 31, 60}, []look{{60, -1, row100}}},
		{"in a row goes before", lockout(3, 15*time.Minute, 15*time.Minute, 3), []int{1, 2, 3}, []look{{3, -1, row100}}},
		{"after a lock that ended all counts anew", lockout(3, 60*time.Minute, 15*time.Minute, 0), []int{1, 2, 3, 20, 21}, []look{free(21)}},
		{"after a lock that ended, locked again", lockout(3, 60*time.Minute, 15*time.Minute, 0), []int{1, 2, 3, 20, 21, 22}, []look{{22, 37, failures}, free(37)}},
		{"forgotten after the last one", afterLast(lockout(3, 15*time.Minute, 15*time.Minute, 0)), []int{1, 15, 29}, []look{{29, 44, failures}, free(44)}},
		{"so long after the last one", afterLast(lockout(3, 15*time.Minute, 15*time.Minute, 0)), []int{1, 15, 30, 44}, []look{free(44)}},
		{"forgotten after the last one, without a window", afterLast(lockout(3, 0, 15*time.Minute, 0)), []int{1, 5000, 90000}, []look{{90000, 90015, failures}}},
		{"a clock that goes back a little", lockout(3, 15*time.Minute, 15*time.Minute, 0), []int{5, 4, 3}, []look{{3, 18, failures}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edit)
			for _, n := range row.fails {
				s.c = s.rules(minute(n)).Failed(s.c)
				if limit := max(1, s.policy.MaxFailures); len(s.c.Failures.Times) >= limit {
					t.Errorf("%d times are kept, with a limit of %d", len(s.c.Failures.Times), limit)
				}
			}
			if s.c.Failures.Consecutive != len(row.fails) {
				t.Errorf("%d in a row, want %d", s.c.Failures.Consecutive, len(row.fails))
			}
			for _, look := range row.looks {
				want := account.Lock{Locked: look.until != 0, Reason: look.reason}
				if look.until > 0 {
					want.Until = minute(look.until)
				}
				if got := s.rules(minute(look.minute)).Lock(s.c); got != want {
					t.Errorf("at %d minutes: %+v, want %+v", look.minute, got, want)
				}
			}
		})
	}
}

// TestGuesses counts the guesses that are verified until an administrator has to act.
func TestGuesses(t *testing.T) {
	s := begin(lockout(10, 0, 15*time.Minute, 100))
	guesses, moment := 0, now
	for range 10000 {
		moment = moment.Add(time.Minute)
		if s.rules(moment).Lock(s.c).Locked {
			continue
		}
		s.c = s.rules(moment).Failed(s.c)
		guesses++
	}
	if guesses != 100 {
		t.Errorf("%d guesses were verified, want 100", guesses)
	}
}

func TestWhatEndsALock(t *testing.T) {
	locks := map[string]func(*state){
		"for a time":                     lock,
		"until an administrator":         func(s *state) { lock(s); s.policy.LockDuration = 0 },
		"in a row":                       func(s *state) { s.policy.MaxConsecutiveFailures, s.c.Failures.Consecutive = 3, 3 },
		"for a time and then in a row":   func(s *state) { lock(s); s.policy.MaxConsecutiveFailures = 3 },
		"in a row, with a lock that was": func(s *state) { lock(s); s.policy.MaxConsecutiveFailures, s.c.Failures.LockedTime = 3, ago(day) },
	}
	ends := map[string]func(*state){
		"unlock": func(s *state) { s.spec.UnlockTime = at(now); s.c = s.rules(now).ApplyRequests(s.c) },
		"reset": func(s *state) {
			s.c = s.rules(now).Reset(s.c, account.Source{SecretName: "ada"}, "hash of the next", account.Digests{})
		},
		"a policy without locks": func(s *state) { s.policy.MaxFailures, s.policy.MaxConsecutiveFailures = 0, 0 },
	}
	for lockName, edit := range locks {
		for endName, end := range ends {
			t.Run(lockName+", "+endName, func(t *testing.T) {
				s := begin(edit)
				if !s.rules(now).Lock(s.c).Locked {
					t.Fatal("is not locked")
				}
				end(s)
				if got := s.rules(now).Lock(s.c); got != (account.Lock{}) {
					t.Errorf("still locked: %+v", got)
				}
			})
		}
	}
}

func TestPolicyInForceDecidesOnALock(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*state)
		want account.Lock
	}{
		{"a shorter duration, past", func(s *state) { s.policy.LockDuration = time.Minute }, account.Lock{}},
		{"a shorter duration", func(s *state) { s.policy.LockDuration = 2 * time.Minute },
			account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: in(time.Minute)}},
		{"a longer duration", func(s *state) { s.policy.LockDuration = day },
			account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: in(day - time.Minute)}},
		{"no end", func(s *state) { s.policy.LockDuration = 0 }, account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures}},
		{"a higher limit keeps the lock that was", func(s *state) { s.policy.MaxFailures = 100 },
			account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: in(59 * time.Minute)}},
		{"fewer in a row", func(s *state) { s.policy.MaxConsecutiveFailures = 2 },
			account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyConsecutiveFailures}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(lock, row.edit)
			if got := s.rules(now).Lock(s.c); got != row.want {
				t.Errorf("lock is %+v, want %+v", got, row.want)
			}
		})
	}
}

// TestLockThatEndedIsSpent: after a failure that follows it, no policy brings it back.
func TestLockThatEndedIsSpent(t *testing.T) {
	s := begin(lock)
	s.c = s.rules(in(2 * time.Hour)).Failed(s.c)
	for _, duration := range []time.Duration{0, 30 * day} {
		s.policy.LockDuration = duration
		if got := s.rules(in(2 * time.Hour)).Lock(s.c); got.Locked {
			t.Errorf("with a duration of %v: %+v", duration, got)
		}
	}
}

// TestFailureRecordedDuringALock: a failure that is recorded late, during a lock, counts and does not extend the lock.
func TestFailureRecordedDuringALock(t *testing.T) {
	s := begin(lock)
	c := s.rules(now).Failed(s.c)
	if c.Failures.Consecutive != 4 || !c.Failures.LockedTime.Equal(s.c.Failures.LockedTime) {
		t.Errorf("failures are %+v, want one more in a row and the lock as it was", c.Failures)
	}
}

func TestFailedAppliesRequestsFirst(t *testing.T) {
	s := begin(lock, func(s *state) { s.spec.UnlockTime = at(ago(time.Second)) })
	c := s.rules(now).Failed(s.c)
	if c.Failures.Consecutive != 1 || !c.Handled.Unlock.Equal(ago(time.Second)) {
		t.Errorf("failures are %+v, want one after the unlock", c.Failures)
	}
	if s.c.Failures.Consecutive != 3 {
		t.Error("the credential that was given has changed")
	}
}

func TestFailedNeverWritesToTheTimesItWasGiven(t *testing.T) {
	s := begin(lockout(10, 0, 0, 0))
	times := make([]time.Time, 1, 8)
	times[0] = ago(time.Minute)
	s.c.Failures = account.Failures{Times: times, Consecutive: 1}
	one, two := s.rules(now).Failed(s.c), s.rules(in(1)).Failed(s.c)
	if !one.Failures.Times[1].Equal(now) || !two.Failures.Times[1].Equal(in(1)) {
		t.Error("two decisions on one credential share their failures")
	}
}

// TestFailureRecordedLate counts as of when it happened, unless it has been forgotten since; it makes no lock shorter.
func TestFailureRecordedLate(t *testing.T) {
	for name, row := range map[string]struct {
		edit  func(*state)
		ago   time.Duration
		fails int
		until time.Time
	}{
		"it locks":                        {func(*state) {}, time.Minute, 4, in(59 * time.Minute)},
		"its lock has ended":              {func(*state) {}, 2 * time.Hour, 4, time.Time{}},
		"before an unlock":                {func(s *state) { s.spec.UnlockTime = at(ago(time.Second)) }, time.Minute, 0, time.Time{}},
		"after an unlock":                 {func(s *state) { s.c.Handled.Unlock = ago(2 * time.Minute) }, time.Minute, 4, in(59 * time.Minute)},
		"before the password was set":     {func(s *state) { s.c.Password.SetTime = ago(time.Second) }, time.Minute, 3, time.Time{}},
		"during a lock that lasts longer": {func(s *state) { s.c.Failures.LockedTime = ago(time.Second) }, time.Minute, 4, in(time.Hour - time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(lockout(3, time.Hour, time.Hour, 0), func(s *state) {
				s.c.Failures = account.Failures{Times: []time.Time{ago(3 * time.Minute), ago(2 * time.Minute)}, Consecutive: 3}
			}, row.edit)
			c := s.rules(now).FailedEarlier(s.c, ago(row.ago))
			if got := s.rules(now).Lock(c); !got.Until.Equal(row.until) || c.Failures.Consecutive != row.fails {
				t.Errorf("%d in a row, lock %+v; want %d until %v", c.Failures.Consecutive, got, row.fails, row.until)
			}
		})
	}
}
