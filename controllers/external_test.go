package controllers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// provider creates an identity provider that all namespaces may use. Its name begins with that of the world.
func (w *world) provider(name string, edits ...func(*v1alpha1.IdentityProvider)) *v1alpha1.IdentityProvider {
	w.t.Helper()
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: w.name + "-" + name, Labels: w.labels()},
		Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderOIDC, DisplayName: "Contoso",
			AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
			OIDC: v1alpha1.OIDCSettings{
				Issuer: "https://id.example.org/" + w.name, ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: "client"},
			},
		},
	}
	for _, edit := range edits {
		edit(p)
	}
	w.must(admin.Create(ctx, p))
	w.t.Cleanup(func() { w.delete(p) })
	return p
}

// verifiedBy has a provider verify an account, where its person is a subject.
func verifiedBy(providerName, subject string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) {
		a.Spec.Password = nil
		a.Spec.Authentication = v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: providerName}, Subject: subject,
		}
	}
}

// without checks that an account does not have some conditions.
func without(kinds ...string) check {
	return func(a *v1alpha1.UserAccount) string {
		for _, kind := range kinds {
			if meta.FindStatusCondition(a.Status.Conditions, kind) != nil {
				return "has condition " + kind
			}
		}
		return ""
	}
}

// login has somebody log in at a provider, as the login server does.
func (w *world) login(a *v1alpha1.UserAccount, p *v1alpha1.IdentityProvider, subject string) account.Answer {
	w.t.Helper()
	var answer account.Answer
	w.change(a, func(rules account.Rules, c account.Credential) account.Credential {
		rules.Provider = account.Provider{UID: string(p.UID)}
		c, answer = rules.NextStep(c, account.Proven{Asserted: true, External: account.External{ProviderUID: string(p.UID), Subject: subject}})
		return c
	})
	return answer
}

// TestProviderOfAnAccount: the status of an account says whether its provider verifies it, and follows the provider and the labels of the
// namespace. Nobody edits the account meanwhile.
func TestProviderOfAnAccount(t *testing.T) {
	w := newWorld(t)
	w.run()
	name := w.name + "-corp"
	a := w.account("eve", verifiedBy(name, "s-1"))
	bound := condition(v1alpha1.ConditionSubjectBound, metav1.ConditionTrue, v1alpha1.ConditionReasonBound)
	resolved := condition(v1alpha1.ConditionProviderResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonResolved)
	notFound := notReady(v1alpha1.ConditionProviderResolved, v1alpha1.ConditionReasonProviderNotFound, "InProgress")
	w.eventually(a, notFound, bound, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonProviderNotFound))

	p := w.provider("corp")
	w.eventually(a, ready, resolved, bound, standing(v1alpha1.StandingActive, ""), without(v1alpha1.ConditionPasswordApplied))

	w.login(a, p, "s-1")
	generation := w.credential(a).SessionGeneration
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled })
	w.eventually(a, ready, condition(v1alpha1.ConditionProviderResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonProviderDisabled),
		standing(v1alpha1.StandingDisabled, v1alpha1.ReasonProviderDisabled))

	edit(w, p, func(p *v1alpha1.IdentityProvider) {
		p.Spec.Access = v1alpha1.AccessEnabled
		p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"external": w.name}},
		}
	})
	w.eventually(a, notReady(v1alpha1.ConditionProviderResolved, v1alpha1.ConditionReasonProviderNotAllowed, "Failed"), bound,
		standing(v1alpha1.StandingDisabled, v1alpha1.ReasonProviderNotAllowed))
	w.label(w.namespace, map[string]string{"external": w.name})
	w.eventually(a, ready, resolved, standing(v1alpha1.StandingActive, ""))
	if c := w.credential(a); !c.External.IsZero() || c.SessionGeneration != generation+1 {
		t.Errorf("the credential is of %+v, generation %d after %d: sessions end when the provider is turned off, and once", c.External, c.SessionGeneration, generation)
	}

	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Finalizers = []string{"example.org/held"} })
	w.delete(p)
	w.eventually(a, notFound) // However long somebody's finalizer keeps it.
	edit(w, p, func(p *v1alpha1.IdentityProvider) { p.Finalizers = nil })
	w.gone(p)
	w.provider("corp")
	w.eventually(a, ready, resolved)

	edit(w, a, func(a *v1alpha1.UserAccount) {
		a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationExternal}
	})
	w.eventually(a, ready, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal),
		without(v1alpha1.ConditionProviderResolved, v1alpha1.ConditionSubjectBound))
}

// TestSubjects: of two accounts of one subject the first has it, and the other says which one that is until it has it.
func TestSubjects(t *testing.T) {
	w := newWorld(t)
	w.run()
	corp, other := w.provider("corp"), w.provider("other")
	bound := condition(v1alpha1.ConditionSubjectBound, metav1.ConditionTrue, v1alpha1.ConditionReasonBound)
	conflict := notReady(v1alpha1.ConditionSubjectBound, v1alpha1.ConditionReasonSubjectConflict, "Failed")
	undeclared := w.account("undeclared", verifiedBy(corp.Name, ""))
	w.eventually(undeclared, notReady(v1alpha1.ConditionSubjectBound, v1alpha1.ConditionReasonSubjectNotDeclared, "Failed"),
		condition(v1alpha1.ConditionProviderResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonResolved),
		standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectNotDeclared))

	first := w.account("z-first", verifiedBy(corp.Name, "s-1"))
	elsewhere := w.account("elsewhere", verifiedBy(other.Name, "s-1"))
	w.eventually(first, ready, bound)
	w.g.Eventually(time.Now, patience, glance).Should(gomega.BeTemporally(">", first.CreationTimestamp.Add(time.Second)))
	second := w.account("a-second", verifiedBy(corp.Name, "s-1"))
	w.eventually(second, conflict, says(v1alpha1.ConditionSubjectBound, "Another UserAccount"), standing(v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectConflict))
	w.eventually(elsewhere, ready, bound)
	w.eventually(first, ready, bound)

	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "s-2" })
	w.eventually(second, ready, bound, standing(v1alpha1.StandingActive, ""))
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "s-1" })
	w.eventually(second, conflict)
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Finalizers = []string{"example.org/held"} })
	w.delete(first)
	w.eventually(second, ready, bound) // However long somebody's finalizer keeps the first one.
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Finalizers = nil })
	w.gone(first)

	// Of two that were created in the same second the name decides, whichever the operator sees first.
	twins := []*v1alpha1.UserAccount{w.account("y-twin", verifiedBy(corp.Name, "s-9")), w.account("b-twin", verifiedBy(corp.Name, "s-9"))}
	if twins[0].CreationTimestamp.Equal(&twins[1].CreationTimestamp) {
		slices.Reverse(twins)
	}
	w.eventually(twins[0], ready, bound)
	w.eventually(twins[1], conflict)
}

// TestBetweenLocalAndExternal: an account that becomes External loses its password, and its sessions end. One that becomes Local again
// has no password until its Secret hands out another one: the first one, which the person had changed, does not come back.
func TestBetweenLocalAndExternal(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	p := w.provider("corp")
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin), without(v1alpha1.ConditionProviderResolved, v1alpha1.ConditionSubjectBound))
	w.choose(a, own)
	generation := w.credential(a).SessionGeneration
	w.eventually(a, standing(v1alpha1.StandingActive, ""))

	edit(w, a, verifiedBy(p.Name, "s-1"))
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""), without(v1alpha1.ConditionPasswordApplied))
	c := w.credential(a)
	if !c.Password.IsZero() || len(c.History.Digests) > 0 || c.SessionGeneration != generation+1 {
		t.Errorf("the credential has a password: %t, generation %d after %d", !c.Password.IsZero(), c.SessionGeneration, generation)
	}
	if a.Status.Password != nil {
		t.Errorf("the status has a password: %+v", a.Status.Password)
	}
	if answer := w.login(a, p, "s-1"); answer.Outcome != account.Granted {
		t.Errorf("the login at the provider: %+v", answer)
	}
	w.barrier(a)
	if got := w.credential(a).SessionGeneration; got != generation+1 {
		t.Errorf("generation %d after the login", got)
	}

	edit(w, a, verifiedBy(p.Name, "s-2")) // Another person's, whom the sessions of the first one are not.
	w.eventually(a, ready)
	if c := w.credential(a); !c.External.IsZero() || c.SessionGeneration != generation+2 {
		t.Errorf("the credential is of %+v, generation %d", c.External, c.SessionGeneration)
	}
	w.login(a, p, "s-2")

	edit(w, a, func(a *v1alpha1.UserAccount) {
		a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}
	})
	w.eventually(a, ready, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword), without(v1alpha1.ConditionProviderResolved, v1alpha1.ConditionSubjectBound))
	if c := w.credential(a); !c.External.IsZero() || c.SessionGeneration != generation+3 {
		t.Errorf("the credential is of %+v, generation %d", c.External, c.SessionGeneration)
	}
	edit(w, a, handedOut("ada"))
	w.eventually(a, condition(v1alpha1.ConditionPasswordApplied, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialInvalid),
		says(v1alpha1.ConditionPasswordApplied, "resetTime"), standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword))
	if w.credential(a).Password.Hash != "" {
		t.Error("the first password is in force again")
	}
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = new(v1alpha1.NewInstant(time.Now())) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	if !w.accepts(a, initial) {
		t.Error("the Secret's password is not in force")
	}

	o.stop()
	restarted := w.run()
	w.g.Eventually(restarted.reconciles.asked.Load, patience, glance).Should(gomega.BeNumerically(">", 0))
	w.g.Consistently(func() []string { return restarted.traffic.about("ada", credentialName(a)) }, time.Second, glance).Should(gomega.BeEmpty())
}

// TestExternalAccountsCauseNoWrites: a test of the connection, which changes the status of the provider, reconciles no account. A restart of
// the operator writes nothing.
func TestExternalAccountsCauseNoWrites(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	p := w.provider("corp")
	a := w.account("eve", verifiedBy(p.Name, "s-1"))
	w.eventually(a, ready)
	w.login(a, p, "s-1")
	w.barrier(a)
	// What the operator has written for the login has it look once more.
	looks := o.reconciles.asked.Load()
	w.g.Eventually(func() bool {
		before := looks
		looks = o.reconciles.asked.Load()
		return looks == before
	}, patience, glance).MustPassRepeatedly(20).Should(gomega.BeTrue())
	p.Status.Accounts = new(int32(1))
	w.must(admin.Status().Update(ctx, p))
	writes := len(o.traffic.about("eve", credentialName(a)))
	w.g.Consistently(o.reconciles.asked.Load, time.Second, glance).Should(gomega.Equal(looks))
	if got := o.traffic.about("eve", credentialName(a)); len(got) != writes {
		t.Errorf("the operator has written %v", got[writes:])
	}
	o.stop()
	restarted := w.run()
	w.g.Eventually(restarted.reconciles.asked.Load, patience, glance).Should(gomega.BeNumerically(">", 0))
	w.g.Consistently(func() []string { return restarted.traffic.about("eve", credentialName(a)) }, time.Second, glance).Should(gomega.BeEmpty())
}

// TestPasswordIsTakenFromExternalAlone: an operator whose cache of accounts lags behind takes no password from an account that is Local again.
func TestPasswordIsTakenFromExternalAlone(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	p := w.provider("corp")
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.must(admin.Get(ctx, keyOf(a), a))
	o.stop()
	edit(w, a, verifiedBy(p.Name, "s-1"))
	o = w.run()
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))

	release := o.traffic.hold("useraccounts")
	defer release()
	edit(w, a, func(a *v1alpha1.UserAccount) {
		a.Spec.Authentication = v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}
	})
	looks := o.reconciles.asked.Load() // Before the reset: the reconciliation of that may wait for the account until it is let go.
	w.resetByHand(a)                   // The credential has a password, which the operator learns while it takes the account for External.
	w.change(a, func(_ account.Rules, c account.Credential) account.Credential {
		c.LastSuccessTime = w.clock.Now().UTC().Round(0)
		return c
	})
	w.g.Eventually(o.reconciles.asked.Load, patience, glance).Should(gomega.BeNumerically(">", looks))
	w.g.Consistently(func() bool { return w.credential(a).Password.IsZero() }, time.Second, glance).Should(gomega.BeFalse())
	release()
	w.eventually(a, ready)
	if w.credential(a).Password.IsZero() {
		t.Error("the password is gone")
	}
}
