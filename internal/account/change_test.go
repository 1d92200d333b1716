package account_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

func TestMayChange(t *testing.T) {
	allowed := func(m v1alpha1.MustChangeReason) account.Answer {
		return account.Answer{Outcome: account.Granted, MustChange: m}
	}
	unavailable := func(reason v1alpha1.StandingReason) account.Answer {
		return account.Answer{Outcome: account.Unavailable, Reason: reason}
	}
	forbidden := account.Answer{Outcome: account.ChangeForbidden}
	young := func(s *state) { s.policy.MinAge = 11 * day }
	tooYoung := account.Answer{Outcome: account.TooYoung, NotBefore: in(day)}
	requested := func(s *state) { s.spec.Password.ChangeRequiredTime = at(ago(time.Minute)) }
	expires := func(a account.Answer, when time.Time) account.Answer {
		a.PasswordExpires = when
		return a
	}

	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  account.Answer
	}{
		{"active", nil, allowed("")},
		{"initial login", edits(handOut(v1alpha1.MustChangeInitialLogin, time.Hour)), allowed(v1alpha1.MustChangeInitialLogin)},
		{"reset", edits(handOut(v1alpha1.MustChangeReset, time.Hour)), allowed(v1alpha1.MustChangeReset)},
		{"requested", edits(requested), allowed(v1alpha1.MustChangeRequested)},
		{"expired", edits(expire), expires(allowed(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"expired with grace left", edits(expire, grace(3, 0)), expires(allowed(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"lapsed", edits(handOut(v1alpha1.MustChangeReset, 2*day), func(s *state) { s.policy.ChangeWithin = day }),
			expires(unavailable(v1alpha1.ReasonPasswordLapsed), ago(day))},
		{"disabled", edits(disable), unavailable(v1alpha1.ReasonAccountDisabled)},
		{"not started", edits(func(s *state) { s.spec.StartTime = at(in(1)) }), unavailable(v1alpha1.ReasonAccountNotStarted)},
		{"ended", edits(func(s *state) { s.spec.EndTime = at(now) }), unavailable(v1alpha1.ReasonAccountEnded)},
		{"idle", edits(func(s *state) { s.policy.IdleLock = time.Minute }), unavailable(v1alpha1.ReasonIdle)},

		{"too young", edits(young), tooYoung},
		{"just old enough", edits(func(s *state) { s.policy.MinAge = 10 * day }), allowed("")},
		{"age unknown", edits(young, func(s *state) { s.c.Password.SetTime = time.Time{} }), allowed("")},
		{"too young, but handed out", edits(young, handOut(v1alpha1.MustChangeReset, time.Hour)), allowed(v1alpha1.MustChangeReset)},
		{"too young, but requested", edits(young, requested), allowed(v1alpha1.MustChangeRequested)},
		{"too young, but expired", edits(young, expire), expires(allowed(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"too young, but in grace", edits(young, expire, grace(1, 0)), expires(allowed(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"too young, handed out to be kept", edits(handOut("", time.Hour), func(s *state) { s.policy.MinAge = day }),
			account.Answer{Outcome: account.TooYoung, NotBefore: in(23 * time.Hour)}},

		{"forbidden", edits(forbidChange), forbidden},
		{"forbidden comes before too young", edits(forbidChange, young), forbidden},
		{"forbidden though required", edits(forbidChange, requested), forbidden},
		{"not enabled comes before forbidden", edits(forbidChange, disable), unavailable(v1alpha1.ReasonAccountDisabled)},
		{"not enabled comes before too young", edits(disable, young), unavailable(v1alpha1.ReasonAccountDisabled)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			row.want.LastSuccessTime = s.c.LastSuccessTime
			if _, got := s.rules(now).MayChange(s.c, account.Proven{}); got != row.want {
				t.Errorf("answer is\n%+v\nwant\n%+v", got, row.want)
			}
		})
	}
}

func TestMayChangeClearsFailuresWhateverTheAnswer(t *testing.T) {
	for _, edit := range []func(*state){func(*state) {}, forbidChange, disable, func(s *state) { s.policy.MinAge = 99 * day }} {
		s := begin(edit)
		s.c.Failures = account.Failures{Times: []time.Time{ago(time.Minute)}, Consecutive: 3}
		c, answer := s.rules(now).MayChange(s.c, account.Proven{})
		if c.Failures.Consecutive != 0 || c.Failures.Times != nil || answer.FailuresBefore != 3 || c.UnnotifiedFailures != 3 {
			t.Errorf("failures are %+v, reported %d, to be reported %d", c.Failures, answer.FailuresBefore, c.UnnotifiedFailures)
		}
	}
}

func TestMayChangeOfAPasswordThatIsEnforced(t *testing.T) {
	s := begin(func(s *state) { s.policy.EnforceExisting, s.policy.MinAge = true, 99*day })
	c, answer := s.rules(now).MayChange(s.c, account.Proven{Compliance: account.NotCompliant})
	if answer.Outcome != account.Granted || answer.MustChange != v1alpha1.MustChangePolicyChanged {
		t.Errorf("answer is %+v, want that it may be changed however young", answer)
	}
	if c.Password.MustChange != v1alpha1.MustChangePolicyChanged {
		t.Errorf("recorded %q: the credential is written even if the new password is refused", c.Password.MustChange)
	}
}

func TestChange(t *testing.T) {
	s := begin(expire, grace(3, 2), handOut(v1alpha1.MustChangeReset, 9*day), func(s *state) {
		s.c.Failures = account.Failures{Times: []time.Time{ago(time.Minute)}, Consecutive: 3, LockedTime: ago(time.Hour)}
		s.c.Reset = account.Reset{AppliedHash: "hash of the current", Source: account.Source{SecretName: "ada", ResourceVersion: "7"}}
		s.c.Handled.ChangeRequired = ago(day)
		s.c.OrphanedTime = ago(day)
	})
	want := s.c
	want.Password = account.Password{Hash: "hash of the next", SetTime: now, SetBy: v1alpha1.SetByUser}
	want.Failures = account.Failures{}
	want.SessionGeneration = 6
	want.LastSuccessTime = now
	same(t, s.rules(now).Change(s.c, "hash of the next", account.Digests{}), want)
}

// digests of numbered passwords.
func digest(n int) []byte { return fmt.Appendf(nil, "digest of %d", n) }

func TestHistory(t *testing.T) {
	salt := []byte("salt")
	s := begin()
	set := func(count, n int, current []byte) {
		s.policy.HistoryCount = count
		d := account.Digests{}
		if count > 0 {
			d = account.Digests{Salt: salt, New: digest(n), Current: current}
		}
		s.c = s.rules(now).Change(s.c, "hash", d)
	}
	expect := func(when string, count int, refused, welcome []int) {
		t.Helper()
		for _, n := range refused {
			if !s.c.History.HasDigest(digest(n), count) {
				t.Errorf("%s: password %d is welcome", when, n)
			}
		}
		for _, n := range welcome {
			if s.c.History.HasDigest(digest(n), count) {
				t.Errorf("%s: password %d is refused", when, n)
			}
		}
	}

	expect("before any", 24, nil, []int{0, 1})
	set(2, 1, digest(0))
	expect("the first, the one before known", 2, []int{0, 1}, []int{2})
	set(2, 2, nil)
	expect("the second", 2, []int{0, 1, 2}, []int{3})
	set(2, 3, nil)
	expect("the third", 2, []int{1, 2, 3}, []int{0})
	if !bytes.Equal(s.c.History.Digests[0], digest(3)) || len(s.c.History.Digests) != 3 || !bytes.Equal(s.c.History.Salt, salt) {
		t.Errorf("history is %q, want the newest first and two more", s.c.History.Digests)
	}

	expect("fewer count from now on", 1, []int{2, 3}, []int{1})
	expect("more count from now on: what is there", 24, []int{1, 2, 3}, []int{0})
	expect("none count: the current one is another rule's", 0, []int{3}, []int{1, 2})
	set(4, 4, nil)
	set(4, 5, nil)
	expect("more are kept", 4, []int{1, 2, 3, 4, 5}, []int{0})
	set(1, 6, nil)
	expect("fewer are kept", 24, []int{5, 6}, []int{1, 2, 3, 4})
	set(0, 7, nil)
	if s.c.History.Digests != nil || s.c.History.Salt != nil {
		t.Errorf("a password set where the policy keeps no history leaves %q", s.c.History.Digests)
	}
	set(2, 8, digest(7))
	expect("begun again", 2, []int{7, 8}, []int{6})
}

func TestHistoryIsNeverWrittenTo(t *testing.T) {
	s := begin(func(s *state) { s.policy.HistoryCount = 3 })
	digests := make([][]byte, 0, 16)
	s.c.History = account.History{Salt: []byte("salt"), Digests: append(digests, digest(1))}
	r := s.rules(now)
	one := r.Change(s.c, "hash", account.Digests{Salt: s.c.History.Salt, New: digest(2)})
	two := r.Change(s.c, "hash", account.Digests{Salt: s.c.History.Salt, New: digest(3)})
	if !bytes.Equal(one.History.Digests[0], digest(2)) || !bytes.Equal(two.History.Digests[0], digest(3)) ||
		!bytes.Equal(s.c.History.Digests[0], digest(1)) {
		t.Error("two decisions on one credential share a history")
	}
}
