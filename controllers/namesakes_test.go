package controllers_test

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestNamesakesCostNoReads: accounts that wait for a username cost nothing while another has it. A write of its credential reconciles the
// owner alone, and an edit of one that waits reads no other account live. When the owner is deleted, one of them gets the username.
func TestNamesakesCostNoReads(t *testing.T) {
	const namesakes, writes = 30, 5
	w := newWorld(t)
	o := w.run()
	w.secret("ada", initial)
	first := w.account("ada", handedOut("ada"))
	w.eventually(first, ready)
	var later []*v1alpha1.UserAccount
	for n := range namesakes {
		later = append(later, w.account(fmt.Sprintf("ada-%d", n), called("Ada")))
	}
	conflict := notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameConflict, "Failed")
	for _, a := range later {
		w.eventually(a, conflict)
	}
	w.barrier(first)
	reads, reconciles := o.traffic.accountReads(), o.reconciles.asked.Load()
	for n := range writes {
		w.choose(first, fmt.Sprintf("%s-%d", own, n))
		w.barrier(first)
	}
	w.g.Expect(o.reconciles.asked.Load()-reconciles).To(gomega.BeNumerically("<", namesakes), "reconciliations of accounts")
	w.delete(later[0])
	for _, a := range later[1:] {
		w.barrier(a)
		w.eventually(a, conflict)
	}
	w.g.Expect(o.traffic.accountReads()-reads).To(gomega.BeZero(), "live reads of accounts")

	// While the credential is missing, the account that had it keeps the username. Each of the others finds that by one read.
	lost := w.credentialSecret(first)
	reads = o.traffic.accountReads()
	w.delete(lost)
	w.eventually(first, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	for _, a := range later[1:] {
		w.barrier(a)
		w.eventually(a, conflict)
	}
	w.g.Expect(o.traffic.accountReads()-reads).To(gomega.BeNumerically("<", namesakes*namesakes/4), "live reads of accounts")
	w.must(admin.Create(ctx, exported(lost)))
	w.eventually(first, ready)

	w.delete(first)
	w.g.Eventually(func() int {
		heirs := 0
		for _, a := range later[1:] {
			w.must(admin.Get(ctx, keyOf(a), a))
			if conditionIn(a.Status.Conditions, v1alpha1.ConditionUsernameAccepted, "True", v1alpha1.ConditionReasonAccepted) == "" {
				heirs++
			}
		}
		return heirs
	}, patience, glance).Should(gomega.Equal(1))
}
