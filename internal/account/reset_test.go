package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

var revision = account.Source{SecretName: "ada", Key: "password", UID: "s1", ResourceVersion: "7"}

const fingerprint = "fingerprint of the policy"

// looked makes the last look at the Secret one that ended in nothing to do.
func looked(s *state) {
	s.c.Reset = account.Reset{Source: revision, AppliedHash: "hash of the handed out"}
}

// rejected makes it one that ended in a rejection.
func rejected(s *state) {
	looked(s)
	s.c.Reset.Rejected = []policy.RequirementID{policy.RequirementMinLength}
	s.c.Reset.RejectedPolicy = fingerprint
}

// unusable makes it one that found nothing that could be a password.
func unusable(s *state) {
	looked(s)
	s.c.Reset.Unusable = account.UnusableEmpty
}

func resetTime(t *v1alpha1.Instant) func(*state) {
	return func(s *state) { s.spec.Password.ResetTime = t }
}

func TestResetDue(t *testing.T) {
	seen := func(t time.Time) func(*state) { return func(s *state) { s.c.Reset.ResetTime = t } }
	handled := func(t time.Time) func(*state) { return func(s *state) { s.c.Handled.Reset = t } }
	another := func(edit func(*account.Source)) account.Source {
		source := revision
		edit(&source)
		return source
	}
	hourAgo := ago(time.Hour)
	for _, row := range []struct {
		name   string
		edits  []func(*state)
		source account.Source
		policy string
		want   bool
	}{
		{name: "as last seen", edits: edits(looked), source: revision},
		{name: "never seen", source: revision, want: true},
		{name: "another Secret", edits: edits(looked), source: another(func(s *account.Source) { s.SecretName = "ada-2" }), want: true},
		{name: "another key", edits: edits(looked), source: another(func(s *account.Source) { s.Key = "next" }), want: true},
		{name: "created again", edits: edits(looked), source: another(func(s *account.Source) { s.UID = "s2" }), want: true},
		{name: "written again", edits: edits(looked), source: another(func(s *account.Source) { s.ResourceVersion = "8" }), want: true},
		{name: "another policy", edits: edits(looked), source: revision, policy: "another"},
		{name: "resetTime", edits: edits(looked, resetTime(at(hourAgo))), source: revision, want: true},
		{name: "resetTime of this instant", edits: edits(looked, resetTime(at(now))), source: revision, want: true},
		{name: "resetTime in the future", edits: edits(looked, resetTime(at(in(1)))), source: revision},
		{name: "resetTime that was handled", edits: edits(looked, resetTime(at(hourAgo)), seen(hourAgo), handled(hourAgo)), source: revision},
		{name: "resetTime that was handled, seen or not", edits: edits(looked, resetTime(at(hourAgo)), handled(hourAgo)), source: revision},
		{name: "resetTime later than the handled one", edits: edits(looked, resetTime(at(hourAgo)), seen(ago(day)), handled(ago(day))), source: revision, want: true},
		{name: "resetTime taken back", edits: edits(looked, seen(hourAgo), handled(hourAgo)), source: revision},
		{name: "resetTime set back", edits: edits(looked, resetTime(at(ago(day))), seen(hourAgo), handled(hourAgo)), source: revision},

		{name: "rejected, nothing new", edits: edits(rejected), source: revision},
		{name: "rejected, another policy", edits: edits(rejected), source: revision, policy: "another", want: true},
		{name: "rejected, another content", edits: edits(rejected), source: another(func(s *account.Source) { s.ResourceVersion = "8" }), want: true},
		{name: "rejected with resetTime", edits: edits(rejected, resetTime(at(hourAgo)), seen(hourAgo)), source: revision},
		{name: "rejected with resetTime, a later one", edits: edits(rejected, resetTime(at(hourAgo)), seen(ago(day))), source: revision, want: true},
		{name: "rejected with resetTime, taken back", edits: edits(rejected, seen(hourAgo)), source: revision, want: true},
		{name: "rejected for former passwords, by an earlier version", edits: edits(rejected, func(s *state) {
			s.c.Reset.Rejected = append(s.c.Reset.Rejected, policy.RequirementHistory)
		}), source: revision, want: true},
		{name: "rejected for the current password, by an earlier version", edits: edits(rejected, func(s *state) {
			s.c.Reset.Rejected = []policy.RequirementID{policy.RequirementNotCurrent}
		}), source: revision, want: true},
		{name: "unusable, nothing new", edits: edits(unusable), source: revision},
		{name: "unusable, another policy", edits: edits(unusable), source: revision, policy: "another"},
		{name: "unusable, another content", edits: edits(unusable), source: another(func(s *account.Source) { s.ResourceVersion = "8" }), want: true},
		{name: "unusable, another key", edits: edits(unusable), source: another(func(s *account.Source) { s.Key = "next" }), want: true},
		{name: "unusable, a resetTime", edits: edits(unusable, resetTime(at(hourAgo))), source: revision, want: true},
		{name: "unusable with resetTime, taken back", edits: edits(unusable, seen(hourAgo)), source: revision},
		{name: "rejected, resetTime in the future", edits: edits(rejected, resetTime(at(in(1)))), source: revision},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			if row.policy == "" {
				row.policy = fingerprint
			}
			if got := s.rules(now).ResetDue(s.c, row.source, row.policy); got != row.want {
				t.Errorf("due: %t", got)
			}
		})
	}
	s := begin(looked)
	s.spec.Password = nil
	if r := s.rules(now); r.ResetDue(s.c, revision, fingerprint) || r.ResetRequested(s.c) {
		t.Error("an account that declares no password is due for a reset")
	}
}

// TestEveryLookSettles: after each of the things that become of a look, there is nothing to do.
func TestEveryLookSettles(t *testing.T) {
	unmet := []policy.RequirementID{policy.RequirementMaxLength}
	for _, resetAt := range []*v1alpha1.Instant{nil, at(ago(day)), at(now), at(in(day))} {
		for name, look := range map[string]func(account.Rules, account.Credential) account.Credential{
			"applied": func(r account.Rules, c account.Credential) account.Credential {
				return r.Reset(c, revision, "hash of the next", account.Digests{})
			},
			"rejected": func(r account.Rules, c account.Credential) account.Credential {
				return r.RejectReset(c, revision, fingerprint, unmet)
			},
			"unusable": func(r account.Rules, c account.Credential) account.Credential {
				return r.RejectUnusable(c, revision, account.UnusableKeyNotFound)
			},
			"noted": func(r account.Rules, c account.Credential) account.Credential {
				if r.ResetRequested(c) {
					return r.Reset(c, revision, "hash of the next", account.Digests{}) // The content is not compared then.
				}
				return r.NoteRevision(c, revision)
			},
		} {
			s := begin(resetTime(resetAt))
			s.c = look(s.rules(now), s.c)
			if s.rules(now).ResetDue(s.c, revision, fingerprint) || s.rules(in(time.Hour)).ResetDue(s.c, revision, fingerprint) {
				t.Errorf("%s with resetTime %v: still due", name, resetAt)
			}
			if resetAt != nil && resetAt.After(now) && !s.rules(resetAt.Time.Time).ResetDue(s.c, revision, fingerprint) {
				t.Errorf("%s with resetTime %v: not due when its time has come", name, resetAt)
			}
		}
	}
}

func TestReset(t *testing.T) {
	s := begin(lock, rejected, resetTime(at(ago(time.Minute))), func(s *state) {
		s.policy.ChangeOnReset, s.policy.HistoryCount = true, 3
		s.c.Password.GraceLoginsUsed = 2
		s.c.History = account.History{Salt: []byte("salt"), Digests: [][]byte{digest(1)}}
		s.c.Handled.Reset = ago(day)
		s.c.Handled.Unlock = ago(day)
	})
	want := s.c
	want.Password = account.Password{Hash: "hash of the next", SetTime: now, SetBy: v1alpha1.SetByReset, MustChange: v1alpha1.MustChangeReset}
	want.Failures, want.UnnotifiedFailures = account.Failures{}, 3
	want.SessionGeneration = 6
	want.History = account.History{Salt: []byte("salt"), Digests: [][]byte{digest(2), digest(1)}}
	want.Handled.Reset = ago(time.Minute)
	want.Reset = account.Reset{Source: revision, ResetTime: ago(time.Minute), AppliedHash: "hash of the next", AppliedPolicyRef: "-"}
	before := s.c
	same(t, s.rules(now).Reset(s.c, revision, "hash of the next", account.Digests{Salt: []byte("salt"), New: digest(2)}), want)
	same(t, s.c, before)
}

func TestMustChangeAfterReset(t *testing.T) {
	first := func(s *state) { s.c.Password = account.Password{} }
	initial := handOut(v1alpha1.MustChangeInitialLogin, day)
	onInitial := func(s *state) { s.policy.ChangeOnInitialLogin = true }
	onReset := func(s *state) { s.policy.ChangeOnReset = true }
	for _, row := range []struct {
		name  string
		edits []func(*state)
		want  v1alpha1.MustChangeReason
	}{
		{"the first", edits(onInitial, onReset, first), v1alpha1.MustChangeInitialLogin},
		{"the first, not required", edits(onReset, first), ""},
		{"another", edits(onInitial, onReset), v1alpha1.MustChangeReset},
		{"another, not required", edits(onInitial), ""},
		{"the first again, before it was changed", edits(onInitial, onReset, initial), v1alpha1.MustChangeInitialLogin},
		{"the first again, before it was changed, resets not required", edits(onInitial, initial), v1alpha1.MustChangeInitialLogin},
		{"another, before it was changed", edits(onInitial, onReset, handOut(v1alpha1.MustChangeReset, day)), v1alpha1.MustChangeReset},
		{"after one that did not meet the policy", edits(func(s *state) { s.c.Password.MustChange = v1alpha1.MustChangePolicyChanged }), ""},
		{"change forbidden, the first", edits(onInitial, onReset, first, forbidChange), ""},
		{"change forbidden, another", edits(onInitial, onReset, forbidChange), ""},
		{"change forbidden, reset required", edits(onInitial, onReset, initial, forbidChange), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			c := s.rules(now).Reset(s.c, revision, "hash of the next", account.Digests{})
			if c.Password.MustChange != row.want {
				t.Errorf("must change %q, want %q", c.Password.MustChange, row.want)
			}
		})
	}
}

// TestResetEndsResetRequired: a reset makes every account available again whose change is forbidden.
func TestResetEndsResetRequired(t *testing.T) {
	for name, edit := range map[string]func(*state){
		"requested":     func(s *state) { s.c.Password.MustChange = v1alpha1.MustChangeRequested },
		"found lacking": func(s *state) { s.c.Password.MustChange = v1alpha1.MustChangePolicyChanged },
		"policy's time": func(s *state) { s.policy.ChangeRequiredTime = ago(time.Minute) },
		"expired":       expire,
	} {
		s := begin(forbidChange, edit)
		if got := s.rules(now).Standing(s.c).Standing; got != v1alpha1.StandingResetRequired {
			t.Errorf("%s: stands as %s before", name, got)
		}
		c := s.rules(now).Reset(s.c, revision, "hash of the next", account.Digests{})
		if got := s.rules(now).Standing(c).Standing; got != v1alpha1.StandingActive {
			t.Errorf("%s: stands as %s after", name, got)
		}
	}
}

func TestResetTimeIsHandledOnce(t *testing.T) {
	s := begin(looked, resetTime(at(ago(time.Minute))))
	if !s.rules(now).ResetRequested(s.c) {
		t.Fatal("is not asked for")
	}
	s.c = s.rules(now).RejectReset(s.c, revision, fingerprint, []policy.RequirementID{policy.RequirementMinLength})
	if !s.rules(now).ResetRequested(s.c) {
		t.Error("a rejection has handled the request")
	}
	s.c = s.rules(now).Reset(s.c, revision, "hash of the next", account.Digests{})
	for _, resetAt := range []*v1alpha1.Instant{at(ago(time.Minute)), nil, at(ago(day)), at(ago(time.Minute))} {
		s.spec.Password.ResetTime = resetAt
		if s.rules(in(day)).ResetRequested(s.c) {
			t.Errorf("is asked for again with %v", resetAt)
		}
	}
	s.spec.Password.ResetTime = at(ago(time.Second))
	if !s.rules(now).ResetRequested(s.c) {
		t.Error("a later one is not")
	}
}

func TestResetLeavesARequestToCome(t *testing.T) {
	s := begin(resetTime(at(in(time.Hour))), func(s *state) { s.c.Handled.Reset = ago(day) })
	c := s.rules(now).Reset(s.c, revision, "hash of the next", account.Digests{})
	if !c.Handled.Reset.Equal(ago(day)) || !c.Reset.ResetTime.IsZero() {
		t.Errorf("handled %v, seen %v", c.Handled.Reset, c.Reset.ResetTime)
	}
	if !s.rules(in(time.Hour)).ResetRequested(c) {
		t.Error("is not asked for when its time has come")
	}
}

func TestLooksThatKeepThePassword(t *testing.T) {
	unmet := []policy.RequirementID{policy.RequirementDigits, policy.RequirementSymbols}
	s := begin(rejected, lock, resetTime(at(ago(day))), func(s *state) { s.c.Handled.Reset = ago(day) })
	s.c.Reset.RejectedPolicy = "another"
	later := revision
	later.ResourceVersion = "8"

	want := s.c
	want.Reset = account.Reset{Source: later, ResetTime: ago(day), AppliedHash: "hash of the handed out", AppliedPolicyRef: "-"}
	same(t, s.rules(now).NoteRevision(s.c, later), want)
	want.Reset.AppliedPolicyRef = ""

	want.Reset.Rejected, want.Reset.RejectedPolicy = unmet, fingerprint
	same(t, s.rules(now).RejectReset(s.c, later, fingerprint, unmet), want)

	want.Reset.Rejected, want.Reset.RejectedPolicy, want.Reset.Unusable = nil, "", account.UnusableTooLong
	same(t, s.rules(now).RejectUnusable(s.c, later, account.UnusableTooLong), want)
}

func TestAppliedAndGone(t *testing.T) {
	const name, key = "ada", "password"
	for _, row := range []struct {
		name             string
		edits            []func(*state)
		secretName, ofIt string
		want             bool
	}{
		{"applied", edits(looked), name, key, true},
		{"applied, and the person has chosen another since", edits(looked, func(s *state) { s.c.Password.SetBy = v1alpha1.SetByUser }), name, key, true},
		{"never looked at", nil, name, key, false},
		{"another Secret is declared", edits(looked), "ada-2", key, false},
		{"another key is declared", edits(looked), name, "next", false},
		{"the last revision was rejected", edits(rejected), name, key, false},
		{"the last revision was unusable", edits(unusable), name, key, false},
		{"a reset is asked for", edits(looked, resetTime(at(ago(time.Hour)))), name, key, false},
		{"a reset was asked for and done", edits(looked, resetTime(at(ago(time.Hour))), func(s *state) { s.c.Handled.Reset = ago(time.Hour) }), name, key, true},
		{"a reset will be asked for", edits(looked, resetTime(at(in(time.Hour)))), name, key, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := begin(row.edits...)
			if got := s.rules(now).AppliedAndGone(s.c, row.secretName, row.ofIt); got != row.want {
				t.Errorf("may be gone: %t", got)
			}
		})
	}
}
