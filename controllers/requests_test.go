package controllers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// TestRequestsTakeEffectOnce: a request takes effect once and for good, whatever becomes of the field afterwards.
func TestRequestsTakeEffectOnce(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	lock := func(a *v1alpha1.UserAccount) {
		for range 10 {
			w.change(a, func(rules account.Rules, c account.Credential) account.Credential { return rules.Failed(c) })
		}
	}
	tests := map[string]struct {
		field  func(*v1alpha1.UserAccountSpec) **v1alpha1.Instant
		before func(*v1alpha1.UserAccount)
		effect check
		ends   int64 // how often the request ends all sessions
	}{
		"change-required": {
			func(s *v1alpha1.UserAccountSpec) **v1alpha1.Instant { return &s.Password.ChangeRequiredTime },
			func(*v1alpha1.UserAccount) {}, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonRequested), 0,
		},
		"unlock": {
			func(s *v1alpha1.UserAccountSpec) **v1alpha1.Instant { return &s.UnlockTime },
			lock, standing(v1alpha1.StandingActive, ""), 0,
		},
		"sign-out": {
			func(s *v1alpha1.UserAccountSpec) **v1alpha1.Instant { return &s.SignOutTime },
			func(*v1alpha1.UserAccount) {}, standing(v1alpha1.StandingActive, ""), 1,
		},
	}
	for name, tt := range tests {
		w.secret(name, initial)
		past := at(w.clock.Now().Add(-time.Minute))
		a := w.account(name, handedOut(name), func(a *v1alpha1.UserAccount) { *tt.field(&a.Spec) = past })
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)) // A request that was past when the account was created counts as handled.
		w.choose(a, own)
		tt.before(a)
		w.eventually(a, ready)
		start := w.credential(a)

		request := at(w.clock.Now())
		ask := func(t *v1alpha1.Instant) {
			edit(w, a, func(a *v1alpha1.UserAccount) { *tt.field(&a.Spec) = t })
			w.barrier(a)
		}
		ask(request)
		w.eventually(a, ready, tt.effect)
		handled := w.credential(a)
		w.g.Expect(handled.SessionGeneration-start.SessionGeneration).To(gomega.Equal(tt.ends), name)
		w.g.Expect(handled.Password.Hash).To(gomega.Equal(start.Password.Hash), name)

		if name == "unlock" {
			lock(a)
			w.eventually(a, standing(v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures))
		}
		settled := w.credential(a)
		for _, again := range []*v1alpha1.Instant{nil, past, request} { // Taken back, an older one, the same once more.
			ask(again)
		}
		w.g.Expect(w.credential(a).ResourceVersion()).To(gomega.Equal(settled.ResourceVersion()), "%s took effect again", name)
	}
}

// TestRequestsDoNotWaitForAReset: requests take effect at once, also while the password of the same account waits to be hashed, or for a Secret
// that cannot be read.
func TestRequestsDoNotWaitForAReset(t *testing.T) {
	w := newWorld(t)
	w.hashes = 1
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	busy := make(chan struct{}) // closed once the only hash slot is taken, by an account whose write takes its time
	taken := sync.OnceFunc(func() { close(busy) })
	crowd := w.account("crowd-0", handedOut("crowd"))
	blocked := credentialName(crowd)
	o := w.start(func(r request) verdict {
		if r.method == http.MethodPut && r.about(blocked) {
			taken()
			<-released
		}
		return pass
	})
	w.clock.advance(time.Hour)
	people := map[string]*v1alpha1.UserAccount{}
	for _, name := range []string{"waits", "cannot-read"} {
		w.secret(name, initial)
		people[name] = w.account(name, handedOut(name))
		w.eventually(people[name], ready)
		w.choose(people[name], own)
		w.eventually(people[name], standing(v1alpha1.StandingActive, ""))
	}
	ask := func(name string, before func()) {
		a := people[name]
		was := w.credential(a)
		before()
		edit(w, &corev1.Secret{ObjectMeta: objectMeta(w.namespace, name)}, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
		edit(w, a, func(a *v1alpha1.UserAccount) {
			a.Spec.SignOutTime, a.Spec.Password.ChangeRequiredTime = at(w.clock.Now()), at(w.clock.Now())
		})
		w.g.Eventually(func() int64 { return w.credential(a).SessionGeneration }, patience, glance).
			Should(gomega.Equal(was.SessionGeneration+1), "%s: the request takes effect", name)
		is := w.credential(a)
		w.g.Expect(is.Password.MustChange).To(gomega.Equal(v1alpha1.MustChangeRequested), name)
		w.g.Expect(is.Password.Hash).To(gomega.Equal(was.Password.Hash), name)
	}
	path := "/api/v1/namespaces/" + w.namespace + "/secrets/cannot-read"
	ask("cannot-read", func() { o.traffic.lose(path) })
	ask("waits", func() {
		w.secret("crowd", initial)
		w.g.Eventually(busy, patience).Should(gomega.BeClosed())
		for n := range 5 {
			w.account(fmt.Sprintf("crowd-%d", n+1), handedOut("crowd"))
		}
	})
	o.traffic.lose("")
	release()
	for _, a := range people {
		w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
		w.g.Expect(w.accepts(a, second)).To(gomega.BeTrue())
	}
}

// TestRequestsForLater: a request in the future takes effect when its time has come.
func TestRequestsForLater(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	before := w.credential(a)
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(time.Now().Add(3 * time.Second)) })
	w.eventually(a, ready)
	w.g.Expect(w.credential(a).Password).To(gomega.Equal(before.Password), "not yet")
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonReset))
	w.g.Expect(time.Now()).To(gomega.BeTemporally(">=", a.Spec.Password.ResetTime.Time.Time))
	w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(before.SessionGeneration + 1))
}

// TestValidityOfAnAccount: the standing changes at startTime and at endTime, and an account that has ended has no sessions.
func TestValidityOfAnAccount(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.secret("ada", initial)
	start := at(time.Now().Add(3 * time.Second))
	a := w.account("ada", handedOut("ada"), func(a *v1alpha1.UserAccount) { a.Spec.StartTime = start })
	w.eventually(a, ready)
	if time.Now().Before(start.Time.Time) { // A very slow machine is too late.
		w.g.Expect(standing(v1alpha1.StandingDisabled, v1alpha1.ReasonAccountNotStarted)(a)).To(gomega.BeEmpty())
	}
	w.eventually(a, ready, standing(v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin))
	w.g.Expect(time.Now()).To(gomega.BeTemporally(">=", start.Time.Time))

	generation := w.credential(a).SessionGeneration
	end := at(time.Now().Add(2 * time.Second))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.EndTime = end })
	w.eventually(a, ready, standing(v1alpha1.StandingExpired, v1alpha1.ReasonAccountEnded))
	w.g.Expect(time.Now()).To(gomega.BeTemporally(">=", end.Time.Time))
	w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(generation + 1))
}

// TestAccessDisabled: disabling an account ends its sessions once, and enabling it brings none of them back.
func TestAccessDisabled(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.secret("ada", initial)
	a := w.account("ada", handedOut("ada"))
	w.eventually(a, ready)
	w.choose(a, own)
	w.eventually(a, standing(v1alpha1.StandingActive, ""))
	generation := w.credential(a).SessionGeneration
	for round := int64(1); round <= 2; round++ {
		edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Access = v1alpha1.AccessDisabled })
		w.eventually(a, ready, standing(v1alpha1.StandingDisabled, v1alpha1.ReasonAccountDisabled))
		w.barrier(a)
		w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(generation + round))
		edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Access = v1alpha1.AccessEnabled })
		w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
		w.g.Expect(w.credential(a).SessionGeneration).To(gomega.Equal(generation + round))
	}
	w.g.Expect(w.accepts(a, own)).To(gomega.BeTrue())
}

// TestChangeForbidden: where the person may not change the password, nothing asks for a change. The account needs a reset instead.
func TestChangeForbidden(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.clock.advance(time.Hour)
	w.secret("robot", initial)
	a := w.account("robot", handedOut("robot"), func(a *v1alpha1.UserAccount) { a.Spec.Password.Change = v1alpha1.PasswordChangeForbidden })
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ChangeRequiredTime = at(w.clock.Now()) })
	w.eventually(a, ready, standing(v1alpha1.StandingResetRequired, v1alpha1.ReasonRequested))
	edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
	w.eventually(a, ready, standing(v1alpha1.StandingActive, ""))
}

// TestExternalAccount: an account whose password is kept elsewhere is Ready, and has no password here.
func TestExternalAccount(t *testing.T) {
	w := newWorld(t)
	w.run()
	a := w.account("ada", func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Type = v1alpha1.AuthenticationExternal })
	w.eventually(a, ready, standing(v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal))
}
