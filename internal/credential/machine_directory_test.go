package credential

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// This file has a directory with two names in it, and what happens between it and the account: its people are renamed, deleted and created again,
// disabled, get another password or another group; they log in with a password or a ticket, and are looked up.

// entry is a person in the directory.
type entry struct {
	subject string
	setTime time.Time
	groups  []string
	state   v1alpha1.StandingReason
}

// session is one that was granted to a person in the directory.
type session struct {
	credentialUID string
	generation    int64
	subject       string
	setTime       time.Time
}

// mapped are the groups of the directory that are groups here.
var mapped = []v1alpha1.GroupMapping{{From: "admins", To: "admins"}, {From: "staff", To: "staff"}}

func newDirectory() map[string]*entry {
	return map[string]*entry{"ada": {subject: "e-1", setTime: now}, "eve": {subject: "e-2"}}
}

// beginInDirectory declares an account in the directory, and creates its credential.
func (m *machine) beginInDirectory() {
	m.account.Spec.Authentication = v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "directory"},
	}
	m.provider = account.Provider{UID: "d1", Directory: true, Mapped: mapped}
	m.operator()
}

// directorySteps are those of a history of which most concerns the directory.
func (m *machine) directorySteps() []func() {
	rarely := func(steps ...func()) func() {
		return func() {
			if m.choose.chance(4) {
				steps[m.choose.below(len(steps))]()
			}
		}
	}
	return []func(){
		m.loginAtProvider, m.loginAtProvider, m.loginAtProvider, m.loginAtProvider, m.loginAtProvider, m.loginAtProvider, m.loginWrong, m.passMinutes,
		m.passMinutes, m.passMinutes, m.changeDirectory, m.changeDirectory, m.revalidate, m.revalidate, m.operator,
		rarely(m.declareAuthentication, m.troubleProvider, m.troubleProvider, m.passTime, m.request, m.actByHand, m.changePolicy),
		rarely(m.saveBackup, m.restoreCredential, m.restoreAccount, m.recreateAccount, m.crash),
	}
}

// passMinutes lets so much time pass that the failures of a while ago are about to be forgotten.
func (m *machine) passMinutes() {
	m.now = m.now.Add(pick(m.choose, time.Second, 14*time.Minute, 29*time.Minute, 31*time.Minute))
	m.logf("minutes pass")
}

// changeDirectory has somebody edit the directory.
func (m *machine) changeDirectory() {
	name := pick(m.choose, "ada", "eve")
	e := m.directory[name]
	switch m.choose.below(6) {
	case 0:
		m.people++
		*e = entry{subject: fmt.Sprint("e-", 2+m.people), setTime: m.now}
	case 1:
		m.directory["ada"], m.directory["eve"] = m.directory["eve"], m.directory["ada"]
	case 2:
		e.state = pick(m.choose, "", v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalMustChange)
	case 3:
		e.setTime = pick(m.choose, m.now, m.now, time.Time{})
	default:
		e.groups = pick(m.choose, nil, []string{"staff"}, []string{"admins", "staff"})
	}
	m.logf("in the directory: ada %+v, eve %+v", *m.directory["ada"], *m.directory["eve"])
}

// externalName is the name that the account declares.
func (m *machine) externalName() string {
	if name := m.account.Spec.Authentication.ExternalName; name != "" {
		return name
	}
	return m.account.Name
}

// isStillDeclared tells whether the account is declared to be of the entry that it was bound to.
func (m *machine) isStillDeclared(e account.External) bool {
	declared := m.account.Spec.Authentication
	return m.isExternal() && (m.provider.UID == e.ProviderUID || m.provider.UID == "") &&
		(declared.Subject == "" || declared.Subject == e.Subject || m.provider.SubjectInvalid || m.provider.UID == "") && strings.EqualFold(m.externalName(), e.Name)
}

// loginAtDirectory has somebody give a password, or come with a ticket, mostly as the directory has the person.
func (m *machine) loginAtDirectory() {
	if !m.isExternal() || !m.provider.Directory {
		return
	}
	isTicket, isWrong, isChecked := m.choose.chance(4), m.choose.chance(4), m.choose.below(2) == 0
	name := strings.ToLower(m.externalName())
	if isTicket {
		name = pick(m.choose, "ada", "eve")
	}
	e := *m.directory[name]
	p := account.Proven{Asserted: isTicket, RefusedElsewhere: e.state, External: account.External{
		ProviderUID: m.provider.UID, Subject: e.subject, Name: name, Groups: e.groups, PasswordSetTime: e.setTime,
	}}
	for {
		c, read, ok := m.load()
		if !ok || !m.isOwner(c) {
			return
		}
		r := m.rules()
		r.Device = pick(m.choose, "", "device")
		applied := r.ApplyRequests(c)
		switch {
		case !isTicket && r.AttemptLock(applied).Locked:
			m.logf("login of %q: locked", name)
			return
		case isWrong && !isTicket:
			if m.fail(&attempt{c: c, read: read, rules: r}) {
				m.logf("login of %q: wrong", name)
				return
			}
			continue
		case isChecked && !isTicket && !m.isPerson(applied, p.External): // As the verifier finds out before it looks at the password.
			if m.mismatch(r, c, read) {
				m.logf("login of %q, which is another entry: %+v", name, m.model.external)
				return
			}
			continue
		}
		if m.prove(r, c, read, p) {
			return
		}
	}
}

// isPerson tells whether somebody in the directory is the account's person, for a credential to which what is due has been applied.
func (m *machine) isPerson(c account.Credential, e account.External) bool {
	declared := m.account.Spec.Authentication.Subject
	switch {
	case m.provider.UID != e.ProviderUID:
		return false
	case declared != "":
		return declared == e.Subject
	case c.External.Name != "":
		return c.External.Subject == e.Subject
	default:
		return strings.EqualFold(m.externalName(), e.Name)
	}
}

// mismatch records that the name belongs to another entry. It returns false after a conflict.
func (m *machine) mismatch(r account.Rules, c account.Credential, read *corev1.Secret) bool {
	after := r.Mismatched(r.Failed(c))
	want := r.Failed(c)
	wantMismatch(&want)
	if !after.Equal(want) {
		m.fatal("a mismatch makes\n%+v\nof\n%+v", after, c)
	}
	if !m.write(read, after) {
		return false
	}
	m.modelRequests(c, r)
	m.modelFailure(r, after)
	m.model.external = want.External
	return true
}

// wantMismatch does to a credential what has to follow when the name of its account belongs to another entry: no session ends.
func wantMismatch(want *account.Credential) {
	if want.External.Name != "" && want.External.State == "" {
		want.External.State = v1alpha1.ReasonSubjectMismatch
	}
}

// wantObserved does to a credential what has to follow when the directory says something about its person.
func wantObserved(want *account.Credential, state v1alpha1.StandingReason, groups []string, setTime time.Time) {
	x := &want.External
	ends := state != "" && state != v1alpha1.ReasonSubjectMismatch && state != x.State
	for _, group := range x.Groups {
		ends = ends || !slices.Contains(groups, group)
	}
	x.State, x.Groups = state, groups
	if setTime.After(x.PasswordSetTime) {
		ends = ends || !x.PasswordSetTime.IsZero()
		x.PasswordSetTime = setTime.UTC()
	}
	if ends {
		wantNoSessions(want)
	}
}

func wantNoSessions(want *account.Credential) {
	want.SessionGeneration++
	want.EndedSessions, want.Devices = nil, nil
}

// prove has the rules decide about somebody who has proven to be a person in the directory. It returns false after a conflict.
func (m *machine) prove(r account.Rules, c account.Credential, read *corev1.Secret, p account.Proven) bool {
	after, answer := r.NextStep(c, p)
	want, reason := m.wantProof(r, c, p)
	if want.LastSuccessTime != after.LastSuccessTime && reason == "" {
		if r.Now.Sub(want.LastSuccessTime).Abs() < account.LastSuccessGrain || !after.LastSuccessTime.Equal(r.Now) {
			m.fatal("the time of a login is not recorded as it should be")
		}
		want.LastSuccessTime = after.LastSuccessTime
	}
	if (answer.Outcome == account.Granted) != (reason == "") || answer.Reason != reason {
		m.fatal("the login of %+v answers %+v, want %q, with\n%+v", p, answer, reason, c)
	}
	if !after.Equal(want) {
		m.fatal("the login of %+v makes\n%+v\nof\n%+v\nwant\n%+v", p, after, c, want)
	}
	if !m.write(read, after) {
		return false
	}
	m.logf("login of %+v: %+v", p, answer)
	if reason == account.ReasonNotDeclared && p.Asserted {
		return true // Nothing was written.
	}
	m.modelRequests(c, r)
	switch {
	case reason == account.ReasonNotDeclared:
		m.modelFailure(r, after)
	case !p.Asserted:
		m.model.clearFailures()
	}
	m.model.external = want.External
	if reason == "" {
		m.checkReported(answer)
		m.sessions = append(m.sessions, session{
			credentialUID: string(m.stored.UID), generation: after.SessionGeneration, subject: p.External.Subject, setTime: after.External.PasswordSetTime,
		})
	}
	return true
}

// wantProof returns what has to become of a credential when somebody has proven to be a person in the directory, and why that person is refused. Nobody
// gets in but the person to whom the account is bound.
func (m *machine) wantProof(r account.Rules, c account.Credential, p account.Proven) (want account.Credential, refused v1alpha1.StandingReason) {
	want = r.ApplyRequests(c)
	m.checkRequests(r, c, want)
	if !m.isPerson(want, p.External) {
		if p.Asserted {
			return c, account.ReasonNotDeclared
		}
		want = r.Failed(want)
		wantMismatch(&want)
		return want, account.ReasonNotDeclared
	}
	if !p.Asserted {
		want.UnnotifiedFailures += want.Failures.Consecutive
		want.Failures = account.Failures{}
	}
	isBound := want.External.Name != ""
	switch {
	case isBound:
		wantObserved(&want, p.RefusedElsewhere, want.External.Groups, time.Time{})
	case p.RefusedElsewhere != "": // The password is right, so it is the person.
		m.wantBinding(&want, p.External)
		want.External.State = p.RefusedElsewhere
	}
	unlocked := want
	unlocked.Failures = account.Failures{} // Wrong passwords keep nobody with a ticket out.
	if s := r.Standing(unlocked); s.Standing != v1alpha1.StandingActive {
		return want, s.Reason
	}
	if p.RefusedElsewhere != "" {
		return want, p.RefusedElsewhere
	}
	if isBound {
		wantObserved(&want, "", p.External.Groups, p.External.PasswordSetTime)
	} else {
		m.wantBinding(&want, p.External)
	}
	want.UnnotifiedFailures = 0
	return want, ""
}

func (m *machine) wantBinding(want *account.Credential, e account.External) {
	want.External = e
	want.External.Name = m.externalName()
	wantNoSessions(want)
}

// revalidate looks the person up in the directory, by the subject that the account is bound to.
func (m *machine) revalidate() {
	for {
		c, read, ok := m.load()
		if !ok || !m.isOwner(c) {
			return
		}
		r := m.rules()
		o := account.Observation{State: v1alpha1.ReasonExternalGone}
		for _, e := range m.directory {
			if e.subject == c.External.Subject {
				o = account.Observation{State: e.state, Groups: e.groups, PasswordSetTime: e.setTime}
			}
		}
		after := r.Revalidate(c, o)
		want := c
		if due := r.ApplyRequests(c).External; due.Name != "" && !due.Suspended { // Requests are for the other servers.
			state := o.State
			if state == "" && want.External.State == v1alpha1.ReasonSubjectMismatch {
				state = want.External.State
			}
			var groups []string
			for _, group := range c.External.Groups {
				if slices.Contains(o.Groups, group) {
					groups = append(groups, group)
				}
			}
			wantObserved(&want, state, groups, o.PasswordSetTime)
		}
		switch again := r.Revalidate(after, o); {
		case !after.Equal(want):
			m.fatal("%+v makes\n%+v\nof\n%+v\nwant\n%+v", o, after, c, want)
		case !again.Equal(after):
			m.fatal("%+v makes something else of what it has made:\n%+v\n%+v", o, after, again)
		}
		if !m.write(read, after) {
			continue
		}
		m.model.external = want.External
		m.logf("looked up: %+v", o)
		return
	}
}

// checkSessions checks that no session goes on that has to be over: those of another person than the account is bound to now, from before
// the password was changed, or of somebody who may not log in.
func (m *machine) checkSessions(c account.Credential) {
	x := c.External
	for _, s := range m.sessions {
		if s.credentialUID != string(m.stored.UID) || s.generation < c.SessionGeneration {
			continue
		}
		isAllowed := x.State == "" || x.State == v1alpha1.ReasonSubjectMismatch
		isOlder := !s.setTime.IsZero() && !s.setTime.Equal(x.PasswordSetTime) // One that becomes known tells of no change.
		if s.subject != x.Subject || isOlder || x.Suspended || !isAllowed {
			m.fatal("the session %+v goes on, with %+v", s, x)
		}
	}
}
