package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestUsernameConflict: of two accounts of one username the first has it until it is gone, however the other spells it or is marked.
func TestUsernameConflict(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.secret("first", initial)
	w.secret("later", second)
	first := w.account("first", handedOut("first"), called("Ada@Example"))
	w.eventually(first, ready)
	w.choose(first, own)
	w.eventually(first, standing(v1alpha1.StandingActive, ""))
	was := w.credential(first)

	later := w.account("later", handedOut("later"), called("ada@eXample"))
	copied := w.account("copied", handedOut("later"), called("ADA@EXAMPLE"), marked)
	for _, a := range []*v1alpha1.UserAccount{later, copied} {
		w.eventually(a, notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameConflict, "Failed"),
			says(v1alpha1.ConditionUsernameAccepted, `"first"`),
			standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonUsernameNotAccepted))
		w.barrier(a)
	}
	w.g.Expect(w.credential(first).ResourceVersion()).To(gomega.Equal(was.ResourceVersion()), "the first is not touched")
	o.stop()
	w.run() // Not even by an operator that starts.
	w.barrier(later)
	w.g.Expect(w.credential(first).ResourceVersion()).To(gomega.Equal(was.ResourceVersion()))

	w.delete(copied, first)
	w.eventually(later, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Expect(w.accepts(later, second)).To(gomega.BeTrue(), "a new person, never the old password")
	w.g.Expect(w.credential(later).AccountID).NotTo(gomega.Equal(was.AccountID))
	w.g.Expect(w.credential(later).SessionGeneration).To(gomega.BeNumerically(">", was.SessionGeneration))
}

// TestUsernameIsKeptWithoutACredential: the first account keeps its username while its credential is lost, whatever the others request. Else
// they would take it in the moment in which the credential is deleted to be restored.
func TestUsernameIsKeptWithoutACredential(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	w.secret("first", initial)
	w.secret("later", second)
	first := w.account("first", handedOut("first"), called("Ada@Example"))
	w.eventually(first, ready)
	w.choose(first, own)
	w.eventually(first, standing(v1alpha1.StandingActive, ""))
	w.g.Eventually(time.Now, patience, glance).Should(gomega.BeTemporally(">", first.CreationTimestamp.Add(time.Second)))
	later := w.account("later", handedOut("later"), called("ada@eXample"))
	copied := w.account("copied", handedOut("later"), called("ADA@EXAMPLE"), marked)
	conflict := []check{
		notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameConflict, "Failed"),
		says(v1alpha1.ConditionUsernameAccepted, `"first"`),
	}
	waits := func() {
		w.barrier(later)
		w.barrier(copied)
		w.eventually(later, conflict...)
		w.eventually(first, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	}
	w.eventually(later, conflict...)
	w.eventually(copied, conflict...)

	lost := w.credentialSecret(first)
	w.delete(lost)
	waits()
	edit(w, copied, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	waits()
	w.eventually(copied, conflict...)
	o.stop()
	w.run() // Nor does one that starts give it away.
	waits()
	w.must(admin.Create(ctx, exported(lost)))
	w.eventually(first, ready, standing(v1alpha1.StandingActive, ""))
	w.g.Expect(w.accepts(first, own)).To(gomega.BeTrue())
	w.eventually(later, conflict...)

	// What the others ask for does not keep the first from starting anew.
	w.delete(w.credentialSecret(first))
	waits()
	w.clock.advance(time.Minute)
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	w.eventually(first, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Expect(w.accepts(first, initial)).To(gomega.BeTrue())

	w.delete(w.credentialSecret(first))
	waits()
	w.delete(first, copied)
	w.eventually(later, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Expect(w.accepts(later, second)).To(gomega.BeTrue())
}

// TestUsernameInvalid: an account whose name is too long for a username needs spec.username.
func TestUsernameInvalid(t *testing.T) {
	w := newWorld(t)
	w.run()
	long := ""
	for len(long) < 130 {
		long += "a"
	}
	a := w.account(long)
	w.eventually(a, notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameInvalid, "Failed"),
		standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonUsernameNotAccepted))
	w.eventually(w.account(long+"-2", called("ada")), ready)
}
