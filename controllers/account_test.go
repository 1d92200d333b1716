package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// TestWritesOfAnAccount: a new account is ready after three writes: of its credential, its mark and its status. After that the operator
// writes nothing, nor does another operator that starts.
func TestWritesOfAnAccount(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))

	writes := o.traffic.about("ada", credentialName(a))
	w.g.Expect(writes).To(gomega.HaveLen(3), "for a new account: %v", writes)
	w.g.Expect(w.accepts(a, initial)).To(gomega.BeTrue())
	w.g.Expect(a.Annotations).To(gomega.HaveKeyWithValue(v1alpha1.AnnotationInitialized, w.namespace+"/ada"))
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal([]string{v1alpha1.EventPasswordReset}))

	w.barrier(a)
	w.barrier(a)
	writes = o.traffic.about("ada", credentialName(a))
	w.g.Expect(writes).To(gomega.HaveLen(3+2), "the barriers write two more: %v", writes)

	o.stop()
	restarted := w.run()
	w.g.Eventually(restarted.reconciles.asked.Load, patience, glance).Should(gomega.BeNumerically(">", 0))
	w.barrier(a)
	writes = restarted.traffic.about("ada", credentialName(a))
	w.g.Expect(writes).To(gomega.HaveLen(1), "the barrier alone writes: %v", writes)
}

// TestStatusIsRebuilt: the operator writes a status again that was lost or overwritten, and nothing else.
func TestStatusIsRebuilt(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	was, stored := a.Status.DeepCopy(), w.credentialSecret(a)
	for name, status := range map[string]v1alpha1.UserAccountStatus{
		"lost":        {},
		"overwritten": {ObservedGeneration: 7, Standing: v1alpha1.StandingLocked, StandingReason: v1alpha1.ReasonIdle},
	} {
		writes := len(o.traffic.about("ada", credentialName(a)))
		w.g.Eventually(func() error {
			w.must(admin.Get(ctx, keyOf(a), a))
			a.Status = status
			return admin.Status().Update(ctx, a)
		}, patience, glance).Should(gomega.Succeed())
		w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
		for i := range a.Status.Conditions {
			a.Status.Conditions[i].LastTransitionTime = was.Conditions[i].LastTransitionTime
		}
		w.g.Expect(a.Status).To(gomega.Equal(*was), name)
		w.g.Expect(o.traffic.about("ada", credentialName(a))[writes:]).To(gomega.HaveLen(1), name)
	}
	w.g.Expect(w.credentialSecret(a)).To(gomega.Equal(stored), "the credential was not touched")
}

// TestEventsOfAnAccount: each change of the password, each lock and each unlock has one event.
func TestEventsOfAnAccount(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	lockOut := func() {
		for range 10 {
			w.change(a, func(rules account.Rules, c account.Credential) account.Credential { return rules.Failed(c) })
		}
		w.eventually(a, ready, standing(v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures))
	}
	lockOut()
	w.g.Expect(a.Status.Login.LockedUntilTime).NotTo(gomega.BeNil())
	w.clock.advance(shortLock)
	w.barrier(a)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	w.barrier(a)
	want := []string{v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged, v1alpha1.EventLocked, v1alpha1.EventUnlocked}
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal(want), "the lock ended by itself")

	lockOut()
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.UnlockTime = at(w.clock.Now()) })
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	w.barrier(a)
	want = append(want, v1alpha1.EventLocked, v1alpha1.EventUnlocked)
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal(want), "the lock was ended on request")

	// A lock for lack of logins begins without a write of the credential, and an edit of the policy ends it without one.
	idle := w.policy("idle", v1alpha1.PasswordPolicySpec{IdleLockDays: new(int32(1)), AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}})
	edit(w, a, underPolicy(idle))
	w.barrier(a)
	w.clock.advance(25 * time.Hour)
	w.barrier(a)
	w.eventually(a, standing(v1alpha1.StandingLocked, v1alpha1.ReasonIdle))
	edit(w, idle, func(p *v1alpha1.PasswordPolicy) { p.Spec.IdleLockDays = new(int32(0)) })
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	w.barrier(a)
	want = append(want, v1alpha1.EventLocked, v1alpha1.EventUnlocked)
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal(want), "the account was not used")
}
