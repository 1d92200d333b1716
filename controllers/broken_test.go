package controllers_test

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const (
	// tooCostly is a hash that takes more memory than is allowed. malformed is no valid hash.
	tooCostly = "$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0"
	malformed = "$argon2id$v=19$m=19456,t=2,p=1$short"
	// fewReconciles is more than any of these tests takes, and far less than an operator that tries again and again would take.
	fewReconciles = 60
)

// TestBrokenCredentials: a credential that somebody has broken by hand has a condition. The operator does not try again and again, and
// what the message advises mends it.
func TestBrokenCredentials(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	w.clock.advance(time.Hour)
	set := func(key, value string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[key] = []byte(value) }
	}
	const (
		found, applied = v1alpha1.ConditionCredentialFound, v1alpha1.ConditionPasswordApplied
		invalid, lost  = v1alpha1.ConditionReasonCredentialInvalid, v1alpha1.ConditionReasonCredentialNotFound
	)
	tests := map[string]struct {
		breaks    func(*corev1.Secret) // nil: the credential is deleted
		condition string
		reason    string
		kstatus   string
		says      []string
		deletes   bool // the message advises to delete the credential before a reset
	}{
		"deleted":      {nil, found, lost, "InProgress", []string{"Restore it", "resetTime"}, false},
		"no-format":    {func(s *corev1.Secret) { delete(s.Data, "format") }, found, invalid, "Failed", []string{"format", "delete it"}, true},
		"newer-format": {set("format", "99"), found, invalid, "Failed", []string{"format"}, true},
		"bad-number":   {set("failures.consecutive", "many"), found, invalid, "Failed", []string{"failures.consecutive", "whole number"}, true},
		"bad-time":     {set("password.setTime", "yesterday"), found, invalid, "Failed", []string{"password.setTime", "RFC 3339"}, true},
		"bad-value":    {set("password.setBy", "Mallory"), found, invalid, "Failed", []string{"password.setBy"}, true},
		"no-owner":     {func(s *corev1.Secret) { s.Annotations = nil }, found, invalid, "Failed", []string{"account-uid is missing"}, true},
		"bad-hash":     {set("password.hash", malformed), found, invalid, "Failed", []string{"password hash", "resetTime"}, false},
		"costly-hash":  {set("password.hash", tooCostly), found, invalid, "Failed", []string{"cost", "resetTime"}, false},
		"bad-applied":  {set("reset.appliedHash", malformed), applied, invalid, "Failed", []string{"last reset", "resetTime"}, false},
	}
	w.hide(tooCostly, malformed, "Mallory", "yesterday")
	accounts := map[string]*v1alpha1.UserAccount{}
	for name := range tests {
		w.secret(name, initial)
		accounts[name] = w.account(name, handedOut(name))
	}
	for name, tt := range tests {
		a := accounts[name]
		w.eventually(a, ready)
		w.choose(a, own)
		w.eventually(a, standing(v1alpha1.StandingActive, ""))
		good := w.credentialSecret(a)
		for _, way := range []string{"restored", "reset"} {
			broken := w.credentialSecret(a)
			if tt.breaks == nil {
				w.delete(broken)
			} else {
				tt.breaks(broken)
				w.must(admin.Update(ctx, broken))
			}
			if tt.condition == applied { // The hash is used at the next new password only.
				secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, name)}
				edit(w, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(second + way) })
				w.hide(second + way)
			}
			w.eventually(a, notReady(tt.condition, tt.reason, tt.kstatus), says(tt.condition, tt.says...))
			if tt.condition == found {
				reason := v1alpha1.ReasonCredentialInvalid
				if tt.breaks == nil {
					reason = v1alpha1.ReasonCredentialNotFound
				}
				w.eventually(a, standing(v1alpha1.StandingNoPassword, reason))
			} else {
				w.eventually(a, standing(v1alpha1.StandingActive, "")) // The person's own password logs in.
			}
			before := o.reconciles.asked.Load()
			w.barrier(a)
			w.barrier(a)
			w.g.Expect(o.reconciles.asked.Load()-before).To(gomega.BeNumerically("<", fewReconciles), name)

			if way == "restored" && tt.condition == found {
				w.delete(&corev1.Secret{ObjectMeta: objectMeta(good.Namespace, good.Name)})
				w.must(admin.Create(ctx, exported(good)))
				w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
				w.g.Expect(w.accepts(a, own)).To(gomega.BeTrue(), name)
				continue
			}
			if tt.deletes {
				w.delete(&corev1.Secret{ObjectMeta: objectMeta(good.Namespace, good.Name)})
				w.eventually(a, notReady(found, lost, "InProgress"))
			}
			w.clock.advance(time.Minute)
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
			w.eventually(a, ready, func(a *v1alpha1.UserAccount) string {
				if a.Status.Standing != v1alpha1.StandingChangeRequired {
					return "standing is " + string(a.Status.Standing)
				}
				return ""
			})
			w.choose(a, own)
			w.eventually(a, standing(v1alpha1.StandingActive, ""))
		}
	}
}

// TestCredentialOfAnotherType: the operator neither reads nor writes a Secret of another type under the name of a credential.
func TestCredentialOfAnotherType(t *testing.T) {
	w := newWorld(t)
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	foreign := &corev1.Secret{ObjectMeta: objectMeta(w.credentials, credentialName(a)), Type: corev1.SecretTypeOpaque}
	w.must(admin.Create(ctx, foreign))
	w.run()
	w.eventually(a, notReady(v1alpha1.ConditionCredentialFound, v1alpha1.ConditionReasonCredentialInvalid, "Failed"),
		says(v1alpha1.ConditionCredentialFound, "type is not accounts.keyturn.dev/credential"))
	w.g.Expect(w.credentialSecret(a).ResourceVersion).To(gomega.Equal(foreign.ResourceVersion))
	w.delete(foreign)
	w.barrier(a)
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
}
