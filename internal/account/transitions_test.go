package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// words writes transitions as text: kind, reason, whether the account stood so already, and who did it by hand.
func words(transitions []account.Transition) string {
	all := make([]string, len(transitions))
	for i, t := range transitions {
		all[i] = strings.TrimSuffix(string(t.Kind)+" "+t.Reason, " ")
		if t.Already {
			all[i] += " already"
		}
		if t.By != "" {
			all[i] += " by " + t.By
		}
	}
	return strings.Join(all, ", ")
}

func lockable(s *state) {
	s.policy.MaxFailures, s.policy.LockDuration, s.policy.MaxConsecutiveFailures = 3, 15*time.Minute, 5
}

func lockedOut(s *state) {
	lockable(s)
	s.c.Failures = account.Failures{Consecutive: 3, LockedTime: ago(time.Minute)}
}

func failed(times int) func(*state) {
	return func(s *state) {
		for i := range times {
			s.c.Failures.Times = append(s.c.Failures.Times, ago(time.Duration(times-i)*time.Second))
		}
		s.c.Failures.Consecutive = times
	}
}

func source(revision string) account.Source {
	return account.Source{SecretName: "ada", Key: "password", UID: "s1", ResourceVersion: revision}
}

func TestTransitions(t *testing.T) {
	other := account.Owner{Namespace: "org", Name: "ada", UID: "u2"}
	for name, row := range map[string]struct {
		edits []func(*state)
		write func(account.Rules, account.Credential) account.Credential
		want  string
	}{
		"nothing": {nil, func(_ account.Rules, c account.Credential) account.Credential { return c }, ""},
		"login": {[]func(*state){failed(2)}, func(r account.Rules, c account.Credential) account.Credential {
			c, _ = r.NextStep(c, account.Proven{})
			return c
		}, ""},
		"rehash": {nil, func(_ account.Rules, c account.Credential) account.Credential {
			c.Password.Hash = "the same with other parameters"
			return c
		}, ""},
		"failure":            {[]func(*state){lockable}, account.Rules.Failed, ""},
		"failure that locks": {[]func(*state){lockable, failed(2)}, account.Rules.Failed, "Locked TooManyFailures"},
		"failure in a row": {[]func(*state){lockable, func(s *state) { s.c.Failures.Consecutive = 4 }},
			account.Rules.Failed, "Locked TooManyConsecutiveFailures"},
		"failures that are recorded while it is locked": {[]func(*state){lockedOut}, account.Rules.Failed, ""},
		"failures that make a lock endless": {[]func(*state){lockedOut}, func(r account.Rules, c account.Credential) account.Credential {
			return r.Failed(r.Failed(c))
		}, "Locked TooManyConsecutiveFailures already"},
		"login after a lock has ended": {[]func(*state){lockedOut, func(s *state) { s.c.Failures.LockedTime = ago(time.Hour) }},
			func(r account.Rules, c account.Credential) account.Credential {
				c, _ = r.NextStep(c, account.Proven{})
				return c
			}, ""},
		"failure that locks a device": {[]func(*state){lockable, lockedOut, func(s *state) {
			s.c.Failures.Consecutive = 2
			s.c.Devices = []account.DeviceFailures{
				{ID: "d0", LockedTime: ago(time.Minute)}, {ID: "d1", Times: []time.Time{ago(2 * time.Minute), ago(time.Minute)}},
			}
		}}, func(r account.Rules, c account.Credential) account.Credential { r.Device = "d1"; return r.Failed(c) }, "Locked TooManyFailuresOnDevice"},
		"login from a known device, while others are locked out": {[]func(*state){lockedOut},
			func(r account.Rules, c account.Credential) account.Credential {
				r.Device = "d1"
				c, _ = r.NextStep(c, account.Proven{})
				return c
			}, ""},
		"unlock": {[]func(*state){lockedOut, func(s *state) { s.spec.UnlockTime = at(now) }},
			account.Rules.ApplyRequests, "Unlocked UnlockTime"},
		"unlock of what is not locked": {[]func(*state){lockable, func(s *state) { s.spec.UnlockTime = at(now) }},
			account.Rules.ApplyRequests, "Unlocked UnlockTime already"},
		"unlock, and a failure that locks again": {[]func(*state){lockedOut, func(s *state) {
			s.spec.UnlockTime, s.policy.MaxFailures = at(now), 1
		}}, account.Rules.Failed, "Unlocked UnlockTime, Locked TooManyFailures"},
		"unlock of a lock without end, and another": {[]func(*state){lockedOut, func(s *state) {
			s.spec.UnlockTime, s.policy.MaxFailures, s.policy.LockDuration = at(now), 1, 0
		}}, account.Rules.Failed, "Unlocked UnlockTime, Locked TooManyFailures"},
		"sign out": {[]func(*state){func(s *state) { s.spec.SignOutTime = at(now) }},
			account.Rules.ApplyRequests, "SessionsEnded SignOutTime"},
		"disabled": {[]func(*state){disable}, account.Rules.ApplyRequests, "SessionsEnded AccountDisabled"},
		"ended": {[]func(*state){func(s *state) { s.spec.EndTime = at(ago(time.Hour)) }},
			account.Rules.ApplyRequests, "SessionsEnded AccountEnded"},
		"becomes External": {[]func(*state){lockable, external}, account.Rules.ApplyRequests, "SessionsEnded AuthenticationChanged"},
		"becomes External while locked": {[]func(*state){lockedOut, external}, account.Rules.ApplyRequests,
			"Unlocked AuthenticationChanged, SessionsEnded AuthenticationChanged"},
		"becomes External, and is signed out": {[]func(*state){external, func(s *state) { s.spec.SignOutTime = at(now) }}, account.Rules.ApplyRequests,
			"SessionsEnded AuthenticationChanged, SessionsEnded SignOutTime"},
		"becomes External, and unlocked": {[]func(*state){lockedOut, external, func(s *state) { s.spec.UnlockTime = at(now) }}, account.Rules.ApplyRequests,
			"Unlocked AuthenticationChanged, SessionsEnded AuthenticationChanged, Unlocked UnlockTime already"},
		"becomes Local": {[]func(*state){loggedIn, local}, account.Rules.ApplyRequests, "SessionsEnded AuthenticationChanged"},
		"becomes Local, with a reset": {[]func(*state){loggedIn, local}, func(r account.Rules, c account.Credential) account.Credential {
			return r.Reset(r.ApplyRequests(c), source("2"), "new", account.Digests{})
		}, "SessionsEnded AuthenticationChanged, PasswordReset, SessionsEnded PasswordReset"},
		"becomes another subject's": {[]func(*state){loggedIn, func(s *state) { s.spec.Authentication.Subject = "s-2" }}, account.Rules.ApplyRequests,
			"SessionsEnded AuthenticationChanged"},
		"becomes another provider's": {[]func(*state){loggedIn, func(s *state) { s.provider.UID = "p2" }}, account.Rules.ApplyRequests,
			"SessionsEnded ProviderChanged"},
		"the provider is turned off": {[]func(*state){loggedIn, problem(v1alpha1.ReasonProviderDisabled)}, account.Rules.ApplyRequests,
			"SessionsEnded ProviderChanged"},
		"login through a provider": {[]func(*state){atProvider}, func(r account.Rules, c account.Credential) account.Credential {
			c, _ = r.NextStep(c, asserted(eve))
			return c
		}, ""},
		"login of another subject": {[]func(*state){loggedIn, func(s *state) { s.c.External.Subject = "s-0" }}, func(r account.Rules, c account.Credential) account.Credential {
			c, _ = r.NextStep(c, asserted(eve))
			return c
		}, "SessionsEnded AuthenticationChanged"},
		"login through a provider, of a Local account before": {[]func(*state){func(s *state) {
			c := s.c
			atProvider(s)
			s.c = c
		}}, func(r account.Rules, c account.Credential) account.Credential {
			c, _ = r.NextStep(c, asserted(eve))
			return c
		}, "SessionsEnded AuthenticationChanged"},
		"enabled again": {[]func(*state){func(s *state) { s.c.SessionsEnded = true }}, account.Rules.ApplyRequests, ""},
		"change": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return r.Change(c, "new", account.Digests{})
		}, "PasswordChanged, SessionsEnded PasswordChanged"},
		"change, with a sign-out that was due": {[]func(*state){func(s *state) { s.spec.SignOutTime = at(now) }},
			func(r account.Rules, c account.Credential) account.Credential {
				return r.Change(r.ApplyRequests(c), "new", account.Digests{})
			}, "SessionsEnded SignOutTime, PasswordChanged, SessionsEnded PasswordChanged"},
		"reset": {[]func(*state){func(s *state) { s.policy.ChangeOnReset = true }},
			func(r account.Rules, c account.Credential) account.Credential {
				return r.Reset(c, source("2"), "new", account.Digests{})
			}, "PasswordReset Reset, SessionsEnded PasswordReset"},
		"reset of a locked account": {[]func(*state){lockedOut}, func(r account.Rules, c account.Credential) account.Credential {
			return r.Reset(c, source("2"), "new", account.Digests{})
		}, "PasswordReset, Unlocked PasswordReset, SessionsEnded PasswordReset"},
		"reset that is refused": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}, "ResetRefused PolicyViolation"},
		"reset that another policy refuses, too": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectReset(s.c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, source("2"), "p2", c.Reset.Rejected)
		}, "ResetRefused PolicyViolation already"},
		"reset that is refused after another one": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectReset(s.c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, source("3"), "p1", c.Reset.Rejected)
		}, "ResetRefused PolicyViolation"},
		"reset that is refused once it can be judged": {[]func(*state){func(s *state) {
			s.c = s.rules(now).DeferReset(s.c, source("2"))
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}, "ResetRefused PolicyViolation"},
		"reset that stays refused": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectReset(s.c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}}, func(_ account.Rules, c account.Credential) account.Credential { c.LastSuccessTime = now; return c }, ""},
		"reset that stays refused, of another revision that was not judged": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectReset(s.c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, source("3"), "", c.Reset.Rejected)
		}, ""},
		"value that is unusable": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectUnusable(c, source("2"), account.UnusableNotUTF8)
		}, "ResetRefused ValueInvalid"},
		"key that is missing, after a rejection": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectReset(s.c, source("2"), "p1", []policy.RequirementID{policy.RequirementMinLength})
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectUnusable(c, source("3"), account.UnusableKeyNotFound)
		}, "ResetRefused KeyNotFound"},
		"value that stays unusable": {[]func(*state){func(s *state) {
			s.c = s.rules(now).RejectUnusable(s.c, source("2"), account.UnusableEmpty)
		}}, func(_ account.Rules, c account.Credential) account.Credential { c.LastSuccessTime = now; return c }, ""},
		"revision without a new password": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return r.NoteRevision(c, source("3"))
		}, ""},
		"logout": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return account.EndSession(c, "s1", in(time.Hour), r.Now)
		}, "SessionEnded"},
		"logout everywhere": {nil, func(_ account.Rules, c account.Credential) account.Credential { return account.EndSessions(c) }, "SessionsEnded LoggedOutEverywhere"},
		"one logout too many": {[]func(*state){func(s *state) {
			for i := range account.MaxEndedSessions {
				s.c = account.EndSession(s.c, string(rune('A'+i)), in(time.Hour), now)
			}
		}}, func(r account.Rules, c account.Credential) account.Credential {
			return account.EndSession(c, "s1", in(time.Hour), r.Now)
		},
			"SessionsEnded LoggedOutEverywhere"},
		"account gone": {nil, func(_ account.Rules, c account.Credential) account.Credential { c.OrphanedTime = now; return c },
			"SessionsEnded AccountDeleted"},
		"credential deleted": {nil, func(account.Rules, account.Credential) account.Credential { return account.Credential{} },
			"SessionsEnded AccountDeleted"},
		"credential deleted that was noted as orphaned": {[]func(*state){func(s *state) { s.c.OrphanedTime = ago(72 * time.Hour) }},
			func(account.Rules, account.Credential) account.Credential { return account.Credential{} }, ""},
		"restored": {[]func(*state){func(s *state) { s.c.OrphanedTime = ago(time.Hour) }},
			func(_ account.Rules, c account.Credential) account.Credential {
				return account.Adopt(c, declaredAs("ada", "u2", "true"))
			}, ""},
		"restored before it was missed": {nil,
			func(_ account.Rules, c account.Credential) account.Credential {
				return account.Adopt(c, declaredAs("ada", "u2", "true"))
			}, "SessionsEnded AccountDeleted"},
		"restored, and logged out": {[]func(*state){func(s *state) { s.c.OrphanedTime = ago(time.Hour) }},
			func(_ account.Rules, c account.Credential) account.Credential {
				return account.EndSessions(account.Adopt(c, declaredAs("ada", "u2", "true")))
			}, "SessionsEnded LoggedOutEverywhere"},
		"new person": {nil, func(r account.Rules, c account.Credential) account.Credential {
			return r.Reset(r.Succeed(c, other, "a2"), source("1"), "new", account.Digests{})
		}, "SessionsEnded AccountDeleted, PasswordReset"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			r := s.rules(now)
			got := r.Transitions(s.c, row.write(r, s.c))
			if words(got) != row.want {
				t.Errorf("reported %q, want %q", words(got), row.want)
			}
		})
	}
}

func TestTransitionsOfNewCredentials(t *testing.T) {
	s := begin(func(s *state) {
		s.spec.UnlockTime, s.spec.SignOutTime, s.spec.Access = at(ago(time.Hour)), at(ago(time.Hour)), v1alpha1.AccessDisabled
		s.policy.ChangeOnInitialLogin = true
	})
	r := s.rules(now)
	created := r.New(s.c.Owner, "a1")
	if got := words(r.Transitions(account.Credential{}, created)); got != "" {
		t.Errorf("without a password: %q, want nothing", got)
	}
	handedOut := r.Reset(created, source("1"), "new", account.Digests{})
	if got, want := words(r.Transitions(account.Credential{}, handedOut)), "PasswordReset InitialLogin"; got != want {
		t.Errorf("with a password: %q, want %q", got, want)
	}
}

// TestTransitionsName whom and what they are about.
func TestTransitionsName(t *testing.T) {
	s := begin(lockable, failed(2))
	r := s.rules(now)
	locked := r.Transitions(s.c, r.Failed(s.c))[0]
	if !locked.Until.Equal(in(15*time.Minute)) || locked.Owner != s.c.Owner {
		t.Errorf("lock of %v until %s", locked.Owner, locked.Until)
	}
	if ended := r.Transitions(s.c, account.EndSession(s.c, "s1", in(time.Hour), r.Now))[0]; ended.Session != "s1" {
		t.Errorf("logout of session %q", ended.Session)
	}
	next := account.Owner{Namespace: "org", Name: "ada", UID: "u2"}
	got := r.Transitions(s.c, r.Reset(r.Succeed(s.c, next, "a2"), source("1"), "new", account.Digests{}))
	if got[0].Owner != s.c.Owner || got[1].Owner != next {
		t.Errorf("revocation of %v and reset of %v", got[0].Owner, got[1].Owner)
	}
}
