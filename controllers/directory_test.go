package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// asDirectory makes a provider a directory.
func asDirectory(p *v1alpha1.IdentityProvider) {
	p.Spec.Type, p.Spec.OIDC = v1alpha1.IdentityProviderLDAP, v1alpha1.OIDCSettings{}
	p.Spec.LDAP = v1alpha1.LDAPSettings{
		Servers: []string{"ldap.example.org:636"}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: "bind"},
		Users: v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=example,dc=org", IDAttribute: "nsUniqueId"},
	}
}

// inDirectory has the login server or the directory server write the credential of an account whose password is in a directory.
func (w *world) inDirectory(a *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider, decide func(account.Rules, account.Credential) account.Credential) {
	w.t.Helper()
	w.change(a, func(rules account.Rules, c account.Credential) account.Credential {
		rules.Provider = account.Provider{UID: string(p.UID), Directory: true, Mapped: p.Spec.GroupMappings}
		return decide(rules, c)
	})
}

func loggedInAs(p *v1alpha1.IdentityProvider, subject, name string) func(account.Rules, account.Credential) account.Credential {
	return func(rules account.Rules, c account.Credential) account.Credential {
		c, _ = rules.NextStep(c, account.Proven{External: account.External{ProviderUID: string(p.UID), Subject: subject, Name: name}})
		return c
	}
}

var (
	notBound = condition(v1alpha1.ConditionSubjectBound, metav1.ConditionUnknown, v1alpha1.ConditionReasonSubjectNotBound)
	isBound  = condition(v1alpha1.ConditionSubjectBound, metav1.ConditionTrue, v1alpha1.ConditionReasonBound)
	isActive = standing(v1alpha1.StandingActive, "")
)

// TestAccountInDirectory: the status says whether the account is bound to an entry, and what the directory says of its person. A binding lasts while the
// directory is turned off, and ends when another name is declared.
func TestAccountInDirectory(t *testing.T) {
	w := newWorld(t)
	w.run()
	p := w.provider("dir", asDirectory)
	a := w.account("eve", verifiedBy(p.Name, ""))
	w.eventually(a, ready, notBound, says(v1alpha1.ConditionSubjectBound, `"eve"`), isActive)

	w.inDirectory(a, p, loggedInAs(p, "e-1", "eve"))
	w.eventually(a, ready, isBound, isActive)
	w.inDirectory(a, p, func(rules account.Rules, c account.Credential) account.Credential {
		return rules.Mismatched(rules.Failed(c))
	})
	w.eventually(a, notReady(v1alpha1.ConditionSubjectBound, v1alpha1.ConditionReasonSubjectMismatch, "Failed"), says(v1alpha1.ConditionSubjectBound, "externalName"),
		standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectMismatch))
	w.inDirectory(a, p, loggedInAs(p, "e-1", "eve"))
	w.eventually(a, ready, isBound, isActive)
	w.inDirectory(a, p, func(rules account.Rules, c account.Credential) account.Credential {
		return rules.Revalidate(c, account.Observation{State: v1alpha1.ReasonExternalDisabled})
	})
	w.eventually(a, ready, isBound, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonExternalDisabled))
	w.inDirectory(a, p, loggedInAs(p, "e-1", "eve"))
	w.eventually(a, ready, isActive)

	before := w.credential(a)
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled })
	w.eventually(a, ready, isBound, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonProviderDisabled))
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessEnabled })
	w.eventually(a, ready, isBound, isActive)
	if c := w.credential(a); c.External.Subject != "e-1" || c.External.Suspended || c.SessionGeneration != before.SessionGeneration+1 {
		t.Errorf("the credential is of %+v, generation %d after %d: the directory was turned off once", c.External, c.SessionGeneration, before.SessionGeneration)
	}

	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ExternalName = "eve.moneypenny" })
	w.eventually(a, ready, notBound, says(v1alpha1.ConditionSubjectBound, `"eve.moneypenny"`), isActive)
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "e-7" })
	w.eventually(a, ready, isBound, isActive)
	if c := w.credential(a); !c.External.IsZero() {
		t.Errorf("the credential is of %+v", c.External)
	}
}

// TestSubjectThatNobodyHas: a subject that no entry of the directory can have is told of at once, before anybody is refused because of it. The account stays
// bound to whom it was bound, for when the mistake is mended.
func TestSubjectThatNobodyHas(t *testing.T) {
	const id = "1b2c3d4e-5f60-4a7b-8c9d-0e1f2a3b4c5d"
	w := newWorld(t)
	w.run()
	p := w.provider("dir", asDirectory, func(p *v1alpha1.IdentityProvider) { p.Spec.LDAP.Users.IDAttribute = "" })
	a := w.account("eve", verifiedBy(p.Name, strings.ToUpper(id)))
	w.eventually(a, notReady(v1alpha1.ConditionSubjectBound, v1alpha1.ConditionReasonSubjectInvalid, "Failed"), says(v1alpha1.ConditionSubjectBound, "lower case"),
		standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectInvalid))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = id })
	w.eventually(a, ready, isBound, isActive)

	w.inDirectory(a, p, loggedInAs(p, id, "eve"))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "{" + id + "}" })
	w.eventually(a, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectInvalid))
	w.g.Eventually(func() account.External { return w.credential(a).External }, patience, glance).Should(gomega.And(
		gomega.HaveField("Subject", id), gomega.HaveField("Suspended", true)))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "" })
	w.eventually(a, ready, isBound, isActive)
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = strings.Replace(id, "1", "2", 1) })
	w.eventually(a, ready, isBound, isActive)
	if c := w.credential(a); !c.External.IsZero() {
		t.Errorf("another person is declared, and the credential is of %+v", c.External)
	}
}

// TestNameInDirectory: of two accounts of one name in a directory the first of all namespaces that may use it has the name, and the other follows what
// becomes of the first and of its namespace. Nobody edits the other meanwhile.
func TestNameInDirectory(t *testing.T) {
	w := newWorld(t)
	other := w.name + "-other"
	allowed := map[string]string{"directory": w.name}
	w.addNamespace(other, allowed)
	w.label(w.namespace, allowed)
	w.run()
	p := w.provider("dir", asDirectory, func(p *v1alpha1.IdentityProvider) {
		p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: allowed}}
	})
	first := w.account("first", verifiedBy(p.Name, ""), func(a *v1alpha1.UserAccount) {
		a.Namespace, a.Spec.Authentication.ExternalName = other, "Eve"
	})
	w.eventually(first, ready, notBound)
	w.g.Eventually(time.Now, patience, glance).Should(gomega.BeTemporally(">", first.CreationTimestamp.Add(time.Second)))
	second := w.account("eve", verifiedBy(p.Name, ""))
	conflict := notReady(v1alpha1.ConditionSubjectBound, v1alpha1.ConditionReasonSubjectConflict, "Failed")
	w.eventually(second, conflict, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectConflict))
	w.eventually(first, ready, notBound)

	w.label(other, map[string]string{})
	w.eventually(second, ready, notBound, isActive)
	w.label(other, allowed)
	w.eventually(second, conflict)
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ExternalName = "" })
	w.eventually(second, ready, notBound)
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ExternalName = "EVE" })
	w.eventually(second, conflict)
	w.delete(first)
	w.eventually(second, ready, notBound, isActive)
}
