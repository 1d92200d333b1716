package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// request is one kind of request: where it is declared, what has been handled, and whether it took effect.
type request struct {
	name    string
	declare func(*state, *v1alpha1.Instant)
	handled func(*account.Credential) *time.Time
	// effect reports whether the request took effect between two credentials.
	effect func(before, after account.Credential) bool
	// prepare makes a state in which the effect can be seen, again and again.
	prepare func(*account.Credential)
}

var requests = []request{
	{
		name:    "unlockTime",
		declare: func(s *state, t *v1alpha1.Instant) { s.spec.UnlockTime = t },
		handled: func(c *account.Credential) *time.Time { return &c.Handled.Unlock },
		effect: func(before, after account.Credential) bool {
			return before.Failures.Consecutive > 0 && after.Failures.Consecutive == 0 && after.UnnotifiedFailures == before.Failures.Consecutive
		},
		prepare: func(c *account.Credential) {
			c.Failures = account.Failures{Times: []time.Time{ago(time.Minute)}, Consecutive: 3, LockedTime: ago(time.Hour)}
		},
	},
	{
		name:    "changeRequiredTime",
		declare: func(s *state, t *v1alpha1.Instant) { s.spec.Password.ChangeRequiredTime = t },
		handled: func(c *account.Credential) *time.Time { return &c.Handled.ChangeRequired },
		effect: func(before, after account.Credential) bool {
			return before.Password.MustChange == "" && after.Password.MustChange == v1alpha1.MustChangeRequested
		},
		prepare: func(c *account.Credential) { c.Password.MustChange = "" },
	},
	{
		name:    "signOutTime",
		declare: func(s *state, t *v1alpha1.Instant) { s.spec.SignOutTime = t },
		handled: func(c *account.Credential) *time.Time { return &c.Handled.SignOut },
		effect: func(before, after account.Credential) bool {
			return after.SessionGeneration == before.SessionGeneration+1
		},
		prepare: func(*account.Credential) {},
	},
}

// TestRequests: one that is later than the last and not in the future takes effect, once and for good.
func TestRequests(t *testing.T) {
	for _, row := range []struct {
		name    string
		instant *v1alpha1.Instant
		handled time.Time
		effect  bool
	}{
		{"none", nil, time.Time{}, false},
		{"the first", at(ago(time.Minute)), time.Time{}, true},
		{"of this instant", at(now), time.Time{}, true},
		{"in the future", at(in(time.Second)), time.Time{}, false},
		{"in the future, after one that was handled", at(in(time.Second)), ago(day), false},
		{"the first, in another time zone", at(ago(time.Minute).In(time.FixedZone("", 7200))), time.Time{}, true},
		{"later than the last", at(ago(time.Minute)), ago(time.Hour), true},
		{"the last again (re-applied)", at(ago(time.Hour)), ago(time.Hour), false},
		{"taken back (GitOps)", nil, ago(time.Hour), false},
		{"set back to an earlier one (GitOps)", at(ago(day)), ago(time.Hour), false},
		{"by a slow clock, long after creation", at(ago(200 * day)), time.Time{}, true},
		{"by a slow clock, later than the last", at(ago(time.Hour)), ago(time.Hour + time.Second), true},
		{"the last, in another time zone", at(ago(time.Hour).In(time.FixedZone("", 7200))), ago(time.Hour), false},
	} {
		for _, request := range requests {
			t.Run(request.name+" "+row.name, func(t *testing.T) {
				s := begin()
				request.declare(s, row.instant)
				request.prepare(&s.c)
				*request.handled(&s.c) = row.handled
				before := s.c
				got := s.rules(now).ApplyRequests(s.c)
				if request.effect(s.c, got) != row.effect {
					t.Fatalf("took effect: %t, want %t", !row.effect, row.effect)
				}
				if want := row.handled; !row.effect && !request.handled(&got).Equal(want) {
					t.Errorf("handled is %v, want %v", *request.handled(&got), want)
				}
				if row.effect && *request.handled(&got) != row.instant.UTC() {
					t.Errorf("handled is %v, want %v in UTC", *request.handled(&got), row.instant)
				}
				same(t, s.rules(now).ApplyRequests(got), got)
				same(t, s.c, before)

				// Never again, whatever is done to the credential or the field afterwards.
				request.prepare(&got)
				for _, instant := range []*v1alpha1.Instant{row.instant, nil, at(ago(300 * day)), row.instant} {
					request.declare(s, instant)
					if row.effect && request.effect(got, s.rules(in(day)).ApplyRequests(got)) {
						t.Errorf("takes effect again with %v", instant)
					}
				}
			})
		}
	}
}

func TestRequestToCome(t *testing.T) {
	for _, request := range requests {
		s := begin()
		request.declare(s, at(in(time.Hour)))
		request.prepare(&s.c)
		if got := s.rules(in(time.Hour - 1)).ApplyRequests(s.c); request.effect(s.c, got) {
			t.Errorf("%s takes effect too early", request.name)
		}
		if got := s.rules(in(time.Hour)).ApplyRequests(s.c); !request.effect(s.c, got) {
			t.Errorf("%s does not take effect when its time has come", request.name)
		}
	}
}

func TestRequestPastAtCreationIsHandled(t *testing.T) {
	for _, request := range requests {
		t.Run(request.name, func(t *testing.T) {
			s := begin()
			request.declare(s, at(ago(time.Hour)))
			c := s.rules(now).New(s.c.Owner, "a2")
			c.Password = s.c.Password
			request.prepare(&c)
			if got := s.rules(in(time.Second)).ApplyRequests(c); request.effect(c, got) {
				t.Error("takes effect")
			}

			request.declare(s, at(ago(time.Hour-time.Second)))
			if got := s.rules(in(time.Second)).ApplyRequests(c); !request.effect(c, got) {
				t.Error("a later one, by a slow clock, does not take effect")
			}

			request.declare(s, at(in(time.Hour)))
			c = s.rules(now).New(s.c.Owner, "a2")
			c.Password = s.c.Password
			request.prepare(&c)
			if got := s.rules(in(time.Hour)).ApplyRequests(c); !request.effect(c, got) {
				t.Error("one that was to come at creation does not take effect")
			}
		})
	}
}

func TestNew(t *testing.T) {
	s := begin(func(s *state) {
		s.spec.UnlockTime, s.spec.SignOutTime = at(ago(1*time.Hour)), at(ago(2*time.Hour))
		s.spec.Password.ResetTime, s.spec.Password.ChangeRequiredTime = at(ago(3*time.Hour)), at(ago(4*time.Hour))
	})
	owner := account.Owner{Namespace: "org", Name: "grace", UID: "u2"}
	same(t, s.rules(now).New(owner, "a2"), account.Credential{
		AccountID: "a2", Owner: owner, CreatedTime: now, SessionGeneration: 1,
		Handled: account.Requests{
			Unlock: ago(1 * time.Hour), SignOut: ago(2 * time.Hour), Reset: ago(3 * time.Hour), ChangeRequired: ago(4 * time.Hour),
		},
	})
	disable(s)
	if c := s.rules(now).New(owner, "a2"); !c.SessionsEnded || c.SessionGeneration != 1 {
		t.Errorf("of a disabled account: generation %d, ended %t", c.SessionGeneration, c.SessionsEnded)
	}
	s.spec = v1alpha1.UserAccountSpec{}
	if c := s.rules(now).New(owner, "a2"); c.Handled != (account.Requests{}) {
		t.Errorf("without requests, handled are %+v", c.Handled)
	}
}

func TestChangeRequestKeepsTheReasonThatWas(t *testing.T) {
	for _, m := range []v1alpha1.MustChangeReason{v1alpha1.MustChangeInitialLogin, v1alpha1.MustChangeReset, v1alpha1.MustChangePolicyChanged} {
		s := begin(handOut(m, time.Hour), func(s *state) { s.spec.Password.ChangeRequiredTime = at(ago(time.Minute)) })
		c := s.rules(now).ApplyRequests(s.c)
		if c.Password.MustChange != m || !c.Handled.ChangeRequired.Equal(ago(time.Minute)) {
			t.Errorf("must change %q since %v, want %q as before and the request handled", c.Password.MustChange, c.Handled.ChangeRequired, m)
		}
	}
}

func TestChangeRequestWaitsForAPassword(t *testing.T) {
	s := begin(func(s *state) {
		s.c.Password = account.Password{}
		s.spec.Password.ChangeRequiredTime = at(ago(time.Minute))
	})
	same(t, s.rules(now).ApplyRequests(s.c), s.c)
	if got := s.rules(now).Standing(s.c); got.MustChange != "" || !got.Next.IsZero() {
		t.Errorf("stands as %+v", got)
	}
}

// TestChangeRequestOutlivesAReset: who hands out a password and asks for its change at once means that password, also
// where the request is seen first and the policy does not ask for it.
func TestChangeRequestOutlivesAReset(t *testing.T) {
	source := account.Source{SecretName: "ada", Key: "password", UID: "s1", ResourceVersion: "2"}
	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  v1alpha1.MustChangeReason
	}{
		{"where there was a password", nil, v1alpha1.MustChangeRequested},
		{"where there was none", edits(func(s *state) { s.c.Password = account.Password{} }), v1alpha1.MustChangeRequested},
		{"where the policy asks too", edits(func(s *state) { s.policy.ChangeOnReset = true }), v1alpha1.MustChangeReset},
		{"where change is forbidden", edits(forbidChange), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			s.spec.Password.ChangeRequiredTime = at(ago(time.Minute))
			c := s.rules(now).ApplyRequests(s.c)
			c = s.rules(now).Reset(c, source, "hash of the next", account.Digests{})
			c = s.rules(now).ApplyRequests(c)
			if c.Password.MustChange != row.want || !c.Handled.ChangeRequired.Equal(ago(time.Minute)) {
				t.Errorf("must change %q, want %q", c.Password.MustChange, row.want)
			}
			c = s.rules(now).Change(c, "hash of another", account.Digests{})
			if c = s.rules(now).ApplyRequests(c); c.Password.MustChange != "" {
				t.Errorf("must change %q again", c.Password.MustChange)
			}
		})
	}
}

// TestSessionsEnd: an account that is disabled or has ended loses its sessions once, and they do not come back with it.
func TestSessionsEnd(t *testing.T) {
	type step struct {
		name       string
		edit       func(*state)
		generation int64
		ended      bool
	}
	nothing := func(*state) {}
	enable := func(s *state) { s.spec.Access = v1alpha1.AccessEnabled }
	end := func(s *state) { s.spec.EndTime = at(now) }
	extend := func(s *state) { s.spec.EndTime = at(in(day)) }
	s := begin()
	for _, step := range []step{
		{"enabled", nothing, 5, false},
		{"disabled", disable, 6, true},
		{"still disabled", nothing, 6, true},
		{"ended while disabled", end, 6, true},
		{"enabled, but ended", enable, 6, true},
		{"extended", extend, 6, false},
		{"ended again", end, 7, true},
		{"not started ends none", func(s *state) { s.spec.EndTime, s.spec.StartTime = nil, at(in(day)) }, 7, false},
		{"disabled and signed out at once", func(s *state) { disable(s); s.spec.SignOutTime = at(now) }, 9, true},
	} {
		step.edit(s)
		s.c = s.rules(now).ApplyRequests(s.c)
		if s.c.SessionGeneration != step.generation || s.c.SessionsEnded != step.ended {
			t.Fatalf("%s: generation %d, ended %t; want %d, %t", step.name, s.c.SessionGeneration, s.c.SessionsEnded, step.generation, step.ended)
		}
		same(t, s.rules(now).ApplyRequests(s.c), s.c)
	}
}
