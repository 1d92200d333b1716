package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/credential"
)

// marked marks an account as an earlier version did: the mark does not say whose it is.
func marked(a *v1alpha1.UserAccount) {
	a.Annotations = map[string]string{v1alpha1.AnnotationInitialized: "true"}
}

// markedAs marks an account with the name of another one, as if it had been copied.
func markedAs(namespace, name string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) {
		a.Annotations = map[string]string{
			v1alpha1.AnnotationInitialized:      namespace + "/" + name,
			v1alpha1.AnnotationResetHandledTime: time.Now().UTC().Format(time.RFC3339),
		}
	}
}

func called(username string) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) { a.Spec.Username = username }
}

// outcome is what becomes of the credential under a username.
type outcome struct {
	password, event string
	samePerson      bool // the credential keeps its account ID
}

var (
	goesOn   = outcome{own, "", true}
	adopted  = outcome{own, v1alpha1.EventAdopted, true}
	replaced = outcome{initial, v1alpha1.EventReplaced, false}
	anew     = outcome{initial, "", false}
)

// TestIdentity: in each row there is an account whose person has changed the password. While no operator runs, something happens to the account
// or its credential. Then an operator starts and decides whose the credential is.
func TestIdentity(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(time.Hour)
	// again deletes the account and creates one of the same name.
	again := func(a *v1alpha1.UserAccount, edits ...func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
		w.delete(a)
		return w.account(a.Name, append([]func(*v1alpha1.UserAccount){handedOut(a.Name)}, edits...)...)
	}
	loseCredential := func(a *v1alpha1.UserAccount) { w.delete(w.credentialSecret(a)) }
	tests := map[string]struct {
		happens func(*v1alpha1.UserAccount) *v1alpha1.UserAccount // returns the account to look at
		outcome outcome
	}{
		"same-uid": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount { return a }, goesOn},
		"same-uid-unmarked": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Annotations = nil })
			return a
		}, goesOn},
		"restored-by-name": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			return again(a, markedAs(a.Namespace, a.Name))
		}, adopted},
		"created-again-as-a-copy": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			return again(a, markedAs(a.Namespace, "somebody"))
		}, replaced},
		"created-again-as-a-copy-from-elsewhere": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			return again(a, markedAs("elsewhere", a.Name))
		}, replaced},
		"restored":           {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount { return again(a, marked) }, adopted},
		"created-again":      {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount { return again(a) }, replaced},
		"created-other-case": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount { return again(a, called("CREATED-Other-Case")) }, replaced},
		"other-is-gone": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			w.delete(a)
			return w.account("heir", handedOut(a.Name), called("other-is-gone"))
		}, replaced},
		"other-is-gone-marked": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			w.delete(a)
			return w.account("marked-heir", handedOut(a.Name), called("other-is-gone-marked"), marked)
		}, replaced},
		"other-has-new-username": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			again(a, called("something-else"))
			return w.account("namesake", handedOut(a.Name), called("other-has-new-username"))
		}, replaced},
		"lost-unmarked": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			loseCredential(a)
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Annotations = nil })
			return a
		}, anew},
		"lost-reset-asked": {func(a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			loseCredential(a)
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
			return a
		}, anew},
	}
	o := w.run()
	accounts, were := map[string]*v1alpha1.UserAccount{}, map[string]*credential.Record{}
	for name := range tests {
		w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
	}
	for name, a := range accounts {
		w.eventually(a, ready)
		w.choose(a, own)
		w.eventually(a, standing(v1alpha1.StandingActive, ""))
		were[name] = w.credential(a)
	}
	o.stop()
	for name, tt := range tests {
		accounts[name] = tt.happens(accounts[name])
	}
	earlier := len(w.events.all())
	w.run()
	for name, tt := range tests {
		a := accounts[name]
		w.eventually(a, ready)
		w.barrier(a)
		is := w.credential(a)
		w.g.Expect(w.accepts(a, tt.outcome.password)).To(gomega.BeTrue(), name)
		w.g.Expect(is.Owner.UID).To(gomega.Equal(string(a.UID)), name)
		w.g.Expect(a.Annotations).To(gomega.HaveKeyWithValue(v1alpha1.AnnotationInitialized,
			gomega.Or(gomega.Equal(a.Namespace+"/"+a.Name), gomega.Equal("true"))), name)
		if tt.outcome.samePerson {
			w.g.Expect(is.AccountID).To(gomega.Equal(were[name].AccountID), name)
			ended := int64(0)
			if tt.outcome == adopted {
				ended = 1 // The deletion has ended the sessions.
			}
			w.g.Expect(is.SessionGeneration).To(gomega.Equal(were[name].SessionGeneration+ended), name)
			w.g.Expect(is.Password).To(gomega.Equal(were[name].Password), name)
		} else {
			w.g.Expect(is.AccountID).NotTo(gomega.Equal(were[name].AccountID), name)
		}
		if !tt.outcome.samePerson && is.UID() == were[name].UID() {
			w.g.Expect(is.SessionGeneration).To(gomega.BeNumerically(">", were[name].SessionGeneration), name)
		}
		for _, e := range w.events.all()[earlier:] {
			if e.object == a.Name && e.reason != v1alpha1.EventPasswordReset {
				w.g.Expect(e.reason).To(gomega.Equal(tt.outcome.event), name)
			}
		}
	}
}

// TestMarkedAccountWaits: a marked account without a credential waits for it, whoever has marked it. Only a resetTime later than its creation
// gives it a new one.
func TestMarkedAccountWaits(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	before := at(time.Now().Add(-time.Hour))
	a := w.account("ada", handedOut("ada"), marked, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = before })
	waits := []check{
		notReady(v1alpha1.ConditionCredentialFound, v1alpha1.ConditionReasonCredentialNotFound, "InProgress"),
		standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound),
		condition(v1alpha1.ConditionPasswordApplied, "False", v1alpha1.ConditionReasonPending),
	}
	w.eventually(a, waits...)
	w.barrier(a)
	w.eventually(a, waits...)
	_, err := w.store.Get(ctx, credentialName(a))
	w.g.Expect(err).To(gomega.MatchError(credential.ErrNotFound))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Expect(w.accepts(a, initial)).To(gomega.BeTrue())
}

// TestCopiedAccount: an account that was copied with all its annotations, under another name or into another namespace, is a new person: the
// mark is that of another account. Copied with its username, it is in conflict as any other.
func TestCopiedAccount(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	w.addNamespace(w.name+"-elsewhere", nil)
	w.secret("ada", initial)
	first := w.account("ada", handedOut("ada"))
	w.eventually(first, ready)
	edit(w, first, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	w.eventually(first, ready, func(a *v1alpha1.UserAccount) string {
		if a.Annotations[v1alpha1.AnnotationResetHandledTime] == "" {
			return "the reset is not noted"
		}
		return ""
	})
	w.choose(first, own)
	w.eventually(first, standing(v1alpha1.StandingActive, ""))
	was := w.credential(first)
	copied := func(edit func(*v1alpha1.UserAccount)) *v1alpha1.UserAccount {
		again, _ := exported(first).(*v1alpha1.UserAccount)
		edit(again)
		w.must(admin.Create(ctx, again))
		return again
	}
	renamed := copied(func(a *v1alpha1.UserAccount) { a.Name = "bob" })
	w.secret("ada", second, func(s *corev1.Secret) { s.Namespace = w.name + "-elsewhere" })
	moved := copied(func(a *v1alpha1.UserAccount) { a.Namespace = w.name + "-elsewhere" })
	conflict := copied(func(a *v1alpha1.UserAccount) { a.Name, a.Spec.Username = "other", "Ada" })
	for a, password := range map[*v1alpha1.UserAccount]string{renamed: initial, moved: second} {
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
		w.g.Expect(w.accepts(a, password)).To(gomega.BeTrue())
		w.g.Expect(w.credential(a).AccountID).NotTo(gomega.Equal(was.AccountID))
		w.g.Expect(a.Annotations).To(gomega.HaveKeyWithValue(v1alpha1.AnnotationInitialized, a.Namespace+"/"+a.Name))
	}
	writes := o.traffic.about("bob", credentialName(renamed))
	w.g.Expect(writes).To(gomega.HaveLen(3), "as any new account: %v", writes)
	w.eventually(conflict, notReady(v1alpha1.ConditionUsernameAccepted, v1alpha1.ConditionReasonUsernameConflict, "Failed"))
	w.g.Expect(w.credential(first).ResourceVersion()).To(gomega.Equal(was.ResourceVersion()), "the first is not touched")

	// From now on the copy is an account as any other: it waits for its credential when that is lost.
	lost := w.credentialSecret(renamed)
	w.delete(lost)
	w.eventually(renamed, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	w.must(admin.Create(ctx, exported(lost)))
	w.eventually(renamed, ready)
}

// TestMarkOfAnEarlierVersion: a mark of an earlier version is valid, and an operator that starts does not rewrite it. It is renewed when the
// account has to be written anyway, so that a copy of the account is a new person.
func TestMarkOfAnEarlierVersion(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	id := w.credential(a).AccountID
	o.stop()
	edit(w, a, marked)
	o = w.run()
	w.eventually(w.account("later"), ready) // By then the operator has reconciled all that there was at its start.
	w.g.Expect(o.traffic.about("ada", credentialName(a))).To(gomega.BeEmpty(), "writes at the start")

	w.barrier(a)
	w.g.Expect(o.traffic.about("ada", credentialName(a))).To(gomega.HaveLen(2), "the status, which the barrier asks for, and the mark")
	w.must(admin.Get(ctx, keyOf(a), a))
	w.g.Expect(a.Annotations).To(gomega.HaveKeyWithValue(v1alpha1.AnnotationInitialized, w.namespace+"/ada"))
	w.g.Expect(w.credential(a).AccountID).To(gomega.Equal(id))
}

// TestHandledResetStartsNothingAnew: a reset took effect, and then the credential was lost. That reset does not give the account a new
// credential, since its password is an old one.
func TestHandledResetStartsNothingAnew(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Eventually(func() map[string]string {
		w.must(admin.Get(ctx, keyOf(a), a))
		return a.Annotations
	}, patience, glance).Should(gomega.HaveKey(v1alpha1.AnnotationResetHandledTime))
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))

	lost := w.credentialSecret(a)
	w.delete(lost)
	w.eventually(a, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	w.barrier(a)
	w.eventually(a, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	w.must(admin.Create(ctx, exported(lost)))
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	w.g.Expect(w.accepts(a, own)).To(gomega.BeTrue())
}

// TestHandledResetWithAFraction: a resetTime may have a fraction of a second, as JavaScript's toISOString() writes it. After it took effect, it
// does not bring back the password that was handed out then.
func TestHandledResetWithAFraction(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	declare := func(format string, args ...any) { // An update of the whole account would cut the fraction.
		w.must(admin.Patch(ctx, a, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, args...))))
	}
	resetTime := w.clock.Now().UTC().Truncate(time.Second).Add(-time.Second + 123*time.Millisecond)
	declare(`{"spec":{"password":{"resetTime":%q}}}`, resetTime.Format(time.RFC3339Nano))
	w.g.Eventually(func() string {
		w.must(admin.Get(ctx, keyOf(a), a))
		return a.Annotations[v1alpha1.AnnotationResetHandledTime]
	}, patience, glance).Should(gomega.Equal(resetTime.Format(time.RFC3339Nano)))
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))

	lost := w.credentialSecret(a)
	w.delete(lost)
	w.eventually(a, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	declare(`{"spec":{"displayName":"Ada"}}`)
	w.eventually(a, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonCredentialNotFound))
	w.must(admin.Create(ctx, exported(lost)))
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	w.g.Expect(w.accepts(a, own)).To(gomega.BeTrue())
}
