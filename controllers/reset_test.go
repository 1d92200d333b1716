package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// lookedAt waits until the operator has read the Secret as it is now.
func (w *world) lookedAt(a *v1alpha1.UserAccount, secret *corev1.Secret) {
	w.t.Helper()
	w.must(admin.Get(ctx, keyOf(secret), secret))
	w.g.Eventually(func() []string {
		source := w.credential(a).Reset.Source
		return []string{source.SecretName, source.UID, source.ResourceVersion}
	}, patience, glance).Should(gomega.Equal([]string{secret.Name, string(secret.UID), secret.ResourceVersion}))
	w.eventually(a)
}

// recreated deletes an object and creates it again, as a restore does.
func recreated(secret *corev1.Secret) *corev1.Secret {
	again := secret.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, Labels: secret.Labels}
	return again
}

// hashLike looks like a hash, and is a password as any other: who has a hash cannot put it in force.
const hashLike = "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo"

// TestResets: what is done to a Secret, and which password is in force then. Before, the person has changed the first one.
func TestResets(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	tests := map[string]struct {
		do func(*v1alpha1.UserAccount, *corev1.Secret)
		// reset is the password that is in force then; "" where there is no reset.
		reset string
	}{
		"value-changed": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
		}, second},
		"value-changed-by-recreation": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			w.delete(s)
			*s = *recreated(s)
			s.Data["password"] = []byte(second)
			w.must(admin.Create(ctx, s))
		}, second},
		"value-changed-with-newline": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(second + "\r\n") })
		}, second},
		"value-changed-to-what-looks-like-a-hash": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(hashLike) })
		}, hashLike},
		"newline-added": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(initial + "\n") })
		}, ""},
		"relabelled": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
		}, ""},
		"other-key-changed": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["other"] = []byte("of no matter") })
		}, ""},
		"recreated": {func(_ *v1alpha1.UserAccount, s *corev1.Secret) {
			w.delete(s)
			*s = *recreated(s)
			w.must(admin.Create(ctx, s))
		}, ""},
		"other-key-same-value": {func(a *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["again"] = []byte(initial) })
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.SecretRef.Key = "again" })
		}, ""},
		"reset-time": {func(a *v1alpha1.UserAccount, _ *corev1.Secret) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
		}, initial},
		"reset-time-with-value": {func(a *v1alpha1.UserAccount, s *corev1.Secret) {
			edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
		}, second},
	}
	accounts, secrets := map[string]*v1alpha1.UserAccount{}, map[string]*corev1.Secret{}
	for name := range tests {
		secrets[name] = w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
	}
	for _, a := range accounts {
		w.eventually(a, ready)
		w.choose(a, own)
	}
	for name, tt := range tests {
		a, s := accounts[name], secrets[name]
		w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
		before := w.credential(a)
		tt.do(a, s)
		if tt.reset == "" {
			w.lookedAt(a, s)
			w.barrier(a)
			w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
			w.g.Expect(w.credential(a).Password).To(gomega.Equal(before.Password), name)
			w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(before.SessionGeneration), name)
			continue
		}
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		w.lookedAt(a, s)
		w.barrier(a)
		w.g.Expect(w.accepts(a, tt.reset)).To(gomega.BeTrue(), name)
		resets := w.credential(a).SessionGeneration - before.SessionGeneration
		if name != "reset-time-with-value" { // These are two edits, which the operator may see one by one.
			w.g.Expect(resets).To(gomega.Equal(int64(1)), "%s: one reset", name)
		}
	}
	trimmed := 0
	for _, e := range w.events.all() {
		if e.reason == v1alpha1.EventNewlineTrimmed {
			trimmed++
			w.g.Expect(e.object).To(gomega.Equal("value-changed-with-newline"))
		}
	}
	w.g.Expect(trimmed).To(gomega.Equal(1), "reported when it is applied, and only then")
}

// at returns an instant with the precision of the API.
func at(t time.Time) *v1alpha1.Instant { return new(v1alpha1.NewInstant(t.Truncate(time.Second))) }

// TestResetsRevealNoFormerPassword: who may write the Secret could guess at the passwords that the person has or had. So nothing shows
// whether a handed-out password is one of them. The history binds the person's next change.
func TestResetsRevealNoFormerPassword(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	p := w.policy("history", v1alpha1.PasswordPolicySpec{
		History:           v1alpha1.HistoryRule{Count: new(int32(3))},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	// One guess is what the person has, one what the person had, and one neither; what is reported must be the same.
	reports, accounts := map[string]string{}, map[string]*v1alpha1.UserAccount{}
	guesses := map[string]string{"current": own, "former": third, "neither": second}
	for name := range guesses {
		w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name), underPolicy(p))
	}
	for name, guess := range guesses {
		a := accounts[name]
		w.eventually(a, ready)
		w.choose(a, third)
		w.choose(a, own)
		w.eventually(a, standing(v1alpha1.StandingActive, ""))
		digests := len(w.credential(a).History.Digests)
		s := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, name)}
		edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(guess) })
		w.lookedAt(a, s)
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		w.barrier(a)
		w.g.Expect(w.accepts(a, guess)).To(gomega.BeTrue(), name)
		w.g.Expect(w.credential(a).History.Digests).To(gomega.HaveLen(digests+1), "%s: the history is extended", name)
		messages := ""
		for _, c := range a.Status.Conditions {
			messages += c.Type + " " + c.Reason + " " + c.Message + "\n"
		}
		reports[name] = messages + strings.Join(slices.Compact(w.events.reasons(name)), " ")
	}
	w.g.Expect(reports["current"]).To(gomega.Equal(reports["neither"]))
	w.g.Expect(reports["former"]).To(gomega.Equal(reports["neither"]))
}

// TestResetsRevealNoHandedOutPassword: a password was handed out, and its Secret deleted. Somebody tries guesses that are refused, as
// displayName or by the policy that the account chooses. What the operator shows must be the same for the right guess and a wrong one.
func TestResetsRevealNoHandedOutPassword(t *testing.T) {
	w := newWorld(t)
	w.run()
	strict := w.policy("strict", v1alpha1.PasswordPolicySpec{
		Length:            v1alpha1.LengthRule{Min: new(int32(40))},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	ways := map[string]func(*v1alpha1.UserAccount, string){
		"name": func(a *v1alpha1.UserAccount, guess string) {
			a.Spec.DisplayName = strings.ReplaceAll(strings.TrimRight(guess, "-0123456789"), "-", " ")
		},
		"policy": func(a *v1alpha1.UserAccount, _ string) { underPolicy(strict)(a) },
	}
	for way, declare := range ways {
		reports := map[string]string{}
		for name, guess := range map[string]string{"right": initial, "wrong": second} {
			s := w.secret(way+"-"+name, initial)
			a := w.account(way+"-"+name, handedOut(s.Name))
			w.eventually(a, ready)
			w.delete(s)
			before := w.credential(a)
			edit(w, a, func(a *v1alpha1.UserAccount) { declare(a, guess) })
			w.eventually(a, ready)
			again := w.secret(s.Name, guess)
			w.lookedAt(a, again)
			w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"))
			w.g.Expect(w.accepts(a, initial)).To(gomega.BeTrue(), "%s: the password in force stays", s.Name)
			w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(before.SessionGeneration), s.Name)
			messages := ""
			for _, c := range a.Status.Conditions {
				messages += c.Type + " " + c.Reason + " " + c.Message + "\n"
			}
			reports[name] = strings.ReplaceAll(messages, s.Name, "NAME") + strings.Join(slices.Compact(w.events.reasons(s.Name)), " ")
		}
		w.g.Expect(reports["right"]).To(gomega.Equal(reports["wrong"]), way)
	}
}

// TestAppliedBeforeThePolicyAskedForMore: a stricter policy leaves alone what was applied before, also when the Secret is labelled or created
// again. After one value that was refused, a password has to meet the policy to count as the one that was applied.
func TestAppliedBeforeThePolicyAskedForMore(t *testing.T) {
	w := newWorld(t)
	w.run()
	p := w.policy("tightened", v1alpha1.PasswordPolicySpec{
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	s := w.secret("ada", initial)
	a := w.account("ada", handedOut(s.Name), underPolicy(p))
	w.eventually(a, ready)
	before := w.credential(a)
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = new(int32(40)) })
	w.policyIs(p, "True", v1alpha1.ConditionReasonSucceeded)
	w.barrier(a)
	w.eventually(a, ready)
	edit(w, s, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
	w.lookedAt(a, s)
	w.eventually(a, ready)
	w.delete(s)
	s = recreated(s)
	w.must(admin.Create(ctx, s))
	w.lookedAt(a, s)
	w.eventually(a, ready)

	refused := notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed")
	for _, value := range []string{second, initial} {
		edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(value) })
		w.lookedAt(a, s)
		w.eventually(a, refused)
	}
	w.g.Expect(w.credential(a).Password).To(gomega.Equal(before.Password))
	w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(before.SessionGeneration))
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = nil })
	w.eventually(a, ready)
	w.g.Expect(w.credential(a).Password).To(gomega.Equal(before.Password))
}

// TestStoredRejectionForFormerPasswords: an earlier version has stored a rejection for the sake of former passwords. The password is judged
// again, and no message names the reason.
func TestStoredRejectionForFormerPasswords(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	o.stop()
	s := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, "ada")}
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(own) })
	w.change(a, func(_ account.Rules, c account.Credential) account.Credential {
		c.Reset.Source.ResourceVersion = s.ResourceVersion
		c.Reset.Rejected, c.Reset.RejectedPolicy = []policy.RequirementID{policy.RequirementHistory}, policy.Default().Fingerprint()
		return c
	})
	w.run()
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
	w.g.Expect(w.credential(a).Reset.Rejected).To(gomega.BeEmpty())
	w.g.Expect(w.accepts(a, own)).To(gomega.BeTrue())
}

func underPolicy(p *v1alpha1.PasswordPolicy) func(*v1alpha1.UserAccount) {
	return func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: p.Name} }
}
