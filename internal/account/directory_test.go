package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// entry is the entry of the directory that has the name ada.
var entry = account.External{ProviderUID: "p1", Subject: "e-1", Name: "ada"}

// inDirectory makes the account that of whoever has the name ada in a directory. Nobody has logged in.
func inDirectory(s *state) {
	atProvider(s)
	s.spec.Authentication.Subject = ""
	s.provider.Directory = true
	s.provider.Mapped = mapping("staff", "a", "b")
}

// mapping maps groups.
func mapping(groups ...string) []v1alpha1.GroupMapping {
	var all []v1alpha1.GroupMapping
	for _, group := range groups {
		all = append(all, v1alpha1.GroupMapping{From: group, To: "here"})
	}
	return all
}

// bound has the account bound to entry, which is in the group staff.
func bound(s *state) {
	inDirectory(s)
	s.c.External = entry
	s.c.External.Groups, s.c.External.PasswordSetTime = []string{"staff"}, ago(day)
	s.c.LastSuccessTime = now
}

func declaring(subject string) func(*state) {
	return func(s *state) { s.spec.Authentication.Subject = subject }
}

func named(name string) func(*state) {
	return func(s *state) { s.spec.Authentication.ExternalName = name }
}

func inState(reason v1alpha1.StandingReason) func(*state) {
	return func(s *state) { s.c.External.State = reason }
}

func inGroup(group string) func(*state) {
	return func(s *state) { s.c.External.Groups = []string{group} }
}

func suspended(s *state) { s.c.External.Suspended = true }

// as is entry with edits.
func as(edits ...func(*account.External)) account.External {
	e := entry
	e.Groups, e.PasswordSetTime = []string{"staff"}, ago(day)
	for _, edit := range edits {
		edit(&e)
	}
	return e
}

func ofSubject(subject string) func(*account.External) {
	return func(e *account.External) { e.Subject = subject }
}

func ofName(name string) func(*account.External) {
	return func(e *account.External) { e.Name = name }
}

// ended is what ends all sessions.
func ended(c *account.Credential) { c.SessionGeneration++ }

// TestDirectoryLogin: who gets in, and what is recorded. A right password of another entry counts as a failure.
func TestDirectoryLogin(t *testing.T) {
	mismatch := func(c *account.Credential) {
		c.Failures.Consecutive, c.External.State = 1, v1alpha1.ReasonSubjectMismatch
	}
	failed := func(c *account.Credential) { c.Failures.Consecutive = 1 }
	binds := func(edits ...func(*account.External)) func(*account.Credential) {
		return func(c *account.Credential) { c.External, c.LastSuccessTime = as(edits...), now; ended(c) }
	}
	for name, row := range map[string]struct {
		edits []func(*state)
		is    account.External
		want  v1alpha1.StandingReason // empty: granted
		does  func(*account.Credential)
	}{
		"the first":                              {edits(inDirectory), as(), "", binds()},
		"the first, by the name in another case": {edits(inDirectory, named("Ada")), as(), "", binds(ofName("Ada"))},
		"the first, of another name":             {edits(inDirectory), as(ofName("eve")), account.ReasonNotDeclared, failed},
		"the first, who has no ID":               {edits(inDirectory), as(ofSubject("")), account.ReasonNotDeclared, failed},
		"the first, at another provider":         {edits(inDirectory, func(s *state) { s.provider.UID = "p2" }), as(), account.ReasonNotDeclared, failed},
		"the declared subject":                   {edits(inDirectory, declaring("e-1")), as(), "", binds()},
		"another than the declared subject":      {edits(inDirectory, declaring("e-2")), as(), account.ReasonNotDeclared, failed},
		"the same again":                         {edits(bound), as(), "", nothing},
		"the same, of another name":              {edits(bound), as(ofName("eve")), "", nothing},
		"another entry of the name":              {edits(bound), as(ofSubject("e-2")), account.ReasonNotDeclared, mismatch},
		"another entry, of who is gone":          {edits(bound, inState(v1alpha1.ReasonExternalGone)), as(ofSubject("e-2")), account.ReasonNotDeclared, failed},
		"after a mismatch":                       {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), as(), "", func(c *account.Credential) { c.External.State = "" }},
		"enabled again":                          {edits(bound, inState(v1alpha1.ReasonExternalDisabled)), as(), "", func(c *account.Credential) { c.External.State = "" }},
		"with another password": {edits(bound), as(func(e *account.External) { e.PasswordSetTime = ago(time.Hour) }), "", func(c *account.Credential) {
			c.External.PasswordSetTime = ago(time.Hour)
			ended(c)
		}},
		"with a password of an unknown age": {edits(bound), as(func(e *account.External) { e.PasswordSetTime = time.Time{} }), "", nothing},
		"without a group": {edits(bound), as(func(e *account.External) { e.Groups = []string{} }), "", func(c *account.Credential) {
			c.External.Groups = nil
			ended(c)
		}},
		"with one more group": {edits(bound), as(func(e *account.External) { e.Groups = []string{"a", "staff"} }), "", func(c *account.Credential) {
			c.External.Groups = []string{"a", "staff"}
		}},
		"of another name that is declared": {edits(bound, named("eve")), as(ofName("eve")), "", func(c *account.Credential) {
			binds(ofName("eve"))(c)
			ended(c)
		}},
		"of another subject that is declared": {edits(bound, declaring("e-2")), as(ofSubject("e-2")), "", func(c *account.Credential) {
			binds(ofSubject("e-2"))(c)
			ended(c)
		}},
		"at another directory": {edits(bound, func(s *state) { s.provider.UID = "p2" }), as(func(e *account.External) { e.ProviderUID = "p2" }), "", func(c *account.Credential) {
			binds(func(e *account.External) { e.ProviderUID = "p2" })(c)
			ended(c)
		}},
		"while the directory is turned off":  {edits(bound, suspended, problem(v1alpha1.ReasonProviderDisabled)), as(), v1alpha1.ReasonProviderDisabled, nothing},
		"once it is turned on again":         {edits(bound, suspended), as(), "", func(c *account.Credential) { c.External.Suspended = false }},
		"while another account has the name": {edits(inDirectory, problem(v1alpha1.ReasonSubjectConflict)), as(), v1alpha1.ReasonSubjectConflict, nothing},
		"disabled here":                      {edits(inDirectory, disable, func(s *state) { s.c.SessionsEnded = true }), as(), v1alpha1.ReasonAccountDisabled, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			want, before := s.c, s.c
			row.does(&want)
			got, answer := s.rules(now).NextStep(s.c, account.Proven{External: row.is})
			if granted := answer.Outcome == account.Granted; granted != (row.want == "") || answer.Reason != row.want {
				t.Errorf("answer is %+v, want %q", answer, row.want)
			}
			same(t, got, want)
			same(t, s.c, before)
		})
	}
}

// TestTicketOfDirectory: somebody with a ticket is let in as the bound person alone. A stranger with one is no wrong password.
func TestTicketOfDirectory(t *testing.T) {
	for name, row := range map[string]struct {
		edits []func(*state)
		is    account.External
		want  v1alpha1.StandingReason
	}{
		"the first":                 {edits(inDirectory), as(), ""},
		"the bound person":          {edits(bound), as(), ""},
		"locked by wrong passwords": {edits(bound, lock), as(), ""},
		"after a mismatch":          {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), as(), ""},
		"another entry":             {edits(bound), as(ofSubject("e-2")), account.ReasonNotDeclared},
	} {
		s := begin(row.edits...)
		before := s.c
		c, answer := s.rules(now).NextStep(s.c, asserted(row.is))
		if granted := answer.Outcome == account.Granted; granted != (row.want == "") || answer.Reason != row.want {
			t.Errorf("%s: answer is %+v", name, answer)
		}
		if c.Failures.Consecutive != before.Failures.Consecutive {
			t.Errorf("%s: %d failures", name, c.Failures.Consecutive)
		}
		if row.want != "" {
			same(t, c, before)
		}
	}
}

// TestRefusedByDirectory: a right password of somebody whom the directory does not let in clears the failures and ends the sessions, once. A ticket
// clears no failures.
func TestRefusedByDirectory(t *testing.T) {
	refused := func(asserted bool, reason v1alpha1.StandingReason) account.Proven {
		return account.Proven{Asserted: asserted, RefusedElsewhere: reason, External: entry}
	}
	for name, row := range map[string]struct {
		edits  []func(*state)
		proven account.Proven
		does   func(*account.Credential)
	}{
		"a password": {edits(bound, failed(2)), refused(false, v1alpha1.ReasonExternalDisabled), func(c *account.Credential) {
			c.Failures, c.UnnotifiedFailures, c.External.State = account.Failures{}, 2, v1alpha1.ReasonExternalDisabled
			ended(c)
		}},
		"a ticket": {edits(bound, failed(2)), refused(true, v1alpha1.ReasonExternalDisabled), func(c *account.Credential) {
			c.External.State = v1alpha1.ReasonExternalDisabled
			ended(c)
		}},
		"again": {edits(bound, inState(v1alpha1.ReasonExternalDisabled)), refused(false, v1alpha1.ReasonExternalDisabled), func(*account.Credential) {}},
		"after a mismatch": {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), refused(false, v1alpha1.ReasonExternalGone), func(c *account.Credential) {
			c.External.State = v1alpha1.ReasonExternalGone
			ended(c)
		}},
		"before the first login": {edits(inDirectory), refused(false, v1alpha1.ReasonExternalMustChange), func(c *account.Credential) {
			c.External = entry
			c.External.State = v1alpha1.ReasonExternalMustChange
			ended(c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			want := s.c
			row.does(&want)
			r := s.rules(now)
			got, answer := r.NextStep(s.c, row.proven)
			if answer.Outcome != account.Unavailable || answer.Reason != row.proven.RefusedElsewhere {
				t.Errorf("answer is %+v", answer)
			}
			same(t, got, want)
			if row.proven.Asserted {
				return
			}
			got, answer = r.MayChange(s.c, row.proven)
			if answer.Outcome != account.Unavailable || answer.Reason != row.proven.RefusedElsewhere {
				t.Errorf("a change: answer is %+v", answer)
			}
			same(t, got, want)
		})
	}
}

// TestChangeInDirectory: the person is told that the password cannot be changed here, once the right one was given.
func TestChangeInDirectory(t *testing.T) {
	s := begin(bound, failed(2), inState(v1alpha1.ReasonExternalDisabled))
	c, answer := s.rules(now).MayChange(s.c, account.Proven{External: entry})
	if answer.Outcome != account.ChangeForbidden || c.Failures.Consecutive != 0 || c.External.State != "" {
		t.Errorf("answer is %+v, with %+v", answer, c.External)
	}
	if c, answer = s.rules(now).MayChange(s.c, account.Proven{External: as(ofSubject("e-2"))}); answer.Reason != account.ReasonNotDeclared || c.Failures.Consecutive != 3 {
		t.Errorf("of another entry: answer is %+v, with %d failures", answer, c.Failures.Consecutive)
	}
}

// revalidation is a look into the directory at the person of an account, and what it does to the credential.
type revalidation struct {
	edits []func(*state)
	o     account.Observation
	does  func(*account.Credential)
}

func (r revalidation) run(t *testing.T) {
	t.Helper()
	s := begin(r.edits...)
	want, before := s.c, s.c
	r.does(&want)
	got := s.rules(now).Revalidate(s.c, r.o)
	same(t, got, want)
	same(t, s.c, before)
	same(t, s.rules(now).Revalidate(got, r.o), want)
}

// observing returns what the directory says of the person of an account that is bound, with some changes.
func observing(edits ...func(*account.Observation)) account.Observation {
	o := account.Observation{Groups: []string{"staff"}, PasswordSetTime: ago(day)}
	for _, edit := range edits {
		edit(&o)
	}
	return o
}

func saying(reason v1alpha1.StandingReason) func(*account.Observation) {
	return func(o *account.Observation) { o.State = reason }
}

func inGroups(groups ...string) account.Observation {
	return observing(func(o *account.Observation) { o.Groups = groups })
}

func nothing(*account.Credential) {}

// TestRevalidate: what a look into the directory changes, once.
func TestRevalidate(t *testing.T) {
	for name, row := range map[string]revalidation{
		"nothing new":                  {edits(bound), observing(), nothing},
		"before the first login":       {edits(inDirectory), observing(), nothing},
		"a person of an OIDC provider": {edits(loggedIn), observing(saying(v1alpha1.ReasonExternalGone)), nothing},
		"disabled": {edits(bound), observing(saying(v1alpha1.ReasonExternalDisabled)), func(c *account.Credential) {
			c.External.State = v1alpha1.ReasonExternalDisabled
			ended(c)
		}},
		"disabled still":   {edits(bound, inState(v1alpha1.ReasonExternalDisabled)), observing(saying(v1alpha1.ReasonExternalDisabled)), nothing},
		"enabled again":    {edits(bound, inState(v1alpha1.ReasonExternalDisabled)), observing(), func(c *account.Credential) { c.External.State = "" }},
		"after a mismatch": {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), observing(), nothing},
		"gone, after a mismatch": {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), observing(saying(v1alpha1.ReasonExternalGone)), func(c *account.Credential) {
			c.External.State = v1alpha1.ReasonExternalGone
			ended(c)
		}},
		"another password": {edits(bound), observing(func(o *account.Observation) { o.PasswordSetTime = now }), func(c *account.Credential) {
			c.External.PasswordSetTime = now
			ended(c)
		}},
		"an unknown password": {edits(bound), observing(func(o *account.Observation) { o.PasswordSetTime = time.Time{} }), nothing},
		"a time in the future": {edits(bound, func(s *state) { s.c.External.PasswordSetTime = now.Add(day) }), observing(), func(c *account.Credential) {
			c.External.PasswordSetTime = ago(day)
			ended(c)
		}},
		"a clock that is ahead": {edits(bound, func(s *state) { s.c.External.PasswordSetTime = now.Add(time.Minute) }), observing(), nothing},
		"the first known time of a password": {edits(bound, func(s *state) { s.c.External.PasswordSetTime = time.Time{} }), observing(), func(c *account.Credential) {
			c.External.PasswordSetTime = ago(day)
		}},
		"all at once": {edits(bound), account.Observation{State: v1alpha1.ReasonExternalDisabled, PasswordSetTime: now}, func(c *account.Credential) {
			c.External.State, c.External.PasswordSetTime, c.External.Groups = v1alpha1.ReasonExternalDisabled, now, nil
			ended(c)
		}},
		"while the directory is turned off":        {edits(bound, suspended, problem(v1alpha1.ReasonProviderDisabled)), observing(saying(v1alpha1.ReasonExternalGone)), nothing},
		"a directory that was turned off just now": {edits(bound, problem(v1alpha1.ReasonProviderDisabled)), observing(saying(v1alpha1.ReasonExternalGone)), nothing},
		"of another name that is declared":         {edits(bound, named("eve")), observing(saying(v1alpha1.ReasonExternalGone)), nothing},
		"requests that are due": {edits(bound, func(s *state) {
			s.spec.SignOutTime, s.spec.UnlockTime, s.spec.Access = at(now), at(now), v1alpha1.AccessDisabled
		}), observing(), nothing},
		"disabled, with a request that is due": {edits(bound, func(s *state) { s.spec.SignOutTime = at(now) }), observing(saying(v1alpha1.ReasonExternalDisabled)), func(c *account.Credential) {
			c.External.State = v1alpha1.ReasonExternalDisabled
			ended(c)
		}},
	} {
		t.Run(name, row.run)
	}
}

// TestRevalidateGroups: a group that the person has lost ends the sessions, if it is mapped still. One that is new counts from the next login on.
func TestRevalidateGroups(t *testing.T) {
	mapped := func(groups ...string) func(*state) {
		return func(s *state) { s.provider.Mapped = mapping(groups...) }
	}
	none := func(c *account.Credential) { c.External.Groups = nil }
	lost := func(c *account.Credential) {
		none(c)
		ended(c)
	}
	const former, latter = "CN=Staff,DC=x", "cn=staff, dc=X"
	for name, row := range map[string]revalidation{
		"lost":           {edits(bound), inGroups(), lost},
		"lost for a new": {edits(bound), inGroups("a"), lost},
		"new":            {edits(bound), inGroups("a", "staff"), nothing},
		"one of two": {edits(bound, func(s *state) { s.c.External.Groups = []string{"a", "staff"} }), inGroups("a", "b"), func(c *account.Credential) {
			c.External.Groups = []string{"a"}
			ended(c)
		}},
		"mapped no more, and in another": {edits(bound, mapped("a")), inGroups("a"), none},
		"no mapping any more":            {edits(bound, mapped()), inGroups(), none},
		"a mapping in other letters":     {edits(bound, inGroup(former), mapped(latter)), inGroups(latter), nothing},
		"lost, with other letters":       {edits(bound, inGroup(former), mapped(latter)), inGroups(), lost},
		"lost for one that looks alike":  {edits(bound, inGroup("cn=keys"), mapped("cn=keys", "cn=\u212aeys")), inGroups("cn=\u212aeys"), lost},
	} {
		t.Run(name, row.run)
	}
}

// TestMismatched: no session ends, and what the directory has said of the person is kept.
func TestMismatched(t *testing.T) {
	for name, row := range map[string]struct {
		edits []func(*state)
		want  v1alpha1.StandingReason
	}{
		"bound":                  {edits(bound), v1alpha1.ReasonSubjectMismatch},
		"again":                  {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), v1alpha1.ReasonSubjectMismatch},
		"disabled":               {edits(bound, inState(v1alpha1.ReasonExternalDisabled)), v1alpha1.ReasonExternalDisabled},
		"before the first login": {edits(inDirectory), ""},
		"of an OIDC provider":    {edits(loggedIn), ""},
	} {
		s := begin(row.edits...)
		want := s.c
		want.External.State = row.want
		t.Log(name)
		same(t, s.rules(now).Mismatched(s.c), want)
	}
}

// TestBindingLasts: what is declared ends a binding, and what happens to the directory does not. Sessions end once.
func TestBindingLasts(t *testing.T) {
	unbound := func(c *account.Credential) { c.External = account.External{}; ended(c) }
	suspends := func(c *account.Credential) { c.External.Suspended = true; ended(c) }
	gone := func(s *state) { s.provider = account.Provider{Problem: v1alpha1.ReasonProviderNotFound} }
	unknown := func(s *state) { s.provider = account.Provider{} }
	mistaken := func(s *state) { s.provider.SubjectInvalid = true }
	for name, row := range map[string]struct {
		edits []func(*state)
		does  func(*account.Credential)
	}{
		"nothing changes":                         {edits(bound), nothing},
		"the name in another case":                {edits(bound, named("ADA")), nothing},
		"the username":                            {edits(bound, func(s *state) { s.spec.Username = "eve" }), unbound},
		"another name":                            {edits(bound, named("eve")), unbound},
		"the bound subject":                       {edits(bound, declaring("e-1")), nothing},
		"another subject":                         {edits(bound, declaring("e-2")), unbound},
		"the bound subject and another name":      {edits(bound, declaring("e-1"), named("eve")), unbound},
		"a subject of nobody":                     {edits(bound, declaring("E-1"), mistaken, problem(v1alpha1.ReasonSubjectInvalid)), suspends},
		"a subject of nobody, in one turned off":  {edits(bound, declaring("E-1"), mistaken, problem(v1alpha1.ReasonProviderDisabled)), suspends},
		"a subject of nobody, and another name":   {edits(bound, declaring("E-1"), mistaken, named("eve"), problem(v1alpha1.ReasonSubjectInvalid)), unbound},
		"another subject, and the provider gone":  {edits(bound, declaring("e-2"), gone), suspends},
		"another subject, not looked up":          {edits(bound, declaring("e-2"), unknown), nothing},
		"another provider":                        {edits(bound, func(s *state) { s.provider.UID = "p2" }), unbound},
		"another that does not verify it":         {edits(bound, func(s *state) { s.provider.UID = "p2" }, problem(v1alpha1.ReasonProviderDisabled)), unbound},
		"no provider":                             {edits(bound, func(s *state) { s.spec.Authentication.ProviderRef, s.provider = nil, account.Provider{} }), unbound},
		"Local":                                   {edits(bound, local), unbound},
		"a spec that cannot be read":              {edits(bound, local, func(s *state) { s.spec.Unreadable = []string{"spec.authentication"} }), nothing},
		"the directory is turned off":             {edits(bound, problem(v1alpha1.ReasonProviderDisabled)), suspends},
		"it does not allow the namespace":         {edits(bound, problem(v1alpha1.ReasonProviderNotAllowed)), suspends},
		"another account has the name":            {edits(bound, problem(v1alpha1.ReasonSubjectConflict)), suspends},
		"it is gone":                              {edits(bound, gone), suspends},
		"it is off still":                         {edits(bound, suspended, problem(v1alpha1.ReasonProviderDisabled)), nothing},
		"it is on again":                          {edits(bound, suspended), func(c *account.Credential) { c.External.Suspended = false }},
		"nobody has looked it up":                 {edits(bound, unknown), nothing},
		"nobody has looked it up, and it was off": {edits(bound, suspended, unknown), nothing},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			want := s.c
			row.does(&want)
			got := s.rules(now).ApplyRequests(s.c)
			same(t, got, want)
			same(t, s.rules(now).ApplyRequests(got), want)
		})
	}
}

// TestDirectoryStanding: why somebody whose password is in a directory may not log in.
func TestDirectoryStanding(t *testing.T) {
	for name, row := range map[string]struct {
		edits []func(*state)
		want  result
	}{
		"nobody has logged in": {edits(inDirectory), result{v1alpha1.StandingActive, ""}},
		"bound":                {edits(bound), result{v1alpha1.StandingActive, ""}},
		"locked":               {edits(bound, lock), result{v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures}},
		"locked by failures in a row": {edits(bound, func(s *state) {
			s.policy.MaxConsecutiveFailures, s.c.Failures.Consecutive = 3, 3
		}), result{v1alpha1.StandingLocked, v1alpha1.ReasonTooManyConsecutiveFailures}},
		"disabled there, and locked":  {edits(bound, lock, inState(v1alpha1.ReasonExternalDisabled)), result{v1alpha1.StandingDisabled, v1alpha1.ReasonExternalDisabled}},
		"a mismatch":                  {edits(bound, inState(v1alpha1.ReasonSubjectMismatch)), result{v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectMismatch}},
		"turned off, and gone there":  {edits(bound, suspended, inState(v1alpha1.ReasonExternalGone), problem(v1alpha1.ReasonProviderDisabled)), result{v1alpha1.StandingDisabled, v1alpha1.ReasonProviderDisabled}},
		"disabled here":               {edits(bound, inState(v1alpha1.ReasonExternalGone), disable), result{v1alpha1.StandingDisabled, v1alpha1.ReasonAccountDisabled}},
		"locked, of an OIDC provider": {edits(loggedIn, lock), result{v1alpha1.StandingActive, ""}},
	} {
		s := begin(row.edits...)
		if got := resultOf(s.rules(now).Standing(s.c)); got != row.want {
			t.Errorf("%s: stands as %v, want %v", name, got, row.want)
		}
	}
}

// TestNoDeviceAllowance: the failures of all devices count together, since the directory counts them so.
func TestNoDeviceAllowance(t *testing.T) {
	s := begin(bound, lockable)
	r := s.rules(now)
	for _, device := range []string{"", "d1", "d2"} {
		r.Device = device
		s.c = r.Failed(s.c)
	}
	if r.Device = "d1"; !r.AttemptLock(s.c).Locked || len(s.c.Devices) > 0 {
		t.Errorf("after three failures from three devices: %+v", s.c)
	}
}
