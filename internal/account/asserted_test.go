package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// eve is who the provider says the person of an External account is.
var eve = account.External{ProviderUID: "p1", Subject: "s-1"}

// atProvider makes the account that of eve, who has never logged in.
func atProvider(s *state) {
	s.spec.Authentication = v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"}, Subject: eve.Subject,
	}
	s.spec.Password, s.provider = nil, account.Provider{UID: eve.ProviderUID}
	noPassword(s)
}

// loggedIn has eve have logged in before.
func loggedIn(s *state) {
	atProvider(s)
	s.c.External = eve
	s.c.External.Groups = []string{"staff"}
}

func local(s *state) {
	s.spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}
}

func problem(reason v1alpha1.StandingReason) func(*state) {
	return func(s *state) { s.provider.Problem = reason }
}

func asserted(e account.External) account.Proven { return account.Proven{Asserted: true, External: e} }

// TestAssertionIsNotLockedOut: wrong passwords lock the password, and not a login by an identity provider or a ticket. That login
// clears no failures: the password stays locked.
func TestAssertionIsNotLockedOut(t *testing.T) {
	s := begin(atProvider, lockedOut)
	c, answer := s.rules(now).NextStep(s.c, asserted(eve))
	if answer.Outcome != account.Granted {
		t.Errorf("answer is %+v", answer)
	}
	if !s.rules(now).AttemptLock(c).Locked {
		t.Error("the password is not locked any more")
	}
}

// TestAsserted: who gets in by an assertion, and what everybody else is told.
func TestAsserted(t *testing.T) {
	idle := func(s *state) {
		s.policy.IdleLock, s.c.LastSuccessTime = time.Hour, ago(2*time.Hour)
	}
	old := func(s *state) {
		s.policy.MaxAge, s.policy.ChangeRequiredTime, s.policy.EnforceExisting = day, ago(day), true
	}
	for name, row := range map[string]struct {
		edits []func(*state)
		is    account.External
		want  v1alpha1.StandingReason // empty: granted
	}{
		"the person":                       {edits(atProvider), eve, ""},
		"rules about passwords":            {edits(atProvider, old), eve, ""},
		"another subject":                  {edits(atProvider), account.External{ProviderUID: "p1", Subject: "s-2"}, account.ReasonNotDeclared},
		"the same of another provider":     {edits(atProvider), account.External{ProviderUID: "p2", Subject: "s-1"}, account.ReasonNotDeclared},
		"nobody":                           {edits(atProvider), account.External{}, account.ReasonNotDeclared},
		"nobody, where nobody is declared": {edits(atProvider, func(s *state) { s.spec.Authentication.Subject = "" }), account.External{ProviderUID: "p1"}, account.ReasonNotDeclared},
		"of a Local account":               {edits(atProvider, local), eve, account.ReasonNotDeclared},
		"of a Local account that names a provider": {
			edits(atProvider, func(s *state) { s.spec.Authentication.Type = v1alpha1.AuthenticationLocal }), eve, account.ReasonNotDeclared,
		},
		"of a Local account with password": {nil, eve, account.ReasonNotDeclared},
		"without a provider": {edits(atProvider, func(s *state) {
			s.spec.Authentication.ProviderRef, s.provider = nil, account.Provider{}
		}), eve, account.ReasonNotDeclared},
		"a former person of a disabled account": {edits(atProvider, disable), account.External{ProviderUID: "p1", Subject: "s-2"}, account.ReasonNotDeclared},
		"disabled":                              {edits(atProvider, disable), eve, v1alpha1.ReasonAccountDisabled},
		"ended":                                 {edits(atProvider, func(s *state) { s.spec.EndTime = at(now) }), eve, v1alpha1.ReasonAccountEnded},
		"not used for long":                     {edits(atProvider, idle), eve, v1alpha1.ReasonIdle},
		"a provider that is off":                {edits(atProvider, problem(v1alpha1.ReasonProviderDisabled)), eve, v1alpha1.ReasonProviderDisabled},
		"a conflict of subjects":                {edits(atProvider, problem(v1alpha1.ReasonSubjectConflict)), eve, v1alpha1.ReasonSubjectConflict},
		"a provider that is gone":               {edits(atProvider, func(s *state) { s.provider = account.Provider{Problem: v1alpha1.ReasonProviderNotFound} }), eve, v1alpha1.ReasonProviderNotFound},
		"nobody has looked it up":               {edits(atProvider, func(s *state) { s.provider = account.Provider{} }), eve, v1alpha1.ReasonProviderNotFound},
		"disabled goes before a gap":            {edits(atProvider, disable, problem(v1alpha1.ReasonProviderDisabled)), eve, v1alpha1.ReasonAccountDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			before := s.c
			c, answer := s.rules(now).NextStep(s.c, asserted(row.is))
			if granted := answer.Outcome == account.Granted; granted != (row.want == "") || answer.Reason != row.want {
				t.Errorf("answer is %+v, want %q", answer, row.want)
			}
			if isRecorded := !c.External.IsZero(); isRecorded != (row.want == "") {
				t.Errorf("recorded is %+v", c.External)
			}
			if row.want == account.ReasonNotDeclared {
				same(t, c, before)
			}
		})
	}
}

// TestAssertedWrites: what a login through a provider changes in the credential, and nothing else.
func TestAssertedWrites(t *testing.T) {
	recent := func(s *state) { s.c.LastSuccessTime = now }
	for name, row := range map[string]struct {
		edits []func(*state)
		is    account.External
		want  func(*account.Credential)
	}{
		"the first": {edits(atProvider, recent), eve, func(c *account.Credential) { c.External = eve }},
		"the same again": {edits(loggedIn, recent), account.External{ProviderUID: "p1", Subject: "s-1", Groups: []string{"staff"}},
			func(*account.Credential) {}},
		"after an hour": {edits(loggedIn), account.External{ProviderUID: "p1", Subject: "s-1", Groups: []string{"staff"}},
			func(c *account.Credential) { c.LastSuccessTime = now }},
		"with another group": {edits(loggedIn, recent), account.External{ProviderUID: "p1", Subject: "s-1", Groups: []string{"a", "staff"}},
			func(c *account.Credential) { c.External.Groups = []string{"a", "staff"} }},
		"without groups": {edits(loggedIn, recent), account.External{ProviderUID: "p1", Subject: "s-1", Groups: []string{}},
			func(c *account.Credential) { c.External.Groups = nil }},
		"of another subject": {edits(loggedIn, recent, func(s *state) { s.spec.Authentication.Subject = "s-2" }),
			account.External{ProviderUID: "p1", Subject: "s-2"}, func(c *account.Credential) {
				c.External = account.External{ProviderUID: "p1", Subject: "s-2"}
				c.SessionGeneration = 6
			}},
		"at another provider": {edits(loggedIn, recent, func(s *state) { s.provider.UID = "p2" }),
			account.External{ProviderUID: "p2", Subject: "s-1"}, func(c *account.Credential) {
				c.External = account.External{ProviderUID: "p2", Subject: "s-1"}
				c.SessionGeneration = 6
			}},
		"refused": {edits(loggedIn, recent, disable, func(s *state) { s.c.SessionsEnded = true }),
			account.External{ProviderUID: "p1", Subject: "s-1", Groups: []string{"a"}}, func(*account.Credential) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			want, before := s.c, s.c
			row.want(&want)
			got, _ := s.rules(now).NextStep(s.c, asserted(row.is))
			same(t, got, want)
			same(t, s.c, before)
			again, _ := s.rules(now).NextStep(got, asserted(row.is))
			same(t, again, want)
		})
	}
}

// TestRefusedElsewhere: who may not log in where the password is kept does not log in here.
func TestRefusedElsewhere(t *testing.T) {
	s := begin(atProvider)
	for _, reason := range []v1alpha1.StandingReason{v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled} {
		if _, answer := s.rules(now).NextStep(s.c, account.Proven{RefusedElsewhere: reason}); answer.Outcome != account.Unavailable || answer.Reason != reason {
			t.Errorf("%s: answer is %+v", reason, answer)
		}
	}
}

// TestAuthenticationChanges: what a change between Local and External does to the credential, once.
func TestAuthenticationChanges(t *testing.T) {
	full := func(s *state) {
		s.c.History = account.History{Salt: []byte("salt"), Digests: [][]byte{[]byte("one")}}
		s.c.Reset = account.Reset{Source: source("1"), AppliedHash: "hash of the first", AppliedPolicyRef: "-"}
		s.c.Failures = account.Failures{Consecutive: 2, Times: []time.Time{ago(time.Minute)}}
		s.c.Devices = []account.DeviceFailures{{ID: "d1", LockedTime: ago(time.Minute)}}
		s.c.EndedSessions = []account.EndedSession{{ID: "one", ForgetTime: in(day)}}
	}
	rejected := func(s *state) {
		noPassword(s)
		s.c.Reset = account.Reset{Source: source("1"), Rejected: []policy.RequirementID{policy.RequirementMinLength}, RejectedPolicy: "p"}
	}
	dropped := func(c *account.Credential) {
		c.Password, c.History = account.Password{}, account.History{}
		c.UnnotifiedFailures += c.Failures.Consecutive
		c.Failures, c.Devices, c.EndedSessions = account.Failures{}, nil, nil
		c.SessionGeneration++
	}
	forgotten := func(c *account.Credential) {
		c.External, c.Devices, c.EndedSessions = account.External{}, nil, nil
		c.SessionGeneration++
	}
	for name, row := range map[string]struct {
		edits []func(*state)
		want  func(*account.Credential)
	}{
		"Local stays Local":             {edits(full), nothing},
		"Local becomes External":        {edits(full, external), dropped},
		"with a provider":               {edits(full, func(s *state) { p := s.c; atProvider(s); s.c = p }), dropped},
		"without a password":            {edits(noPassword, external), nothing},
		"after a refused password":      {edits(rejected, external), nothing},
		"External stays External":       {edits(loggedIn, failed(2)), nothing},
		"External, of another subject":  {edits(loggedIn, func(s *state) { s.spec.Authentication.Subject = "s-2" }), forgotten},
		"External, of no subject":       {edits(loggedIn, func(s *state) { s.spec.Authentication.Subject = "" }), forgotten},
		"External, at another provider": {edits(loggedIn, func(s *state) { s.provider.UID = "p2" }), forgotten},
		"External, without a provider": {edits(loggedIn, func(s *state) {
			s.spec.Authentication.ProviderRef, s.provider = nil, account.Provider{}
		}), forgotten},
		"External, at a provider that is gone":        {edits(loggedIn, func(s *state) { s.provider = account.Provider{Problem: v1alpha1.ReasonProviderNotFound} }), forgotten},
		"External, at a provider that is off":         {edits(loggedIn, problem(v1alpha1.ReasonProviderDisabled)), forgotten},
		"External, at one for others":                 {edits(loggedIn, problem(v1alpha1.ReasonProviderNotAllowed)), forgotten},
		"External, in conflict":                       {edits(loggedIn, problem(v1alpha1.ReasonSubjectConflict)), forgotten},
		"External, at one that was not looked up":     {edits(loggedIn, func(s *state) { s.provider = account.Provider{} }), nothing},
		"External becomes Local":                      {edits(loggedIn, local), forgotten},
		"External becomes Local before a first login": {edits(atProvider, local), nothing},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			want, before := s.c, s.c
			row.want(&want)
			got := s.rules(now).ApplyRequests(s.c)
			same(t, got, want)
			same(t, s.c, before)
			same(t, s.rules(now).ApplyRequests(got), want)
		})
	}
}

// TestBackToLocal: the account has no password until one is handed out. The Secret that had handed one out before does not count as another:
// its old value would come into force, though the person had long chosen another.
func TestBackToLocal(t *testing.T) {
	s := begin(func(s *state) { s.c.Reset = account.Reset{Source: source("1"), AppliedHash: "hash of the first"} })
	declared := s.spec
	external(s)
	s.c = s.rules(now).ApplyRequests(s.c)
	s.spec = declared
	s.c = s.rules(now).ApplyRequests(s.c)
	if got := resultOf(s.rules(now).Standing(s.c)); got != (result{v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword}) {
		t.Errorf("stands as %v", got)
	}
	if s.rules(now).ResetDue(s.c, source("1"), "p") {
		t.Error("the Secret is looked at, though it was handled before")
	}
	if s.c.Reset.AppliedHash != "hash of the first" {
		t.Error("it is not known any more what the Secret had handed out")
	}
	if !s.rules(now).ResetDue(s.c, source("2"), "p") {
		t.Error("another revision of the Secret is not looked at")
	}
	s.policy.ChangeOnInitialLogin = true
	if c := s.rules(now).Reset(s.c, source("2"), "hash", account.Digests{}); c.Password.MustChange != v1alpha1.MustChangeInitialLogin {
		t.Errorf("the password is %+v", c.Password)
	}
}
