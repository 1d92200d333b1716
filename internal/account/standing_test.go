package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// result is a standing and its reason, as one value.
type result struct {
	standing v1alpha1.Standing
	reason   v1alpha1.StandingReason
}

var active = result{v1alpha1.StandingActive, ""}

func resultOf(s account.Standing) result { return result{s.Standing, s.Reason} }

// standingRow is a state, how the account stands, and how it stands once the next instant has come.
type standingRow struct {
	name       string
	edits      []func(*state)
	want       result
	mustChange v1alpha1.MustChangeReason
	expires    time.Time
	next       time.Time // zero: never
	then       result
}

func edits(e ...func(*state)) []func(*state) { return e }

func TestStandingOfTheAccount(t *testing.T) {
	disabled := result{v1alpha1.StandingDisabled, v1alpha1.ReasonAccountDisabled}
	notStarted := result{v1alpha1.StandingDisabled, v1alpha1.ReasonAccountNotStarted}
	ended := result{v1alpha1.StandingExpired, v1alpha1.ReasonAccountEnded}
	external := result{v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal}
	runStanding(t, []standingRow{
		{name: "nothing is the matter", want: active},
		{name: "defaults left out by hand", want: active, edits: edits(func(s *state) {
			s.spec = v1alpha1.UserAccountSpec{}
		})},
		{name: "disabled", want: disabled, edits: edits(disable)},
		{name: "not started", want: notStarted, next: in(time.Hour), then: active, edits: edits(func(s *state) {
			s.spec.StartTime = at(in(time.Hour))
		})},
		{name: "starts now", want: active, edits: edits(func(s *state) { s.spec.StartTime = at(now) })},
		{name: "ends later", want: active, next: in(time.Hour), then: ended, edits: edits(func(s *state) {
			s.spec.EndTime = at(in(time.Hour))
		})},
		{name: "ends now", want: ended, edits: edits(func(s *state) { s.spec.EndTime = at(now) })},
		{name: "disabled goes before ended", want: disabled, edits: edits(disable, func(s *state) {
			s.spec.EndTime = at(ago(time.Hour))
		})},
		{name: "disabled and not started", want: disabled, next: in(time.Hour), then: disabled, edits: edits(disable, func(s *state) {
			s.spec.StartTime = at(in(time.Hour))
		})},
		{name: "the start comes before the end", want: notStarted, next: in(time.Hour), then: active, edits: edits(func(s *state) {
			s.spec.StartTime, s.spec.EndTime = at(in(time.Hour)), at(in(2*time.Hour))
		})},
		{name: "external", want: external, edits: edits(func(s *state) {
			s.spec.Authentication.Type, s.spec.Password = v1alpha1.AuthenticationExternal, nil
		})},
		{name: "disabled goes before external", want: disabled, edits: edits(disable, func(s *state) {
			s.spec.Authentication.Type = v1alpha1.AuthenticationExternal
		})},
		{name: "external, at a provider", want: active, edits: edits(atProvider)},
		{name: "external, at a provider that is off", want: result{v1alpha1.StandingDisabled, v1alpha1.ReasonProviderDisabled},
			edits: edits(atProvider, problem(v1alpha1.ReasonProviderDisabled))},
		{name: "external, without a subject", want: result{v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectNotDeclared},
			edits: edits(atProvider, problem(v1alpha1.ReasonSubjectNotDeclared))},
		{name: "external, at a provider that nobody has looked up", want: result{v1alpha1.StandingDisabled, v1alpha1.ReasonProviderNotFound},
			edits: edits(atProvider, func(s *state) { s.provider = account.Provider{} })},
		{name: "wrong passwords do not lock what is external", want: active, next: in(59 * time.Minute), then: active, edits: edits(atProvider, lock)},
		{name: "rules about passwords do not concern what is external", want: active, edits: edits(atProvider, func(s *state) {
			s.policy.MaxAge, s.policy.ChangeWithin, s.policy.ChangeRequiredTime = day, day, ago(time.Hour)
		})},
		{name: "no password", want: result{v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword}, edits: edits(func(s *state) {
			s.c.Password = account.Password{}
			s.policy.MaxAge, s.policy.ChangeWithin, s.policy.ChangeRequiredTime = day, day, in(time.Hour)
		})},
		{name: "external goes before no password", want: external, edits: edits(func(s *state) {
			s.c.Password = account.Password{}
			s.spec.Authentication.Type = v1alpha1.AuthenticationExternal
		})},
		{name: "no password goes before a lock", want: result{v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword},
			next: in(59 * time.Minute), then: result{v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword},
			edits: edits(lock, func(s *state) { s.c.Password = account.Password{} })},
		{name: "disabled goes before a lock", want: disabled, next: in(59 * time.Minute), then: disabled, edits: edits(disable, lock)},
	})
}

func TestStandingOfLocks(t *testing.T) {
	failures := result{v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures}
	consecutive := result{v1alpha1.StandingLocked, v1alpha1.ReasonTooManyConsecutiveFailures}
	idle := result{v1alpha1.StandingLocked, v1alpha1.ReasonIdle}
	idleAfter := func(d time.Duration) func(*state) {
		return func(s *state) { s.policy.IdleLock = d }
	}
	unused := func(created, set time.Duration) func(*state) {
		return func(s *state) {
			s.c.LastSuccessTime, s.c.CreatedTime, s.c.Password.SetTime = time.Time{}, ago(created), ago(set)
		}
	}
	runStanding(t, []standingRow{
		{name: "locked for a time", want: failures, next: in(59 * time.Minute), then: active, edits: edits(lock)},
		{name: "locked until an administrator acts", want: failures, edits: edits(lock, func(s *state) { s.policy.LockDuration = 0 })},
		{name: "too many in a row", want: consecutive, edits: edits(func(s *state) {
			s.policy.MaxConsecutiveFailures, s.c.Failures.Consecutive = 100, 100
		})},
		{name: "in a row goes before a lock that ends", want: consecutive, edits: edits(lock, func(s *state) {
			s.policy.MaxConsecutiveFailures = 3
		})},
		{name: "one fewer in a row", want: active, edits: edits(func(s *state) {
			s.policy.MaxConsecutiveFailures, s.c.Failures.Consecutive = 100, 99
		})},
		{name: "a lock that an unlock will end", want: failures, next: in(time.Minute), then: active, edits: edits(lock, func(s *state) {
			s.spec.UnlockTime = at(in(time.Minute))
		})},
		{name: "a lock that a due unlock ends", want: active, edits: edits(lock, func(s *state) { s.spec.UnlockTime = at(ago(time.Second)) })},
		{name: "idle since the last login", want: active, next: in(30*day - time.Hour), then: idle, edits: edits(idleAfter(30 * day))},
		{name: "idle for too long", want: idle, edits: edits(idleAfter(time.Hour), unused(2*time.Hour, 2*time.Hour))},
		{name: "never used, since creation", want: active, next: in(day), then: idle, edits: edits(idleAfter(3*day), unused(2*day, 9*day))},
		{name: "never used, since the reset", want: active, next: in(2 * day), then: idle, edits: edits(idleAfter(3*day), unused(9*day, day))},
		{name: "used again by an unlock", want: active, next: in(2 * day), then: idle, edits: edits(idleAfter(3*day), unused(9*day, 9*day), func(s *state) {
			s.spec.UnlockTime = at(ago(day))
		})},
		{name: "external, idle since the last login", want: active, next: in(30*day - time.Hour), then: idle, edits: edits(atProvider, idleAfter(30*day))},
		{name: "nothing known of any use", want: active, edits: edits(idleAfter(day), func(s *state) {
			s.c.LastSuccessTime, s.c.CreatedTime, s.c.Password.SetTime = time.Time{}, time.Time{}, time.Time{}
		})},
		{name: "a lock goes before idle", want: failures, next: in(59 * time.Minute), then: idle, edits: edits(lock, idleAfter(day), unused(9*day, 9*day))},
		{name: "idle goes before a change", want: idle, mustChange: v1alpha1.MustChangeReset,
			edits: edits(handOut(v1alpha1.MustChangeReset, 9*day), idleAfter(time.Minute))},
	})
}

func TestStandingOfThePassword(t *testing.T) {
	required := func(reason v1alpha1.StandingReason) result { return result{v1alpha1.StandingChangeRequired, reason} }
	record := func(m v1alpha1.MustChangeReason) func(*state) {
		return func(s *state) { s.c.Password.MustChange = m }
	}
	expired := result{v1alpha1.StandingExpired, v1alpha1.ReasonPasswordExpired}
	graceLogin := result{v1alpha1.StandingExpired, v1alpha1.ReasonGraceLogin}
	lapsed := result{v1alpha1.StandingExpired, v1alpha1.ReasonPasswordLapsed}
	within := func(s *state) { s.policy.ChangeWithin = day }
	maxAge := func(s *state) { s.policy.MaxAge = 30 * day }
	changed := func(t time.Time) func(*state) { return func(s *state) { s.policy.ChangeRequiredTime = t } }
	requested := func(since time.Duration) func(*state) {
		return func(s *state) {
			s.spec.Password.ChangeRequiredTime, s.c.Handled.ChangeRequired = at(ago(since)), ago(since)
		}
	}
	never := func(s *state) { s.spec.Password.Expiry = v1alpha1.PasswordExpiryNever }
	allowNever := func(s *state) { s.policy.ExpiryExemptionAllowed = true }
	hourAgo := ago(time.Hour)
	runStanding(t, []standingRow{
		{name: "first password", want: required(v1alpha1.ReasonInitialLogin), mustChange: v1alpha1.MustChangeInitialLogin,
			edits: edits(handOut(v1alpha1.MustChangeInitialLogin, time.Hour))},
		{name: "reset", want: required(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset, edits: edits(handOut(v1alpha1.MustChangeReset, time.Hour))},
		{name: "requested", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested, edits: edits(record(v1alpha1.MustChangeRequested))},
		{name: "a request that is due", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested, edits: edits(func(s *state) {
			s.spec.Password.ChangeRequiredTime = at(now)
		})},
		{name: "a request to come", want: active, next: in(time.Hour), then: required(v1alpha1.ReasonRequested), edits: edits(func(s *state) {
			s.spec.Password.ChangeRequiredTime = at(in(time.Hour))
		})},
		{name: "a request that was handled, with a clock that has gone back since", want: active, edits: edits(func(s *state) {
			s.spec.Password.ChangeRequiredTime, s.c.Handled.ChangeRequired = at(in(time.Minute)), in(time.Minute)
		})},
		{name: "found not to meet the policy", want: required(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged,
			edits: edits(record(v1alpha1.MustChangePolicyChanged))},
		{name: "set before the policy's time", want: required(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged, edits: edits(changed(hourAgo))},
		{name: "set at the policy's time", want: required(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged, edits: edits(changed(ago(10 * day)))},
		{name: "set after the policy's time", want: active, edits: edits(changed(ago(10*day + 1)))},
		{name: "set before a policy's time to come", want: active, next: in(time.Hour), then: required(v1alpha1.ReasonPolicyChanged), edits: edits(changed(in(time.Hour)))},
		{name: "a recorded reason goes before the policy's", want: required(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset,
			edits: edits(handOut(v1alpha1.MustChangeReset, time.Hour), changed(now))},
		{name: "the policy's reason goes before expiry", want: required(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged,
			expires: hourAgo, edits: edits(expire, changed(hourAgo))},

		{name: "will expire", want: active, expires: in(20 * day), next: in(20 * day), then: expired, edits: edits(maxAge)},
		{name: "will expire into grace", want: active, expires: in(20 * day), next: in(20 * day), then: graceLogin, edits: edits(maxAge, grace(1, 0))},
		{name: "expired", want: expired, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire)},
		{name: "expired with grace", want: graceLogin, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire, grace(3, 2))},
		{name: "expired, grace used up", want: expired, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire, grace(3, 3))},
		{name: "expired, more grace used than there is now", want: expired, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire, grace(1, 3))},
		{name: "no grace for a required change", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested, expires: hourAgo,
			edits: edits(expire, grace(3, 0), record(v1alpha1.MustChangeRequested))},
		{name: "exempt", want: active, edits: edits(expire, never, allowNever)},
		{name: "exemption refused", want: expired, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire, never)},
		{name: "exemption not asked for", want: expired, mustChange: v1alpha1.MustChangeExpired, expires: hourAgo, edits: edits(expire, allowNever)},
		{name: "no time, no expiry", want: active, edits: edits(maxAge, func(s *state) { s.c.Password.SetTime = time.Time{} })},

		{name: "will lapse", want: required(v1alpha1.ReasonInitialLogin), mustChange: v1alpha1.MustChangeInitialLogin, expires: in(23 * time.Hour),
			next: in(23 * time.Hour), then: lapsed, edits: edits(within, handOut(v1alpha1.MustChangeInitialLogin, time.Hour))},
		{name: "lapsed", want: lapsed, mustChange: v1alpha1.MustChangeReset, expires: ago(day), edits: edits(within, handOut(v1alpha1.MustChangeReset, 2*day))},
		{name: "lapses before it expires", want: required(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset, expires: in(23 * time.Hour),
			next: in(23 * time.Hour), then: lapsed, edits: edits(maxAge, within, handOut(v1alpha1.MustChangeReset, time.Hour))},
		{name: "handed out to be kept does not lapse", want: active, edits: edits(within, handOut("", 2*day))},
		{name: "handed out, its change requested with it", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested,
			expires: in(23 * time.Hour), next: in(23 * time.Hour), then: lapsed,
			edits: edits(within, handOut(v1alpha1.MustChangeRequested, time.Hour), requested(time.Hour+time.Minute))},
		{name: "handed out, its change requested later", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested,
			expires: in(23 * time.Hour), next: in(23 * time.Hour), then: lapsed,
			edits: edits(within, handOut(v1alpha1.MustChangeRequested, 9*day), requested(time.Hour))},
		{name: "handed out, its change requested long ago", want: lapsed, mustChange: v1alpha1.MustChangeRequested, expires: ago(day),
			edits: edits(within, handOut(v1alpha1.MustChangeRequested, 9*day), requested(2*day))},
		{name: "handed out, found not to meet the policy, does not lapse", want: required(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged,
			edits: edits(within, handOut(v1alpha1.MustChangePolicyChanged, 9*day))},
		{name: "what a person chose does not lapse", want: required(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested,
			edits: edits(within, record(v1alpha1.MustChangeRequested))},
		{name: "handed out without a known time does not lapse", want: required(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset,
			edits: edits(within, handOut(v1alpha1.MustChangeReset, 0), func(s *state) { s.c.Password.SetTime = time.Time{} })},
	})
}

// TestStandingWhereChangeIsForbidden: all that would require a change makes the account unavailable until a reset.
func TestStandingWhereChangeIsForbidden(t *testing.T) {
	need := func(reason v1alpha1.StandingReason) result { return result{v1alpha1.StandingResetRequired, reason} }
	record := func(m v1alpha1.MustChangeReason) func(*state) {
		return func(s *state) { s.c.Password.MustChange = m }
	}
	runStanding(t, []standingRow{
		{name: "nothing required", want: active, edits: edits(forbidChange)},
		{name: "initial login", want: need(v1alpha1.ReasonInitialLogin), mustChange: v1alpha1.MustChangeInitialLogin,
			edits: edits(forbidChange, handOut(v1alpha1.MustChangeInitialLogin, time.Hour))},
		{name: "reset", want: need(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset, edits: edits(forbidChange, handOut(v1alpha1.MustChangeReset, time.Hour))},
		{name: "reset long ago does not lapse", want: need(v1alpha1.ReasonReset), mustChange: v1alpha1.MustChangeReset,
			edits: edits(forbidChange, handOut(v1alpha1.MustChangeReset, 9*day), func(s *state) { s.policy.ChangeWithin = day })},
		{name: "requested", want: need(v1alpha1.ReasonRequested), mustChange: v1alpha1.MustChangeRequested, edits: edits(forbidChange, record(v1alpha1.MustChangeRequested))},
		{name: "found not to meet the policy", want: need(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged,
			edits: edits(forbidChange, record(v1alpha1.MustChangePolicyChanged))},
		{name: "the policy's time", want: need(v1alpha1.ReasonPolicyChanged), mustChange: v1alpha1.MustChangePolicyChanged,
			edits: edits(forbidChange, func(s *state) { s.policy.ChangeRequiredTime = now })},
		{name: "the policy's time to come", want: active, next: in(day), then: need(v1alpha1.ReasonPolicyChanged),
			edits: edits(forbidChange, func(s *state) { s.policy.ChangeRequiredTime = in(day) })},
		{name: "expired", want: need(v1alpha1.ReasonPasswordExpired), mustChange: v1alpha1.MustChangeExpired, expires: ago(time.Hour), edits: edits(forbidChange, expire)},
		{name: "grace logins come first", want: result{v1alpha1.StandingExpired, v1alpha1.ReasonGraceLogin}, mustChange: v1alpha1.MustChangeExpired,
			expires: ago(time.Hour), edits: edits(forbidChange, expire, grace(1, 0))},
		{name: "will expire", want: active, expires: in(20 * day), next: in(20 * day), then: need(v1alpha1.ReasonPasswordExpired),
			edits: edits(forbidChange, func(s *state) { s.policy.MaxAge = 30 * day })},
		{name: "a lock goes before it", want: result{v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures}, mustChange: v1alpha1.MustChangeReset,
			next: in(59 * time.Minute), then: need(v1alpha1.ReasonReset), edits: edits(forbidChange, lock, handOut(v1alpha1.MustChangeReset, time.Hour))},
	})
}

func runStanding(t *testing.T, rows []standingRow) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			got := s.rules(now).Standing(s.c)
			if resultOf(got) != row.want || got.MustChange != row.mustChange {
				t.Errorf("stands as %v, must change %q; want %v, %q", resultOf(got), got.MustChange, row.want, row.mustChange)
			}
			if !got.PasswordExpires.Equal(row.expires) {
				t.Errorf("password expires %v, want %v", got.PasswordExpires, row.expires)
			}
			if !got.Next.Equal(row.next) {
				t.Fatalf("next is %v, want %v", got.Next, row.next)
			}
			checkNext(t, s, got)
			if !row.next.IsZero() {
				if then := resultOf(s.rules(row.next).Standing(s.c)); then != row.then {
					t.Errorf("stands as %v then, want %v", then, row.then)
				}
			}
		})
	}
}

// checkNext: nothing changes before the next instant; never, where there is none.
func checkNext(t *testing.T, s *state, got account.Standing) {
	t.Helper()
	before := now.AddDate(100, 0, 0)
	if !got.Next.IsZero() {
		before = got.Next.Add(-1)
	}
	later := s.rules(before).Standing(s.c)
	if later != got {
		t.Errorf("at %v it stands as\n%+v, though at %v as\n%+v", before, later, now, got)
	}
}

func TestStandingReportsALockOfADisabledAccount(t *testing.T) {
	s := begin(lock, disable)
	got := s.rules(now).Standing(s.c)
	want := account.Lock{Locked: true, Reason: v1alpha1.ReasonTooManyFailures, Until: in(59 * time.Minute)}
	if got.Lock != want {
		t.Errorf("lock is %+v, want %+v", got.Lock, want)
	}
}

// TestNextIsTheEarliest: of several instants to come the first one counts, and then each of the others.
func TestNextIsTheEarliest(t *testing.T) {
	s := begin(lock, func(s *state) {
		s.policy.IdleLock, s.policy.MaxAge, s.policy.ChangeRequiredTime = 20*day, 40*day, in(25*day)
		s.spec.EndTime = at(in(35 * day))
		s.spec.SignOutTime = at(in(2 * time.Hour))
		s.spec.Password.ResetTime = at(in(3 * time.Hour))
	})
	moment := now
	for _, want := range []time.Time{
		in(59 * time.Minute), in(2 * time.Hour), in(3 * time.Hour), in(20*day - time.Hour), in(25 * day), in(30 * day), in(35 * day), {},
	} {
		next := s.rules(moment).Standing(s.c).Next
		if !next.Equal(want) {
			t.Fatalf("after %v comes %v, want %v", moment, next, want)
		}
		moment = next
	}
}

func TestExpiryExemption(t *testing.T) {
	for _, row := range []struct {
		name            string
		asks, allowed   bool
		maxAge          time.Duration
		exempt, refused bool
	}{
		{name: "not asked", maxAge: day},
		{name: "not asked, allowed", maxAge: day, allowed: true},
		{name: "asked and allowed", asks: true, allowed: true, maxAge: day, exempt: true},
		{name: "asked and refused", asks: true, maxAge: day, refused: true},
		{name: "asked where nothing expires", asks: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(func(s *state) {
				s.policy.MaxAge, s.policy.ExpiryExemptionAllowed = row.maxAge, row.allowed
				if row.asks {
					s.spec.Password.Expiry = v1alpha1.PasswordExpiryNever
				}
			})
			r := s.rules(now)
			if r.ExpiryExempt() != row.exempt || r.ExpiryExemptionRefused() != row.refused {
				t.Errorf("exempt %t, refused %t; want %t, %t", r.ExpiryExempt(), r.ExpiryExemptionRefused(), row.exempt, row.refused)
			}
		})
	}
}

func TestRulesTakeAnyClockReading(t *testing.T) {
	s := begin()
	reading := time.Now().In(time.FixedZone("east", 3600))
	c := account.NewRules(&s.spec, s.policy, reading).Change(s.c, "hash of the next", account.Digests{})
	if c.Password.SetTime != reading.UTC().Round(0) || c.Password.SetTime.Location() != time.UTC {
		t.Errorf("set at %#v", c.Password.SetTime)
	}
}
