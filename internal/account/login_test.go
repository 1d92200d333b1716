package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

const resetRequired = v1alpha1.StandingReason(v1alpha1.StandingResetRequired)

func TestLoginAnswers(t *testing.T) {
	unavailable := func(reason v1alpha1.StandingReason) account.Answer {
		return account.Answer{Outcome: account.Unavailable, Reason: reason}
	}
	change := func(m v1alpha1.MustChangeReason) account.Answer {
		return account.Answer{Outcome: account.ChangeRequired, MustChange: m}
	}
	granted := account.Answer{Outcome: account.Granted}
	expires := func(a account.Answer, when time.Time) account.Answer {
		a.PasswordExpires = when
		return a
	}
	within := func(s *state) { s.policy.ChangeWithin = day }
	idle := func(s *state) { s.policy.IdleLock = time.Minute }
	maxAge := func(s *state) { s.policy.MaxAge, s.policy.ExpiryWarning = 11*day, 14*day }
	initial := handOut(v1alpha1.MustChangeInitialLogin, time.Hour)
	reset := handOut(v1alpha1.MustChangeReset, time.Hour)
	requested := func(s *state) { s.spec.Password.ChangeRequiredTime = at(ago(time.Minute)) }
	policyTime := func(s *state) { s.policy.ChangeRequiredTime = ago(time.Minute) }

	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  account.Answer
	}{
		{"active", nil, granted},
		{"disabled", edits(disable), unavailable(v1alpha1.ReasonAccountDisabled)},
		{"not started", edits(func(s *state) { s.spec.StartTime = at(in(1)) }), unavailable(v1alpha1.ReasonAccountNotStarted)},
		{"ended", edits(func(s *state) { s.spec.EndTime = at(now) }), unavailable(v1alpha1.ReasonAccountEnded)},
		{"idle", edits(idle), unavailable(v1alpha1.ReasonIdle)},
		{"initial login", edits(initial), change(v1alpha1.MustChangeInitialLogin)},
		{"reset", edits(reset), change(v1alpha1.MustChangeReset)},
		{"requested", edits(requested), change(v1alpha1.MustChangeRequested)},
		{"policy's time", edits(policyTime), change(v1alpha1.MustChangePolicyChanged)},
		{"expired", edits(expire), expires(change(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"lapsed", edits(within, handOut(v1alpha1.MustChangeReset, 2*day)), expires(unavailable(v1alpha1.ReasonPasswordLapsed), ago(day))},
		{"first grace login", edits(expire, grace(2, 0)), account.Answer{
			Outcome: account.Granted, PasswordExpires: ago(time.Hour), WarnExpiry: true, GraceLogin: true, GraceLoginsLeft: 1,
		}},
		{"last grace login", edits(expire, grace(2, 1)), account.Answer{
			Outcome: account.Granted, PasswordExpires: ago(time.Hour), WarnExpiry: true, GraceLogin: true,
		}},
		{"no grace login left", edits(expire, grace(2, 2)), expires(change(v1alpha1.MustChangeExpired), ago(time.Hour))},
		{"near expiry", edits(maxAge), account.Answer{Outcome: account.Granted, PasswordExpires: in(day), WarnExpiry: true}},
		{"not so near", edits(maxAge, func(s *state) { s.policy.ExpiryWarning = day - 1 }), expires(granted, in(day))},
		{"just near", edits(maxAge, func(s *state) { s.policy.ExpiryWarning = day }), account.Answer{
			Outcome: account.Granted, PasswordExpires: in(day), WarnExpiry: true,
		}},
		{"no warnings wanted", edits(maxAge, func(s *state) { s.policy.ExpiryWarning = 0 }), expires(granted, in(day))},

		{"forbidden, nothing required", edits(forbidChange), granted},
		{"forbidden, requested", edits(forbidChange, requested), unavailable(resetRequired)},
		{"forbidden, policy's time", edits(forbidChange, policyTime), unavailable(resetRequired)},
		{"forbidden, expired", edits(forbidChange, expire), expires(unavailable(resetRequired), ago(time.Hour))},
		{"forbidden, reset under another declaration", edits(forbidChange, reset), unavailable(resetRequired)},

		{"not enabled comes before a change", edits(disable, initial), unavailable(v1alpha1.ReasonAccountDisabled)},
		{"not enabled comes before grace", edits(disable, expire, grace(2, 0)), expires(unavailable(v1alpha1.ReasonAccountDisabled), ago(time.Hour))},
		{"a required change comes before grace", edits(requested, expire, grace(2, 0)), expires(change(v1alpha1.MustChangeRequested), ago(time.Hour))},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			row.want.LastSuccessTime = s.c.LastSuccessTime
			if _, got := s.rules(now).NextStep(s.c, account.Proven{}); got != row.want {
				t.Errorf("answer is\n%+v\nwant\n%+v", got, row.want)
			}
		})
	}
}

// TestLoginWrites: what a login with the right password changes in the credential, and nothing else.
func TestLoginWrites(t *testing.T) {
	failed := func(s *state) { s.c.Failures = account.Failures{Times: []time.Time{ago(time.Minute)}, Consecutive: 7} }
	unnotified := func(s *state) { s.c.UnnotifiedFailures = 2 }
	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  func(*account.Credential)
	}{
		{"a clean login writes nothing", edits(func(s *state) { s.c.LastSuccessTime = ago(time.Hour - 1) }), func(*account.Credential) {}},
		{"the last login, to within an hour", nil, func(c *account.Credential) { c.LastSuccessTime = now }},
		{"the first login", edits(func(s *state) { s.c.LastSuccessTime = time.Time{} }), func(c *account.Credential) { c.LastSuccessTime = now }},
		{"a clock that was far ahead", edits(func(s *state) { s.c.LastSuccessTime = in(time.Hour) }), func(c *account.Credential) { c.LastSuccessTime = now }},
		{"failures are reported", edits(failed), func(c *account.Credential) {
			c.Failures, c.LastSuccessTime = account.Failures{}, now
		}},
		{"so are those from before", edits(failed, unnotified), func(c *account.Credential) {
			c.Failures, c.UnnotifiedFailures, c.LastSuccessTime = account.Failures{}, 0, now
		}},
		{"failures are kept for later where a change is asked for", edits(failed, unnotified, handOut(v1alpha1.MustChangeReset, 0)), func(c *account.Credential) {
			c.Failures, c.UnnotifiedFailures = account.Failures{}, 9
		}},
		{"failures are kept for later where the account is disabled", edits(failed, disable, func(s *state) { s.c.SessionsEnded = true }), func(c *account.Credential) {
			c.Failures, c.UnnotifiedFailures = account.Failures{}, 7
		}},
		{"a refusal without new failures writes nothing", edits(unnotified, handOut(v1alpha1.MustChangeReset, 0)), func(*account.Credential) {}},
		{"a grace login is used up", edits(expire, grace(3, 1)), func(c *account.Credential) {
			c.Password.GraceLoginsUsed, c.LastSuccessTime = 2, now
		}},
		{"a refusal uses up no grace login", edits(expire, grace(3, 1), disable, func(s *state) { s.c.SessionsEnded = true }), func(*account.Credential) {}},
		{"a refusal is no login", edits(handOut(v1alpha1.MustChangeInitialLogin, 0)), func(*account.Credential) {}},
		{"a due request takes effect", edits(func(s *state) { s.spec.SignOutTime = at(ago(time.Second)) }), func(c *account.Credential) {
			c.SessionGeneration, c.Handled.SignOut, c.LastSuccessTime = 6, ago(time.Second), now
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			want := s.c
			row.want(&want)
			before := s.c
			got, _ := s.rules(now).NextStep(s.c, account.Proven{})
			same(t, got, want)
			same(t, s.c, before)
		})
	}
}

func TestLoginReportsEarlierFailures(t *testing.T) {
	s := begin(func(s *state) { s.c.Failures.Consecutive, s.c.UnnotifiedFailures = 3, 1 })
	_, answer := s.rules(now).NextStep(s.c, account.Proven{})
	if answer.FailuresBefore != 4 || !answer.LastSuccessTime.Equal(ago(time.Hour)) {
		t.Errorf("reports %d failures since %v, want 4 since an hour ago", answer.FailuresBefore, answer.LastSuccessTime)
	}
}

func TestEnforceExistingPasswords(t *testing.T) {
	for _, row := range []struct {
		name       string
		enforce    bool
		compliance account.Compliance
		edits      []func(*state)
		outcome    account.Outcome
		recorded   v1alpha1.MustChangeReason
	}{
		{"keep", false, account.NotCompliant, nil, account.Granted, ""},
		{"meets the policy", true, account.Compliant, nil, account.Granted, ""},
		{"could not be evaluated", true, account.ComplianceUnknown, nil, account.Granted, ""},
		{"does not meet it", true, account.NotCompliant, nil, account.ChangeRequired, v1alpha1.MustChangePolicyChanged},
		{"must change anyway", true, account.NotCompliant, edits(handOut(v1alpha1.MustChangeReset, 0)), account.ChangeRequired, v1alpha1.MustChangeReset},
		{"no grace for it", true, account.NotCompliant, edits(expire, grace(3, 0)), account.ChangeRequired, v1alpha1.MustChangePolicyChanged},
		{"change forbidden", true, account.NotCompliant, edits(forbidChange), account.Unavailable, v1alpha1.MustChangePolicyChanged},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			s.policy.EnforceExisting = row.enforce
			c, answer := s.rules(now).NextStep(s.c, account.Proven{Compliance: row.compliance})
			if answer.Outcome != row.outcome || c.Password.MustChange != row.recorded {
				t.Errorf("outcome %v, recorded %q; want %v, %q", answer.Outcome, c.Password.MustChange, row.outcome, row.recorded)
			}
			// What was recorded holds at the next look, when nobody shows the password.
			if standing := s.rules(now).Standing(c); row.recorded != "" && standing.MustChange != row.recorded {
				t.Errorf("stands as %+v", standing)
			}
		})
	}
}

// TestGraceLogins counts them down to the end.
func TestGraceLogins(t *testing.T) {
	s := begin(expire, grace(3, 0))
	for left := 2; left >= 0; left-- {
		var answer account.Answer
		s.c, answer = s.rules(now).NextStep(s.c, account.Proven{})
		if answer.Outcome != account.Granted || !answer.GraceLogin || answer.GraceLoginsLeft != left {
			t.Fatalf("answer is %+v, want a grace login with %d left", answer, left)
		}
	}
	if _, answer := s.rules(now).NextStep(s.c, account.Proven{}); answer.Outcome != account.ChangeRequired {
		t.Errorf("answer is %+v, want that a change is required", answer)
	}
	c := s.rules(now).Change(s.c, "hash of the next", account.Digests{})
	if c.Password.GraceLoginsUsed != 0 {
		t.Error("a new password begins with used grace logins")
	}
}

// TestFailuresAreReportedOnce, whatever comes between them and the first login that is granted.
func TestFailuresAreReportedOnce(t *testing.T) {
	fail := func(s *state, n int) {
		for range n {
			s.c = s.rules(now).Failed(s.c)
		}
	}
	change := func(s *state) (failures int) {
		c, answer := s.rules(now).MayChange(s.c, account.Proven{})
		s.c = s.rules(now).Change(c, "hash of the next", account.Digests{})
		return answer.FailuresBefore
	}
	for name, between := range map[string]func(*state){
		"nothing": func(*state) {},
		"a change that is required": func(s *state) {
			handOut(v1alpha1.MustChangeReset, 0)(s)
			s.c, _ = s.rules(now).NextStep(s.c, account.Proven{})
			s.c.Password.MustChange = ""
		},
		"a new password that is rejected": func(s *state) { s.c, _ = s.rules(now).MayChange(s.c, account.Proven{}) },
		"an unlock":                       func(s *state) { s.spec.UnlockTime = at(now); s.c = s.rules(now).ApplyRequests(s.c) },
		"a reset": func(s *state) {
			s.c = s.rules(now).Reset(s.c, account.Source{SecretName: "ada"}, "hash of the next", account.Digests{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin()
			fail(s, 2)
			between(s)
			fail(s, 1)
			byChange := *s
			var first, second account.Answer
			s.c, first = s.rules(now).NextStep(s.c, account.Proven{})
			s.c, second = s.rules(now).NextStep(s.c, account.Proven{})
			if first.FailuresBefore != 3 || second.FailuresBefore != 0 {
				t.Errorf("logins report %d and then %d failures", first.FailuresBefore, second.FailuresBefore)
			}
			if first, second := change(&byChange), change(&byChange); first != 3 || second != 0 {
				t.Errorf("changes report %d and then %d failures", first, second)
			}
		})
	}
}

func TestNotice(t *testing.T) {
	maxAge := func(s *state) { s.policy.MaxAge, s.policy.ExpiryWarning = 11*day, 14*day }
	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  account.Notice
	}{
		{"no end", nil, account.Notice{}},
		{"near", edits(maxAge), account.Notice{WarnExpiry: true}},
		{"not so near", edits(maxAge, func(s *state) { s.policy.ExpiryWarning = day - 1 }), account.Notice{}},
		{"past", edits(expire), account.Notice{WarnExpiry: true, Expired: true}},
		{"past, with grace", edits(expire, grace(3, 1)), account.Notice{WarnExpiry: true, Expired: true, GraceLoginsLeft: 2}},
		{"past, but exempt", edits(expire, func(s *state) {
			s.policy.ExpiryExemptionAllowed, s.spec.Password.Expiry = true, v1alpha1.PasswordExpiryNever
		}), account.Notice{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			if got := s.rules(now).Notice(s.c); got != row.want {
				t.Errorf("answers %+v, want %+v", got, row.want)
			}
		})
	}
}
