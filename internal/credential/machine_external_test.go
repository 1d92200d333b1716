package credential

import (
	"reflect"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// declareAuthentication has the administrator say who verifies the person: Keyturn, or a provider where the person has a subject or, in a directory, a
// name; and the platform team turn that provider on or off.
func (m *machine) declareAuthentication() {
	a, p := &m.account.Spec.Authentication, &m.provider
	*a, *p = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}, account.Provider{}
	switch m.choose.below(6) {
	case 0, 1:
	case 2:
		a.Type, a.Subject = v1alpha1.AuthenticationExternal, pick(m.choose, "s-1", "s-2", "")
		a.ProviderRef = &v1alpha1.IdentityProviderReference{Name: "corp"}
		*p = account.Provider{UID: pick(m.choose, "p1", "p1", "p2"), Problem: pick(m.choose, "", "", "", v1alpha1.ReasonProviderDisabled)}
		if a.Subject == "" {
			p.Problem = v1alpha1.ReasonSubjectNotDeclared
		}
	default:
		a.Type, a.ProviderRef = v1alpha1.AuthenticationExternal, &v1alpha1.IdentityProviderReference{Name: "directory"}
		a.Subject, a.ExternalName = pick(m.choose, "", "", "", "", "e-1", mistakenSubject), pick(m.choose, "", "", "Ada", "eve")
		*p = account.Provider{UID: pick(m.choose, "d1", "d1", "d1", "d2"), Directory: true, Mapped: mapped}
		m.troubleProvider()
	}
	m.logf("declared %+v at %+v", *a, *p)
}

// mistakenSubject can be nobody's in a directory.
const mistakenSubject = "E-1"

// troubleProvider has a directory be turned off or on, not be found, or be another account's.
func (m *machine) troubleProvider() {
	p := &m.provider
	if !m.isExternal() || m.account.Spec.Authentication.ProviderRef.Name != "directory" {
		return
	}
	if p.UID == "" {
		p.UID, p.Directory = "d1", true
	}
	p.Problem = pick(m.choose, "", "", "", v1alpha1.ReasonProviderDisabled, v1alpha1.ReasonProviderNotAllowed, v1alpha1.ReasonSubjectConflict, v1alpha1.ReasonProviderNotFound)
	if p.Problem == v1alpha1.ReasonProviderNotFound {
		p.UID, p.Directory = "", false
	}
	p.SubjectInvalid = p.UID != "" && m.account.Spec.Authentication.Subject == mistakenSubject
	if p.SubjectInvalid && (p.Problem == "" || p.Problem == v1alpha1.ReasonSubjectConflict) {
		p.Problem = v1alpha1.ReasonSubjectInvalid
	}
	m.logf("the provider is %+v", *p)
}

func (m *machine) isExternal() bool {
	return m.account.Spec.Authentication.Type == v1alpha1.AuthenticationExternal
}

// loginAtProvider has a provider say that somebody is there, mostly whom the account declares; again after a conflict.
func (m *machine) loginAtProvider() {
	if m.isExternal() && m.account.Spec.Authentication.ProviderRef.Name == "directory" {
		m.loginAtDirectory()
		return
	}
	e := account.External{ProviderUID: m.provider.UID, Subject: m.account.Spec.Authentication.Subject}
	if e.Subject == "" || m.choose.chance(4) {
		e = account.External{ProviderUID: pick(m.choose, "p1", "p2"), Subject: pick(m.choose, "s-1", "s-2")}
	}
	e.Groups = pick(m.choose, nil, []string{"staff"}, []string{"admins", "staff"})
	for {
		c, read, ok := m.load()
		if !ok || !m.isOwner(c) {
			m.logf("login of %+v: no credential", e)
			return
		}
		r := m.rules()
		after, answer := r.NextStep(c, account.Proven{Asserted: true, External: e})
		m.checkAsserted(r, c, after, e, answer)
		if answer.Reason == account.ReasonNotDeclared {
			m.logf("login of %+v: not declared", e)
			return
		}
		if !m.write(read, after) {
			continue
		}
		m.modelRequests(c, r)
		if answer.Outcome == account.Granted {
			m.checkReported(answer)
			m.model.external = e
		}
		m.logf("login of %+v: %+v", e, answer)
		return
	}
}

// checkAsserted checks that a provider lets in the declared person alone, and what that does to the credential: requests take effect, and
// the person is recorded.
func (m *machine) checkAsserted(r account.Rules, before, after account.Credential, e account.External, answer account.Answer) {
	s, isDeclared := r.Standing(before), m.isDeclared(e)
	granted := isDeclared && m.provider.Problem == "" && s.Standing == v1alpha1.StandingActive
	want := before
	if isDeclared {
		want = r.ApplyRequests(before)
		m.checkRequests(r, before, want)
	}
	if granted {
		want.External, want.UnnotifiedFailures, want.LastSuccessTime = e, 0, after.LastSuccessTime
		if r.Now.Sub(after.LastSuccessTime).Abs() >= account.LastSuccessGrain {
			m.fatal("the time of a login is not recorded")
		}
	}
	switch {
	case (answer.Outcome == account.Granted) != granted, (answer.Reason == account.ReasonNotDeclared) == isDeclared:
		m.fatal("the login of %+v at %+v answers %+v, though it stood as %+v", e, m.provider, answer, s)
	case !granted && isDeclared && answer.Reason != s.Reason:
		m.fatal("the login answers %+v, though it stood as %+v", answer, s)
	case !after.Equal(want):
		m.fatal("the login of %+v makes\n%+v\nof\n%+v\nwant\n%+v", e, after, before, want)
	}
}

// isDeclared tells whether the account is declared to be that of somebody at a provider.
func (m *machine) isDeclared(e account.External) bool {
	return m.isExternal() && m.provider.UID == e.ProviderUID && m.account.Spec.Authentication.Subject == e.Subject
}

// modelAuthentication does to a model what follows when somebody else verifies the person from now on.
func (m *machine) modelAuthentication(of *model) {
	if keepsPassword := of.current != "" || len(of.history) > 0; m.isExternal() && keepsPassword {
		of.current, of.history = "", nil
		of.clearFailures()
	}
	switch isBarred := m.provider.Problem != ""; {
	case of.external.Name != "" && m.isStillDeclared(of.external):
		of.external.Suspended = isBarred
	case of.external.Name != "" || isBarred || !m.isDeclared(of.external):
		of.external = account.External{}
	}
}

// wantAuthentication does to a credential what has to follow when somebody else verifies the person from now on.
func (m *machine) wantAuthentication(want *account.Credential) {
	keepsPassword := !want.Password.IsZero() || len(want.History.Digests) > 0
	switch {
	case m.isExternal() && keepsPassword:
		want.Password, want.History = account.Password{}, account.History{}
		want.UnnotifiedFailures += want.Failures.Consecutive
		want.Failures = account.Failures{}
	case want.External.Name != "" && m.isStillDeclared(want.External):
		was := want.External.Suspended
		if want.External.Suspended = m.provider.Problem != ""; was || !want.External.Suspended {
			return
		}
	case want.External.Name != "", want.External.ProviderUID != "" && (!m.isDeclared(want.External) || m.provider.Problem != ""):
		want.External = account.External{}
	default:
		return
	}
	wantNoSessions(want)
}

// checkExternal checks who is recorded to have logged in at a provider.
func (m *machine) checkExternal(c account.Credential) {
	got, want := c.External, m.model.external
	if !reflect.DeepEqual(got, want) {
		m.fatal("recorded is %+v, want %+v", got, want)
	}
	if got.ProviderUID != "" && !c.Password.IsZero() {
		m.fatal("the credential has a password, and %+v", got)
	}
}
