package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/account"
)

// TestTransitionsByHand: what administrators do by hand has transitions of its own, each with who did it, beside those of requests that
// were due, and in the order in which they take effect.
func TestTransitionsByHand(t *testing.T) {
	const by = " by " + admin
	requested := func(s *state) { s.spec.UnlockTime, s.spec.SignOutTime = at(now), at(now) }
	inOneWrite := func(all ...operation) []operation { return all }
	for name, row := range map[string]struct {
		edits []func(*state)
		do    []operation
		want  string
	}{
		"reset":                             {nil, inOneWrite(resetByHand), "PasswordReset Reset" + by + ", SessionsEnded PasswordReset" + by},
		"reset of no password":              {edits(noPassword), inOneWrite(resetByHand), "PasswordReset InitialLogin" + by + ", SessionsEnded PasswordReset" + by},
		"reset where a change is forbidden": {edits(forbidChange), inOneWrite(resetByHand), "PasswordReset" + by + ", SessionsEnded PasswordReset" + by},
		"reset of a locked account": {edits(lockedOut), inOneWrite(resetByHand),
			"PasswordReset Reset" + by + ", Unlocked PasswordReset" + by + ", SessionsEnded PasswordReset" + by},
		"reset of a locked account, with requests that were due": {edits(lockedOut, requested), inOneWrite(resetByHand),
			"Unlocked UnlockTime, SessionsEnded SignOutTime, PasswordReset Reset" + by + ", SessionsEnded PasswordReset" + by},
		"reset after a rejection": {edits(rejected), inOneWrite(resetByHand), "PasswordReset Reset" + by + ", SessionsEnded PasswordReset" + by},
		"reset of a disabled account, whose sessions have not ended yet": {edits(disable), inOneWrite(resetByHand),
			"SessionsEnded AccountDisabled, PasswordReset Reset" + by + ", SessionsEnded PasswordReset" + by},
		"unlock":                        {edits(lockedOut), inOneWrite(unlockByHand), "Unlocked Administrator" + by},
		"unlock of what is not locked":  {nil, inOneWrite(unlockByHand), "Unlocked Administrator already" + by},
		"unlock, with one that was due": {edits(lockedOut, requested), inOneWrite(unlockByHand), "Unlocked UnlockTime, SessionsEnded SignOutTime, Unlocked Administrator already" + by},
		"unlock, and a failure that locks again": {edits(lockedOut, func(s *state) { s.policy.MaxFailures = 1 }), inOneWrite(unlockByHand, operation{"fail", func(r account.Rules, c account.Credential) (account.Credential, error) {
			return r.Failed(c), nil
		}}), "Unlocked Administrator" + by + ", Locked TooManyFailures"},
		"sign out":                        {nil, inOneWrite(signOutByHand), "SessionsEnded Administrator" + by},
		"sign out, with one that was due": {edits(requested), inOneWrite(signOutByHand), "Unlocked UnlockTime already, SessionsEnded SignOutTime, SessionsEnded Administrator" + by},
		"require a change":                {nil, inOneWrite(requireByHand), ""},
		"require a change, with requests that were due": {edits(requested), inOneWrite(requireByHand), "Unlocked UnlockTime already, SessionsEnded SignOutTime"},
		"withdraw it": {edits(mustChange("Requested")), inOneWrite(withdrawByHand), ""},
		"unlock, sign out and reset in one write": {edits(lockedOut), inOneWrite(unlockByHand, signOutByHand, resetByHand),
			"Unlocked Administrator" + by + ", SessionsEnded Administrator" + by + ", PasswordReset Reset" + by + ", SessionsEnded PasswordReset" + by},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			r, before := s.rules(now), s.c
			for _, operation := range row.do {
				s.c = operation.done(t, s, now)
			}
			if got := words(r.Transitions(before, s.c)); got != row.want {
				t.Errorf("reported %q, want %q", got, row.want)
			}
		})
	}
}

// TestOnlyByHandIsNamed: what comes after a reset by hand is not that administrator's. An act is reported whoever acted before, and if
// the clock has gone back since.
func TestOnlyByHandIsNamed(t *testing.T) {
	s := begin(func(s *state) { s.policy.ChangeOnReset = true })
	s.c = resetByHand.done(t, s, now)
	later := s.rules(in(time.Minute))
	for want, after := range map[string]account.Credential{
		"PasswordChanged, SessionsEnded PasswordChanged":   later.Change(s.c, "new", account.Digests{}),
		"PasswordReset Reset, SessionsEnded PasswordReset": later.Reset(s.c, source("2"), "new", account.Digests{}),
		"SessionsEnded LoggedOutEverywhere":                account.EndSessions(s.c),
	} {
		if got := words(later.Transitions(s.c, after)); got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
	}
	for _, name := range []string{admin, "another"} {
		c, err := later.UnlockByHand(s.c, name)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.rules(in(time.Second)).UnlockByHand(c, admin) // The clock has gone back.
		if err != nil {
			t.Fatal(err)
		}
		if got, want := words(later.Transitions(c, again)), "Unlocked Administrator already by "+admin; got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
	}
}
