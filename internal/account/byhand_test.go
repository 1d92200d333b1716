package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// admin is who acts by hand in every test.
const admin = "keyturn:org:grace"

// operation is what an administrator does by hand.
type operation struct {
	name string
	do   func(account.Rules, account.Credential) (account.Credential, error)
}

var (
	resetByHand = operation{"reset", func(r account.Rules, c account.Credential) (account.Credential, error) {
		return r.ResetByHand(c, admin, "hash by hand", account.Digests{})
	}}
	unlockByHand = operation{"unlock", func(r account.Rules, c account.Credential) (account.Credential, error) {
		return r.UnlockByHand(c, admin)
	}}
	signOutByHand = operation{"sign out", func(r account.Rules, c account.Credential) (account.Credential, error) {
		return r.SignOutByHand(c, admin)
	}}
	requireByHand = operation{"require a change", func(r account.Rules, c account.Credential) (account.Credential, error) {
		return r.RequireChangeByHand(c, admin)
	}}
	withdrawByHand = operation{"withdraw it", func(r account.Rules, c account.Credential) (account.Credential, error) {
		return r.WithdrawRequiredChange(c)
	}}
	operations = []operation{resetByHand, unlockByHand, signOutByHand, requireByHand, withdrawByHand}
)

// done does the operation at an instant, and fails the test unless it succeeds.
func (o operation) done(t *testing.T, s *state, at time.Time) account.Credential {
	t.Helper()
	c, err := o.do(s.rules(at), s.c)
	if err != nil {
		t.Fatalf("%s: %v", o.name, err)
	}
	return c
}

func noPassword(s *state) { s.c.Password = account.Password{} }

func external(s *state) { s.spec.Authentication.Type = v1alpha1.AuthenticationExternal }

func mustChange(why v1alpha1.MustChangeReason) func(*state) {
	return func(s *state) { s.c.Password.MustChange = why }
}

// TestResetByHandInFull: everything that a reset by hand does to a credential, and nothing else.
func TestResetByHandInFull(t *testing.T) {
	s := begin(lock, rejected, func(s *state) {
		s.policy.HistoryCount = 1
		s.c.Password.GraceLoginsUsed, s.c.UnnotifiedFailures = 2, 4
		s.c.History = account.History{Salt: []byte("salt"), Digests: [][]byte{[]byte("the last"), []byte("one before")}}
		s.c.Devices = []account.DeviceFailures{{ID: "d1", LockedTime: ago(time.Minute)}}
		s.c.EndedSessions = []account.EndedSession{{ID: "s1", ForgetTime: in(time.Hour)}}
		s.c.Handled.Reset, s.c.Acted.Unlock = ago(day), account.Act{Time: ago(day), By: "another"}
		s.c.Reset.ResetTime, s.c.Reset.AppliedPolicyRef = ago(day), "strict"
		s.spec.Password.ResetTime = at(ago(time.Minute))
	})
	before := s.c
	want := s.c
	want.Password = account.Password{Hash: "hash by hand", SetTime: now, SetBy: v1alpha1.SetByReset, MustChange: v1alpha1.MustChangeReset}
	want.History.Digests = [][]byte{[]byte("by hand"), []byte("the last")}
	want.Failures, want.Devices, want.UnnotifiedFailures = account.Failures{}, nil, 7
	want.SessionGeneration, want.EndedSessions = 6, nil
	want.Handled.Reset = ago(time.Minute)
	want.Acted.Reset = account.Act{Time: now, By: admin}
	want.Reset.Superseded = true
	got, err := s.rules(now).ResetByHand(s.c, admin, "hash by hand", account.Digests{Salt: []byte("salt"), New: []byte("by hand")})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, want)
	same(t, s.c, before)
	if got.Acted.Reset.Time.Location() != time.UTC {
		t.Error("the time of the act is not in UTC")
	}
}

// TestOtherOperationsInFull: everything that the other operations do to a credential, and nothing else.
func TestOtherOperationsInFull(t *testing.T) {
	act := account.Act{Time: now, By: admin}
	for name, row := range map[string]struct {
		operation operation
		edits     []func(*state)
		want      func(*account.Credential)
	}{
		"unlock": {unlockByHand, edits(lock, func(s *state) {
			s.c.UnnotifiedFailures, s.c.Devices = 1, []account.DeviceFailures{{ID: "d1", LockedTime: ago(time.Minute)}}
		}), func(c *account.Credential) {
			c.Failures, c.Devices, c.UnnotifiedFailures, c.Acted.Unlock = account.Failures{}, nil, 4, act
		}},
		"unlock of what is not locked": {unlockByHand, nil, func(c *account.Credential) { c.Acted.Unlock = act }},
		"unlock of an External account": {unlockByHand, edits(external, noPassword, lock), func(c *account.Credential) {
			c.Failures, c.UnnotifiedFailures, c.Acted.Unlock = account.Failures{}, 3, act
		}},
		"sign out": {signOutByHand, edits(func(s *state) {
			s.c.EndedSessions, s.c.Devices = []account.EndedSession{{ID: "s1", ForgetTime: in(time.Hour)}}, []account.DeviceFailures{{ID: "d1"}}
		}), func(c *account.Credential) {
			c.SessionGeneration, c.EndedSessions, c.Devices, c.Acted.SignOut = 6, nil, nil, act
		}},
		"sign out of a disabled account, whose sessions have ended": {signOutByHand, edits(disable, func(s *state) { s.c.SessionsEnded = true }),
			func(c *account.Credential) { c.SessionGeneration, c.Acted.SignOut = 6, act }},
		"require a change": {requireByHand, nil, func(c *account.Credential) {
			c.Password.MustChange, c.Acted.ChangeRequired = v1alpha1.MustChangeRequested, act
		}},
		"require a change that is required": {requireByHand, edits(mustChange(v1alpha1.MustChangePolicyChanged)),
			func(c *account.Credential) { c.Acted.ChangeRequired = act }},
		"require a change once more": {requireByHand, edits(mustChange(v1alpha1.MustChangeRequested), func(s *state) {
			s.c.Acted.ChangeRequired = account.Act{Time: ago(day), By: "another"}
		}), func(c *account.Credential) { c.Acted.ChangeRequired = act }},
		"withdraw it": {withdrawByHand, edits(mustChange(v1alpha1.MustChangeRequested), func(s *state) { s.c.Acted.ChangeRequired = act }),
			func(c *account.Credential) { c.Password.MustChange = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			before, want := s.c, s.c
			row.want(&want)
			same(t, row.operation.done(t, s, now), want)
			same(t, s.c, before)
		})
	}
}

// TestRefusedByHand: what cannot be done is refused, and leaves the credential as it is.
func TestRefusedByHand(t *testing.T) {
	due := func(s *state) { s.spec.UnlockTime, s.spec.SignOutTime = at(ago(time.Minute)), at(ago(time.Minute)) }
	for name, row := range map[string]struct {
		operation operation
		edits     []func(*state)
		want      error
	}{
		"reset of an External account":                    {resetByHand, edits(external, noPassword, due), account.ErrExternal},
		"reset of an account that was Local":              {resetByHand, edits(external), account.ErrExternal},
		"require a change of no password":                 {requireByHand, edits(noPassword, due), account.ErrNoPassword},
		"require a change that is forbidden":              {requireByHand, edits(forbidChange, due), account.ErrChangeForbidden},
		"require a change of an account that was Local":   {requireByHand, edits(external), account.ErrExternal},
		"require a change of an External account":         {requireByHand, edits(external, noPassword), account.ErrExternal},
		"withdraw what nobody has requested":              {withdrawByHand, edits(due), account.ErrNotRequested},
		"withdraw it of no password":                      {withdrawByHand, edits(noPassword), account.ErrNotRequested},
		"withdraw it at the first login":                  {withdrawByHand, edits(mustChange(v1alpha1.MustChangeInitialLogin)), account.ErrNotRequested},
		"withdraw it after a reset":                       {withdrawByHand, edits(mustChange(v1alpha1.MustChangeReset)), account.ErrNotRequested},
		"withdraw it after the policy was made stricter":  {withdrawByHand, edits(mustChange(v1alpha1.MustChangePolicyChanged)), account.ErrNotRequested},
		"withdraw it of a password that has just expired": {withdrawByHand, edits(expire), account.ErrNotRequested},
		"withdraw a request of the spec to come": {withdrawByHand, edits(func(s *state) {
			s.spec.Password.ChangeRequiredTime = at(in(time.Second))
		}), account.ErrNotRequested},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			got, err := row.operation.do(s.rules(now), s.c)
			if !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			same(t, got, s.c)
		})
	}
}

// TestMustChangeAfterResetByHand: the person has to change the password whatever the policy says, unless that is forbidden.
func TestMustChangeAfterResetByHand(t *testing.T) {
	byPolicy := func(s *state) { s.policy.ChangeOnInitialLogin, s.policy.ChangeOnReset = true, true }
	for name, row := range map[string]struct {
		edits []func(*state)
		want  v1alpha1.MustChangeReason
		stand v1alpha1.Standing
	}{
		"no password":                          {edits(noPassword), v1alpha1.MustChangeInitialLogin, v1alpha1.StandingChangeRequired},
		"no password, the policy asks too":     {edits(noPassword, byPolicy), v1alpha1.MustChangeInitialLogin, v1alpha1.StandingChangeRequired},
		"still the first":                      {edits(mustChange(v1alpha1.MustChangeInitialLogin)), v1alpha1.MustChangeInitialLogin, v1alpha1.StandingChangeRequired},
		"one that the person has chosen":       {nil, v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"the policy asks too":                  {edits(byPolicy), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"a change was requested":               {edits(mustChange(v1alpha1.MustChangeRequested)), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"a change is forbidden":                {edits(forbidChange), "", v1alpha1.StandingActive},
		"a change is forbidden and required":   {edits(forbidChange, mustChange(v1alpha1.MustChangeRequested)), "", v1alpha1.StandingActive},
		"forbidden, and no password":           {edits(forbidChange, noPassword, byPolicy), "", v1alpha1.StandingActive},
		"expired":                              {edits(expire), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"locked":                               {edits(lock), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"idle":                                 {edits(idle), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"lapsed":                               {edits(handOut(v1alpha1.MustChangeReset, 2*day), lapses), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"lapsed before the first login":        {edits(handOut(v1alpha1.MustChangeInitialLogin, 2*day), lapses), v1alpha1.MustChangeInitialLogin, v1alpha1.StandingChangeRequired},
		"disabled stays so":                    {edits(disable), v1alpha1.MustChangeReset, v1alpha1.StandingDisabled},
		"a request of the spec that is due":    {edits(changeRequired(ago(time.Minute))), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
		"due, and a change is forbidden":       {edits(forbidChange, changeRequired(ago(time.Minute))), "", v1alpha1.StandingActive},
		"due, and the policy's changeRequired": {edits(func(s *state) { s.policy.ChangeRequiredTime = ago(time.Minute) }), v1alpha1.MustChangeReset, v1alpha1.StandingChangeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			s.c = resetByHand.done(t, s, now)
			if s.c.Password.MustChange != row.want {
				t.Errorf("must change %q, want %q", s.c.Password.MustChange, row.want)
			}
			if got := s.rules(now).Standing(s.c); got.Standing != row.stand || got.Lock.Locked {
				t.Errorf("stands as %+v, want %s", got, row.stand)
			}
		})
	}
}

func changeRequired(t time.Time) func(*state) {
	return func(s *state) { s.spec.Password.ChangeRequiredTime = at(t) }
}

// idle locks the account for lack of logins, since an hour.
func idle(s *state) {
	s.policy.IdleLock = time.Hour
	s.c.LastSuccessTime = ago(2 * time.Hour)
}

// lapses gives handed-out passwords a day.
func lapses(s *state) { s.policy.ChangeWithin = day }
