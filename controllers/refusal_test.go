package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestRefusedSecrets: whatever is wrong with a Secret has a condition and an event. The password in force stays, and the next good Secret is
// applied.
func TestRefusedSecrets(t *testing.T) {
	w := newWorld(t)
	w.run()
	type row struct {
		make    func(*corev1.Secret) // nil: there is no Secret
		reason  string
		kstatus string
		says    string
	}
	value := func(v string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data["password"] = []byte(v) }
	}
	tests := map[string]row{
		"missing":  {nil, v1alpha1.ConditionReasonSecretNotFound, "InProgress", "does not exist"},
		"type":     {func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, v1alpha1.ConditionReasonSecretNotUsable, "Failed", "of type accounts.keyturn.dev/password"},
		"key":      {func(s *corev1.Secret) { s.Data = map[string][]byte{"other": []byte(second)} }, v1alpha1.ConditionReasonKeyNotFound, "Failed", `no key "password"`},
		"empty":    {value(""), v1alpha1.ConditionReasonValueInvalid, "Failed", "empty"},
		"newline":  {value("\n"), v1alpha1.ConditionReasonValueInvalid, "Failed", "empty"},
		"utf8":     {value("caf\xe9-au-lait-41"), v1alpha1.ConditionReasonValueInvalid, "Failed", "UTF-8"},
		"control":  {value("Tab\tOrchard-41"), v1alpha1.ConditionReasonValueInvalid, "Failed", "control character"},
		"lines":    {value("Two-lines-Orchard\n\n"), v1alpha1.ConditionReasonValueInvalid, "Failed", "line break"},
		"huge":     {value(strings.Repeat("Orchard-", 128) + "!"), v1alpha1.ConditionReasonValueInvalid, "Failed", "more than 1024 bytes"},
		"long":     {value(strings.Repeat("Orchard-", 128)), v1alpha1.ConditionReasonPolicyViolation, "Failed", "At most 64 characters"},
		"short":    {value("Sh0rt-!"), v1alpha1.ConditionReasonPolicyViolation, "Failed", "At least 8 characters"},
		"common":   {value("Password1"), v1alpha1.ConditionReasonPolicyViolation, "Failed", "Not a common password"},
		"username": {value("username"), v1alpha1.ConditionReasonPolicyViolation, "Failed", "Not your username"},
	}
	accounts := map[string]*v1alpha1.UserAccount{}
	for name := range tests {
		w.secret(name+"-good", initial)
		accounts[name] = w.account(name, handedOut(name+"-good"))
	}
	for name, tt := range tests {
		a := accounts[name]
		w.eventually(a, ready)
		w.choose(a, own)
		if tt.make != nil {
			bad := w.secret(name+"-bad", second, tt.make)
			if v := string(bad.Data["password"]); name != "username" {
				w.hide(v, strings.TrimSpace(v))
			}
		}
		before := w.credential(a)
		edit(w, a, handedOut(name+"-bad"))
		w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, tt.reason, tt.kstatus), says(v1alpha1.ConditionPasswordApplied, tt.says),
			standing(v1alpha1.StandingActive, ""))
		w.barrier(a)
		after := w.credential(a)
		w.g.Expect(after.Password).To(gomega.Equal(before.Password), name)
		w.g.Expect(after.SessionGeneration).To(gomega.Equal(before.SessionGeneration), name)
		w.g.Expect(w.events.reasons(name)).To(gomega.Equal([]string{
			v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged, tt.reason,
		}), name)
	}
	for name := range tests { // Mended as the messages say.
		a := accounts[name]
		w.delete(&corev1.Secret{ObjectMeta: objectMeta(w.namespace, name+"-bad")})
		w.secret(name+"-bad", second)
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		w.g.Expect(w.accepts(a, second)).To(gomega.BeTrue(), name)
	}
}

// TestRefusedFirstPassword: an account whose first password is refused has none.
func TestRefusedFirstPassword(t *testing.T) {
	w := newWorld(t)
	w.run()
	s := w.secret("ada", "Sh0rt-!")
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"),
		standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword))
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(initial) })
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
}

// TestLongMessages: a message that is too long for an event is cut.
func TestLongMessages(t *testing.T) {
	w := newWorld(t)
	w.run()
	long := strings.Repeat("a", 240)
	one := int32(1)
	p := w.policy(strings.Repeat("p", 240), v1alpha1.PasswordPolicySpec{
		Length:              v1alpha1.LengthRule{Min: new(int32(128)), Max: new(int32(256))},
		Characters:          v1alpha1.CharacterRule{Uppercase: new(int32(9)), Lowercase: new(int32(9)), Digits: new(int32(9)), Symbols: &one},
		MinCharacterClasses: new(int32(4)),
		Strength:            v1alpha1.StrengthRule{MinScore: new(int32(4))},
		AllowedNamespaces:   v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	w.secret(long, "Sh0rt-!")
	a := w.account("ada", handedOut(long), underPolicy(p))
	w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"))
	w.g.Eventually(func() (int, error) {
		list := &eventList{}
		err := admin.List(ctx, list, inNamespace(w.namespace))
		return len(list.Items), err
	}, patience, glance).Should(gomega.Equal(1), "the API server has the event")
}
