package controllers_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// between does something between an operator's read of a credential and its first write of it.
type between struct {
	mu   sync.Mutex
	name string
	do   func()
}

func (b *between) intercept(r request) verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.method == http.MethodPut && r.about(b.name) && b.do != nil {
		do := b.do
		b.do = nil
		do()
	}
	return pass
}

// arm makes it happen at the next write.
func (b *between) arm(name string, do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.name, b.do = name, do
}

func (b *between) happened() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.do == nil
}

// A person's change lands between the operator's read and its write. The operator decides again: it never writes over
// what it has not seen, and the spec is applied all the same, once.
func TestChangeDuringAWrite(t *testing.T) {
	t.Parallel()
	chooses := func(w *world, a *v1alpha1.UserAccount) { w.choose(a, own) }
	tests := map[string]struct {
		person        func(*world, *v1alpha1.UserAccount)
		administrator func(*world, *v1alpha1.UserAccount)
		password      string
		standing      v1alpha1.Standing
		ends          int64 // how often all sessions were ended, by the person and by the operator
	}{
		"reset wins over a change": {chooses, func(w *world, a *v1alpha1.UserAccount) {
			secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, a.Name)}
			edit(w, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
		}, second, v1alpha1.StandingChangeRequired, 2},
		"reset forgets a failure": {func(w *world, a *v1alpha1.UserAccount) {
			w.change(a, func(rules account.Rules, c account.Credential) account.Credential { return rules.Failed(c) })
		}, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
		}, initial, v1alpha1.StandingChangeRequired, 1},
		"request keeps a change": {chooses, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.SignOutTime = at(w.clock.Now()) })
		}, own, v1alpha1.StandingActive, 2},
		"relabelled Secret keeps a change": {chooses, func(w *world, a *v1alpha1.UserAccount) {
			secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, a.Name)}
			edit(w, secret, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
		}, own, v1alpha1.StandingActive, 1},
		"disabling keeps a change": {chooses, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Access = v1alpha1.AccessDisabled })
		}, own, v1alpha1.StandingDisabled, 2},
		"a value that nobody has looked at wins over a reset by hand": {(*world).resetByHand, func(w *world, a *v1alpha1.UserAccount) {
			secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, a.Name)}
			edit(w, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
		}, second, v1alpha1.StandingChangeRequired, 2},
		"a reset by hand wins over a resetTime": {(*world).resetByHand, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
		}, handed, v1alpha1.StandingChangeRequired, 1},
		"request keeps a reset by hand": {(*world).resetByHand, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) {
				a.Spec.SignOutTime, a.Spec.Password.ChangeRequiredTime = at(w.clock.Now()), at(w.clock.Now())
			})
		}, handed, v1alpha1.StandingChangeRequired, 2},
		"relabelled Secret keeps a reset by hand": {(*world).resetByHand, func(w *world, a *v1alpha1.UserAccount) {
			secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, a.Name)}
			edit(w, secret, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
		}, handed, v1alpha1.StandingChangeRequired, 1},
		"disabling keeps a reset by hand": {(*world).resetByHand, func(w *world, a *v1alpha1.UserAccount) {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Access = v1alpha1.AccessDisabled })
		}, handed, v1alpha1.StandingDisabled, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.clock.advance(time.Hour)
			hook := &between{}
			w.start(hook.intercept)
			w.secret("ada", initial)
			a := w.account("ada", handedOut("ada"))
			w.eventually(a, ready)
			before := w.credential(a)
			other := a.DeepCopy()
			hook.arm(credentialName(a), func() { tt.person(w, other) })
			tt.administrator(w, a)
			w.g.Eventually(hook.happened, patience, glance).Should(gomega.BeTrue())
			w.eventually(a, ready, func(a *v1alpha1.UserAccount) string { return standingIs(a, tt.standing) })
			w.barrier(a)
			after := w.credential(a)
			w.g.Expect(w.accepts(a, tt.password)).To(gomega.BeTrue())
			w.g.Expect(after.SessionGeneration - before.SessionGeneration).To(gomega.Equal(tt.ends))
			w.g.Expect(after.Failures).To(gomega.Equal(account.Failures{}))
		})
	}
}

// TestDeclarationDuringAWrite: between the operator's read of the credential and its write, the person changes the password and the
// account is edited. The operator does not apply the account as it was before.
func TestDeclarationDuringAWrite(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(time.Hour)
	hook := &between{}
	w.start(hook.intercept)
	s := w.secret("ada", initial)
	w.secret("other", third)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	other := a.DeepCopy()
	hook.arm(credentialName(a), func() {
		w.choose(other, own+"!")
		edit(w, other, handedOut("other"))
	})
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
	w.g.Eventually(hook.happened, patience, glance).Should(gomega.BeTrue())
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
	w.barrier(a)
	w.g.Expect(w.accepts(a, third)).To(gomega.BeTrue())
	w.g.Expect(w.events.reasons("ada")).To(gomega.Equal([]string{
		v1alpha1.EventPasswordReset, v1alpha1.EventPasswordChanged, v1alpha1.EventPasswordChanged, v1alpha1.EventPasswordReset,
	}), "the other Secret's password alone was handed out")
}

// TestStatusReportsWhatWasApplied: the account is edited just before the operator marks it. The status is that of the former spec, which
// was applied.
func TestStatusReportsWhatWasApplied(t *testing.T) {
	w := newWorld(t)
	w.secret("ada", initial)
	w.secret("weak", "Sh0rt-!")
	a := w.account("ada", handedOut("ada"))
	path := "/apis/accounts.keyturn.dev/v1alpha1/namespaces/" + a.Namespace + "/useraccounts/ada"
	other := a.DeepCopy()
	declare := sync.OnceFunc(func() { edit(w, other, handedOut("weak")) })
	first := make(chan string, 1)
	w.start(func(r request) verdict {
		switch r.path {
		case path:
			declare()
		case path + "/status":
			select {
			case first <- string(r.body):
			default:
			}
		}
		return pass
	})
	w.eventually(a, notReady(v1alpha1.ConditionPasswordApplied, v1alpha1.ConditionReasonPolicyViolation, "Failed"))
	w.g.Expect(<-first).To(gomega.ContainSubstring(`"observedGeneration":1`))
	w.g.Expect(a.Generation).To(gomega.Equal(int64(2)))
}

// TestWritesReachTheirObjectOnly: just before the operator marks an account or writes its status, the account is deleted, and that of another
// person created under its name. That one gets neither the mark nor the status.
func TestWritesReachTheirObjectOnly(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"mark": "", "status": "/status"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.secret("ada", initial)
			a := w.account("ada", handedOut("ada"))
			path := "/apis/accounts.keyturn.dev/v1alpha1/namespaces/" + a.Namespace + "/useraccounts/ada" + suffix
			exchange := sync.OnceFunc(func() {
				w.delete(a)
				a = w.account("ada")
			})
			exchanged := make(chan struct{})
			done := sync.OnceFunc(func() { close(exchanged) })
			w.start(func(r request) verdict {
				if r.path == path {
					exchange()
					done()
				}
				return pass
			})
			w.g.Eventually(exchanged, patience).Should(gomega.BeClosed())
			w.eventually(a, ready, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword))
			w.g.Expect(w.credential(a).Password.IsZero()).To(gomega.BeTrue(), "the former person's password is gone")
			w.g.Expect(w.credential(a).Owner.UID).To(gomega.Equal(string(a.UID)))
		})
	}
}
