package directorysweep

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/provider"
)

// TestPolicyDoesNotMatter: what a directory says about somebody comes to the same under every policy. So the directory server reads none.
func TestPolicyDoesNotMatter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	past := v1alpha1.NewInstant(now.Add(-time.Second))
	strict := policy.Default()
	strict.MaxFailures, strict.MaxConsecutiveFailures, strict.LockDuration, strict.IdleLock = 1, 1, 0, time.Hour
	strict.MaxAge, strict.GraceLogins, strict.ChangeWithin, strict.ChangeRequiredTime, strict.HistoryCount = time.Hour, 0, time.Hour, now, 24

	bound := account.Credential{
		AccountID: "id", Owner: account.Owner{Namespace: "acme", Name: "ada", UID: "1"}, CreatedTime: now.Add(-48 * time.Hour), SessionGeneration: 3,
		Failures: account.Failures{Times: []time.Time{now.Add(-time.Minute)}, Consecutive: 7, LockedTime: now.Add(-time.Minute)},
		Devices:  []account.DeviceFailures{{ID: "device"}},
		External: account.External{ProviderUID: "corp", Subject: "s-1", Name: "ada", Groups: []string{"a", "b"}, PasswordSetTime: now.Add(-time.Hour)},
	}
	declared := v1alpha1.UserAccountSpec{Username: "ada", Authentication: v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"},
	}}
	due := declared
	due.UnlockTime, due.SignOutTime, due.EndTime = &past, &past, &past
	for _, spec := range []*v1alpha1.UserAccountSpec{&declared, &due} {
		for _, o := range []Observation{
			{Groups: []string{"a", "b"}, PasswordSetTime: now.Add(-time.Hour)}, {Groups: []string{"a"}}, {PasswordSetTime: now}, {State: v1alpha1.ReasonExternalDisabled},
			{State: v1alpha1.ReasonExternalGone},
		} {
			under := func(p policy.Policy) account.Credential {
				rules := account.NewRules(spec, p, now)
				rules.Provider = account.Provider{UID: "corp", Directory: true, Mapped: []v1alpha1.GroupMapping{{From: "a"}, {From: "b"}}}
				return rules.Revalidate(bound, o)
			}
			without := under(policy.Policy{})
			if !without.Equal(under(policy.Default())) || !without.Equal(under(strict)) {
				t.Errorf("%+v differs by the policy", o)
			}
		}
	}
}

// TestJitter: an interval is shortened by a tenth at most, and never longer, so that people are looked up as often as is declared.
func TestJitter(t *testing.T) {
	for range 1000 {
		if got := jitter(5 * time.Minute); got > 5*time.Minute || got < 270*time.Second {
			t.Fatalf("five minutes become %v", got)
		}
	}
}

// TestPauses: a directory that cannot be asked is asked again soon, then less often, and at least once in an interval.
func TestPauses(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		interval int32
		want     []time.Duration
	}{
		"five minutes": {5, []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}},
		"a day":        {1440, []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &v1alpha1.IdentityProvider{}
			p.Name, p.UID = "corp", "1"
			p.Spec.Revalidation = &v1alpha1.ProviderRevalidation{IntervalMinutes: &tt.interval}
			states := NewStates()
			of := states.of(p, start)
			for n, want := range tt.want {
				states.failed(p.Name, of, start)
				if got := of.due.Sub(start); got != want {
					t.Errorf("after failure %d the next one comes after %v, want %v", n+1, got, want)
				}
			}
		})
	}
}

// TestPausesAfterWrites: after writes that have failed the next sweep comes soon, then less often, and never later than without a failure. A sweep that takes
// longer than an interval leaves a pause as well.
func TestPausesAfterWrites(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	states := NewStates()
	of := states.of(&v1alpha1.IdentityProvider{}, start)
	failed := &sweep{unrecorded: unrecorded{mayPass: true}}
	regular := 50 * time.Second
	for n, want := range []time.Duration{firstPause, 2 * firstPause, regular, regular} {
		if got := states.answered("", of, failed, start, start.Add(regular)); got != want {
			t.Errorf("after failure %d the next one comes after %v, want %v", n+1, got, want)
		}
	}
	if got := states.answered("", of, &sweep{}, start, start.Add(regular)); got != regular {
		t.Errorf("after none the next one comes after %v", got)
	}
	if got := states.answered("", of, failed, start, start.Add(-time.Second)); got != firstPause {
		t.Errorf("after a sweep that took long the next one comes after %v", got)
	}
}

// TestGoneTakesAnInterval: who is in none of two answers is gone where these are an interval apart, less what an interval may be shortened by. Answers that come
// sooner, since writes have failed, make nobody gone, but tell of who is there in between.
func TestGoneTakesAnInterval(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	interval := provider.RevalidationInterval(&v1alpha1.IdentityProvider{})
	who := &person{account: &v1alpha1.UserAccount{}, record: &credential.Record{}}
	who.record.External.Subject = "s-ada"
	type look struct {
		after         time.Duration
		isThere, gone bool
	}
	for name, looks := range map[string][]look{
		"an interval apart":     {{}, {after: shortest(interval), gone: true}},
		"sooner":                {{}, {after: firstPause}, {after: shortest(interval) - 1}, {after: shortest(interval), gone: true}},
		"there in between":      {{}, {after: firstPause, isThere: true}, {after: 2 * firstPause}, {after: shortest(interval)}, {after: 2*firstPause + interval, gone: true}},
		"gone, not yet written": {{}, {after: interval, gone: true}, {after: interval + firstPause, gone: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var missing map[string]time.Time
			for _, l := range looks {
				s := &sweep{provider: &v1alpha1.IdentityProvider{}, missingSince: missing, missing: map[string]bool{}, began: start.Add(l.after)}
				answer := Answer{}
				if l.isThere {
					answer.Observed = map[string]Observation{"s-ada": {}}
				}
				s.noteMissing([]*person{who}, answer)
				if o, counts := s.observe(who, answer); (counts && o.State == v1alpha1.ReasonExternalGone) != l.gone {
					t.Errorf("after %v: gone is %t, want %t", l.after, !l.gone, l.gone)
				}
				missing = s.stillMissing()
			}
		})
	}
}

// TestAgeOfSweeps: a sweep that takes what it is told for a mistake does not make the age fresh, so that the alert tells of people who stay logged in.
func TestAgeOfSweeps(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &v1alpha1.IdentityProvider{}
	p.Name, p.UID, p.Generation = "corp", "1", 1
	states := NewStates()
	of := states.of(p, now)
	age := func(want time.Duration) {
		t.Helper()
		if got := states.figures(now)["corp"].age; got != want {
			t.Errorf("the age is %s, want %s", got, want)
		}
	}
	afterInterval := func(s *sweep) {
		now = now.Add(5 * time.Minute)
		if s != nil {
			states.answered(p.Name, of, s, now, now.Add(5*time.Minute))
		}
	}
	afterInterval(&sweep{mass: true})
	age(5 * time.Minute) // Since the start.
	afterInterval(&sweep{})
	age(0)
	afterInterval(nil)
	age(5 * time.Minute)
	afterInterval(&sweep{mass: true})
	afterInterval(&sweep{mass: true})
	age(15 * time.Minute)
	afterInterval(&sweep{})
	age(0)
}

// TestConditionOfAnotherDeclaration: what was found out of a directory does not hold for one that is declared otherwise.
func TestConditionOfAnotherDeclaration(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &v1alpha1.IdentityProvider{}
	p.Name, p.UID, p.Generation = "corp", "1", 1
	states := NewStates()
	states.answered(p.Name, states.of(p, now), &sweep{}, now, now)
	if c := states.Condition(p); c == nil || c.Reason != v1alpha1.ConditionReasonCurrent {
		t.Errorf("the condition is %+v", c)
	}
	if changed := <-states.Changed(); changed.Object.GetName() != "corp" {
		t.Errorf("%s has changed", changed.Object.GetName())
	}
	p.Generation = 2
	if c := states.Condition(p); c != nil {
		t.Errorf("after a change the condition is %+v", c)
	}
	p.Generation, p.UID = 1, "2"
	if c := states.Condition(p); c != nil {
		t.Errorf("another one of the name has %+v", c)
	}
}
