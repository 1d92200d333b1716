package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
)

const (
	// handed is the password that an administrator hands out by hand, and grace is the administrator.
	handed = "Handed-out-Willow-45"
	grace  = "keyturn:platform:grace"
)

// byHand acts on a credential by hand, under the account as it is declared now.
func (w *world) byHand(a *v1alpha1.UserAccount, act func(account.Rules, account.Credential) (account.Credential, error)) {
	w.t.Helper()
	current := &v1alpha1.UserAccount{}
	w.must(admin.Get(ctx, keyOf(a), current))
	w.change(current, func(rules account.Rules, c account.Credential) account.Credential {
		after, err := act(rules, c)
		w.must(err)
		return after
	})
}

// resetByHand hands out a password by hand.
func (w *world) resetByHand(a *v1alpha1.UserAccount) {
	w.t.Helper()
	w.hide(handed)
	w.byHand(a, func(rules account.Rules, c account.Credential) (account.Credential, error) {
		encoded, err := hash.Create(handed, cheap)
		w.must(err)
		digests := account.Digests{}
		if rules.Policy.HistoryCount > 0 {
			digests.Salt = c.History.Salt
			digests.New = hash.Digest(handed, digests.Salt)
		}
		return rules.ResetByHand(c, grace, encoded, digests)
	})
}

// notes returns the texts of the events of a reason about an object.
func (l *eventLog) notes(object, reason string) []string {
	notes := []string{}
	for _, e := range l.all() {
		if e.object == object && e.reason == reason {
			notes = append(notes, e.note)
		}
	}
	return notes
}

// gitOps applies an account and its Secret as a GitOps controller does, round after round.
func (w *world) gitOps(name, password string) {
	w.t.Helper()
	w.hide(password)
	manifest := func(kind, apiVersion string, fields map[string]any) *unstructured.Unstructured {
		object := &unstructured.Unstructured{Object: fields}
		object.SetAPIVersion(apiVersion)
		object.SetKind(kind)
		object.SetNamespace(w.namespace)
		object.SetName(name)
		object.SetLabels(w.labels())
		return object
	}
	for _, object := range []*unstructured.Unstructured{
		manifest("Secret", "v1", map[string]any{"type": string(v1alpha1.SecretTypePassword), "stringData": map[string]any{"password": password}}),
		manifest("UserAccount", v1alpha1.SchemeGroupVersion.String(), map[string]any{"spec": map[string]any{
			"password": map[string]any{"secretRef": map[string]any{"name": name}},
		}}),
	} {
		w.must(admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("gitops"), client.ForceOwnership))
	}
}

// TestGitOpsBesideByHand: a GitOps controller that goes on applying an account and its Secret does not undo what is done by hand, and
// has nothing to correct. A later change of the Secret wins, and is not undone by what was done by hand before.
func TestGitOpsBesideByHand(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.gitOps("ada", initial)
	a := &v1alpha1.UserAccount{ObjectMeta: objectMeta(w.namespace, "ada")}
	secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, "ada")}
	w.eventually(a, ready)
	w.choose(a, own)
	w.resetByHand(a)
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
	declared, settled := a.DeepCopy(), w.credential(a)
	w.must(admin.Get(ctx, keyOf(secret), secret))
	revision := secret.ResourceVersion
	for range 3 {
		w.gitOps("ada", initial)
		w.barrier(a)
		w.must(admin.Get(ctx, keyOf(secret), secret))
	}
	w.g.Expect(secret.ResourceVersion).To(gomega.Equal(revision), "nothing has written the Secret")
	w.g.Expect(a.Spec.Password).To(gomega.Equal(declared.Spec.Password), "nothing has drifted")
	w.g.Expect(w.credential(a).ResourceVersion()).To(gomega.Equal(settled.ResourceVersion()), "nothing has written the credential")

	for _, again := range []func(){ // The same value, as revisions that nobody has looked at.
		func() { edit(w, secret, func(s *corev1.Secret) { s.Labels["team"] = "blue" }) },
		func() { w.delete(secret); w.gitOps("ada", initial) },
	} {
		again()
		w.lookedAt(a, secret)
		w.g.Expect(w.accepts(a, handed)).To(gomega.BeTrue(), "the reset by hand stays")
	}
	w.byHand(a, func(rules account.Rules, c account.Credential) (account.Credential, error) {
		return rules.SignOutByHand(c, grace)
	})
	w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(settled.SessionGeneration + 1))

	w.gitOps("ada", second)
	w.lookedAt(a, secret)
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
	w.g.Expect(w.accepts(a, second)).To(gomega.BeTrue(), "a later change of the Secret wins")
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal([]string{
		v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged, v1alpha1.EventPasswordReset, v1alpha1.EventPasswordReset,
	}))
	const applied = "The password of the Secret was applied"
	w.g.Expect(w.events.notes("ada", v1alpha1.EventPasswordReset)).To(gomega.Equal([]string{applied, "An administrator reset the password", applied}))
	for _, e := range w.events.all() {
		w.g.Expect(e.note).NotTo(gomega.ContainSubstring("grace"), "an event names nobody")
	}
}

// TestRejectedBeforeResetByHand: a revision that was rejected, or could not be judged, before a reset by hand stays so, whatever becomes of
// the policy, and a new operator says so, too. Another revision, or a resetTime, has it judged.
func TestRejectedBeforeResetByHand(t *testing.T) {
	t.Parallel()
	const weak = "Weak-41-x"
	words := func(w *world) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: objectMeta(w.system, "words"), Data: map[string]string{"list": "lantern"}}
	}
	minimum := func(n int32) func(*world, *v1alpha1.PasswordPolicy) {
		return func(w *world, p *v1alpha1.PasswordPolicy) {
			edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = &n })
		}
	}
	tests := map[string]struct {
		spec v1alpha1.PasswordPolicySpec
		// strict and lax make the policy so; it begins lax.
		strict, lax           func(*world, *v1alpha1.PasswordPolicy)
		reason, kstatus, says string
	}{
		"rejected": {
			v1alpha1.PasswordPolicySpec{}, minimum(16), minimum(8), v1alpha1.ConditionReasonPolicyViolation, "Failed", "was rejected",
		},
		"not to be judged": {
			v1alpha1.PasswordPolicySpec{DenyList: v1alpha1.DenyListRule{ConfigMapRefs: []v1alpha1.ConfigMapReference{{Name: "words"}}}},
			func(w *world, _ *v1alpha1.PasswordPolicy) { w.delete(words(w)) },
			func(w *world, _ *v1alpha1.PasswordPolicy) { w.must(admin.Create(ctx, words(w))) },
			v1alpha1.ConditionReasonDenyListNotFound, "InProgress", "could not be judged",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.run()
			w.clock.advance(time.Hour)
			tt.spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
			p := w.policy("edited", tt.spec)
			tt.lax(w, p)
			type mended struct {
				account *v1alpha1.UserAccount
				secret  *corev1.Secret
				mend    func(*v1alpha1.UserAccount, *corev1.Secret)
			}
			accounts := map[string]*mended{
				"revision": {mend: func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
					edit(w, s, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
				}},
				"reset-time": {mend: func(a *v1alpha1.UserAccount, _ *corev1.Secret) {
					edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now().Add(-time.Minute)) })
				}},
			}
			for name, m := range accounts {
				m.secret = w.secret(name, initial)
				m.account = w.account(name, handedOut(name), underPolicy(p))
				w.eventually(m.account, ready)
			}
			tt.strict(w, p)
			for _, m := range accounts {
				w.barrier(m.account)
				edit(w, m.secret, func(s *corev1.Secret) { s.Data["password"] = []byte(weak) })
				w.eventually(m.account, notReady(v1alpha1.ConditionPasswordApplied, tt.reason, tt.kstatus))
				w.lookedAt(m.account, m.secret)
				w.resetByHand(m.account)
			}
			stays := func(when string) {
				t.Helper()
				for name, m := range accounts {
					w.eventually(m.account, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"),
						says(v1alpha1.ConditionPasswordApplied, tt.says, "reset the password since"), standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
					w.barrier(m.account)
					w.g.Expect(w.accepts(m.account, handed)).To(gomega.BeTrue(), "%s, %s", name, when)
				}
			}
			stays("at once")
			tt.lax(w, p)
			w.policyIs(p, metav1.ConditionTrue, v1alpha1.ConditionReasonSucceeded)
			stays("though the policy would accept it")
			o.stop()
			w.run()
			stays("with another operator")
			for name, m := range accounts {
				m.mend(m.account, m.secret)
				w.eventually(m.account, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
				w.g.Expect(w.accepts(m.account, weak)).To(gomega.BeTrue(), name)
			}
		})
	}
}

// TestResetTimeBesideByHand: a resetTime that was due at a reset by hand does nothing after it, also where the credential is lost: the account
// remembers that it was handled. One in the future takes effect when its time has come.
func TestResetTimeBesideByHand(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	accounts := map[string]*v1alpha1.UserAccount{}
	for _, name := range []string{"due", "to-come"} {
		w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
		w.eventually(accounts[name], ready)
		w.choose(accounts[name], own)
		w.eventually(accounts[name], standing(v1alpha1.StandingActive, ""))
	}
	o.stop() // Nobody handles the request before the reset by hand.
	due, toCome := at(w.clock.Now()), at(w.clock.Now().Add(time.Hour))
	for name, resetTime := range map[string]*v1alpha1.Instant{"due": due, "to-come": toCome} {
		edit(w, accounts[name], func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = resetTime })
		w.resetByHand(accounts[name])
	}
	before := map[string]string{}
	for name, a := range accounts {
		before[name] = fmt.Sprint(w.credential(a).SessionGeneration)
	}
	w.run()
	for name, a := range accounts {
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		w.barrier(a)
		w.g.Expect(w.accepts(a, handed)).To(gomega.BeTrue(), name)
		w.g.Expect(fmt.Sprint(w.credential(a).SessionGeneration)).To(gomega.Equal(before[name]), name)
	}
	w.eventually(accounts["to-come"], condition(v1alpha1.ConditionRequestPending, metav1.ConditionTrue, v1alpha1.ConditionReasonInFuture))
	w.clock.advance(time.Hour)
	for name, want := range map[string]string{"due": handed, "to-come": initial} {
		w.barrier(accounts[name])
		w.g.Expect(w.accepts(accounts[name], want)).To(gomega.BeTrue(), "%s, an hour later", name)
	}

	lost := accounts["due"]
	w.delete(w.credentialSecret(lost))
	w.eventually(lost, condition(v1alpha1.ConditionCredentialFound, metav1.ConditionFalse, v1alpha1.ConditionReasonCredentialNotFound))
	w.barrier(lost)
	_, err := w.store.Get(ctx, credentialName(lost))
	w.g.Expect(err).To(gomega.HaveOccurred(), "the resetTime that was handled by hand has started the account anew")
}

// TestUnlockByHandEvents: what is done by hand shows in the status, and its events are those of other ways to the same.
func TestUnlockByHandEvents(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	for range 10 {
		w.change(a, func(rules account.Rules, c account.Credential) account.Credential { return rules.Failed(c) })
	}
	w.eventually(a, ready, standing(v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures))
	w.byHand(a, func(rules account.Rules, c account.Credential) (account.Credential, error) {
		return rules.UnlockByHand(c, grace)
	})
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	w.byHand(a, func(rules account.Rules, c account.Credential) (account.Credential, error) {
		return rules.RequireChangeByHand(c, grace)
	})
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested))
	w.byHand(a, account.Rules.WithdrawRequiredChange)
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal([]string{
		v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged, v1alpha1.EventLocked, v1alpha1.EventUnlocked,
	}))
}
