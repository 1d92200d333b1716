package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// orphaned waits until the credential is noted as one without an account, or is so no longer.
func (w *world) orphaned(a *v1alpha1.UserAccount, want bool) {
	w.t.Helper()
	w.g.Eventually(func() bool { return !w.credential(a).OrphanedTime.IsZero() }, patience, glance).Should(gomega.Equal(want))
}

// touchCredential has the orphan controller reconcile a credential, which it would do by itself in days of real time.
func (w *world) touchCredential(a *v1alpha1.UserAccount, value string) {
	w.t.Helper()
	edit(w, w.credentialSecret(a), func(s *corev1.Secret) { s.Labels = map[string]string{"touched": value} })
}

// swept waits until the sweeper is done with so many looks, of all that it has had. They come one at a time, so the next
// one, at a credential that is touched for it, reports that they are over.
func (w *world) swept(o *operator, looks int64, a *v1alpha1.UserAccount) {
	w.t.Helper()
	w.g.Eventually(o.sweeps.asked.Load, patience, glance).Should(gomega.BeNumerically(">=", looks))
	looks = o.sweeps.asked.Load()
	w.touchCredential(a, fmt.Sprintf("look-%d", time.Now().UnixNano())) // A new value each time, else there would be no event.
	w.g.Eventually(o.sweeps.asked.Load, patience, glance).Should(gomega.BeNumerically(">", looks))
}

// TestOrphanedCredentials: a credential is deleted when its account has been gone for the grace period. It stays if the account comes back, and if this
// version cannot read it.
func TestOrphanedCredentials(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	accounts := map[string]*v1alpha1.UserAccount{}
	for _, name := range []string{"gone", "back", "unreadable", "stays"} {
		w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
	}
	for _, a := range accounts {
		w.eventually(a, ready)
	}
	w.g.Expect(o.traffic.about(credentialName(accounts["stays"]))).To(gomega.HaveLen(1), "created and never swept")
	w.choose(accounts["back"], own)
	w.delete(accounts["gone"], accounts["back"])
	w.orphaned(accounts["gone"], true)
	w.orphaned(accounts["back"], true)
	unreadable := w.credentialSecret(accounts["unreadable"])
	edit(w, unreadable, func(s *corev1.Secret) { s.Data["format"] = []byte("99") })
	w.delete(accounts["unreadable"])

	accounts["back"] = w.account("back", handedOut("back"), marked)
	w.eventually(accounts["back"], ready, standing(v1alpha1.StandingActive, ""))
	w.orphaned(accounts["back"], false)
	w.g.Expect(w.accepts(accounts["back"], own)).To(gomega.BeTrue())

	first := w.credential(accounts["gone"]).OrphanedTime
	w.clock.advance(orphanGrace - time.Hour)
	looks := o.sweeps.asked.Load()
	w.touchCredential(accounts["gone"], "early")
	w.swept(o, looks+1, accounts["stays"])
	for range 2 { // An operator that starts reconciles all of them.
		o.stop()
		o = w.run()
		w.swept(o, 3, accounts["stays"])
		w.g.Expect(w.credential(accounts["gone"]).OrphanedTime).To(gomega.Equal(first), "the grace does not begin anew")
	}
	w.clock.advance(2 * time.Hour)
	secret := w.credentialSecret(accounts["gone"])
	looks = o.sweeps.asked.Load()
	for _, name := range []string{"gone", "back", "unreadable", "stays"} {
		w.touchCredential(accounts[name], "late")
	}
	w.gone(secret)
	w.swept(o, looks+3, accounts["stays"])
	for _, name := range []string{"back", "unreadable", "stays"} {
		w.g.Expect(w.credentialSecret(accounts[name]).DeletionTimestamp).To(gomega.BeNil())
	}
	w.g.Expect(o.traffic.about(unreadable.Name)).To(gomega.BeEmpty())
	w.g.Expect(o.traffic.about(credentialName(accounts["stays"]))).To(gomega.BeEmpty())
}
