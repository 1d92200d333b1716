package controllers_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/directorysweep"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/provider"
)

// TestSweepEndsSessions: what the directory says ends sessions once: that somebody is disabled, has another password or lost a group. Nothing else does,
// and nothing that is known is written again.
func TestSweepEndsSessions(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, cleo := s.person("ada"), s.person("bob"), s.person("cleo")
	dan := s.person("dan", verifiedBy(s.provider.Name, "s-dan")) // Declares whom the others were bound to.
	all := []*v1alpha1.UserAccount{ada, bob, cleo, dan}
	if next := s.sweep(0); next > sweepInterval || next < sweepInterval*8/10 || s.writes(all...) != 0 {
		t.Errorf("the next sweep comes after %v, and there were %d writes", next, s.writes(all...))
	}
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)

	s.people.set("s-ada", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.set("s-bob", func(o *directorysweep.Observation) { o.PasswordSetTime = passwordSet.Add(time.Hour) })
	s.people.set("s-cleo", func(o *directorysweep.Observation) { o.Groups = nil })
	s.people.set("s-dan", func(o *directorysweep.Observation) { o.Groups = []string{"cn=admins", "cn=staff"} }) // It counts from dan's next login on.
	for range 3 {                                                                                               // It is recorded once.
		s.sweep(sweepInterval)
		s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
		s.sessions(bob, 1, "")
		s.sessions(cleo, 1, "")
		s.sessions(dan, 0, "")
		for _, a := range all {
			s.follow(a)
		}
	}
	if got := w.credential(dan).External.Groups; !slices.Equal(got, []string{"cn=staff"}) || s.writes(all...) != 3 {
		t.Errorf("dan has the groups %v, and there were %d writes", got, s.writes(all...))
	}
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.State = "" })
	s.sweep(sweepInterval)
	s.sessions(ada, 1, "")
	if statuses := s.traffic.about(s.provider.Name); len(statuses) > 3 {
		t.Errorf("the status of the directory was written %d times", len(statuses))
	}
	const name = "keyturn_provider_sweep_ended_total"
	if n, err := testutil.GatherAndCount(s.metrics, name); err != nil || n != 3 {
		t.Errorf("the metric has %d reasons (%v)", n, err)
	}
}

// TestGoneTakesTwoAnswers: who is not in an answer may be in the next. Who is in neither of two is gone, and may come back.
func TestGoneTakesTwoAnswers(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, cleo := s.person("ada"), s.person("bob"), s.person("cleo")
	s.people.remove("s-ada", "s-bob")
	s.sweep(0)
	s.sessions(ada, 0, "")
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.Groups = []string{"cn=staff"} })
	s.people.fail(errors.New("no answer"))
	s.sweep(sweepInterval) // An answer that is not complete is none.
	s.sessions(bob, 0, "")
	s.people.fail(nil)
	s.sweep(sweepInterval)
	s.sessions(ada, 0, "")
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.people.remove("s-ada")
	s.follow(bob)
	s.sweep(sweepInterval)
	s.sessions(ada, 0, "") // It was there in between.
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalGone)
	s.people.set("s-bob", func(o *directorysweep.Observation) { o.Groups = []string{"cn=staff"} })
	s.sweep(sweepInterval)
	s.sessions(bob, 1, "")
	s.sessions(cleo, 0, "")
	if got := s.writes(ada, bob, cleo); got != 3 {
		t.Errorf("%d writes", got)
	}
}

// TestChangedDirectoryBeginsAnew: what was missing before a change of the declaration says nothing about the directory as it is declared now, which is
// asked at once.
func TestChangedDirectoryBeginsAnew(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada := s.person("ada")
	s.people.remove("s-ada")
	s.sweep(0)
	edit(w, s.provider, func(p *v1alpha1.IdentityProvider) { p.Spec.LDAP.Users.BaseDN = "ou=staff,dc=example,dc=org" })
	w.g.Eventually(func() int64 {
		w.clock.advance(10 * time.Second)
		s.sweep(0)
		return int64(s.people.questions())
	}, patience, glance).Should(gomega.BeEquivalentTo(2))
	s.sessions(ada, 0, "")
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalGone)
}

// TestDirectoryThatDoesNotAnswer: nobody's sessions end. The status says so after two intervals, since when, and once. It is tried again and again meanwhile.
func TestDirectoryThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada := s.person("ada")
	last := w.clock.Now()
	s.sweep(0)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.fail(&provider.TestError{Reason: v1alpha1.ConditionReasonDialFailed, Message: "What to do."})
	overdue := last.Add(2 * sweepInterval)
	for next := sweepInterval; w.clock.Now().Before(overdue); next = s.sweep(next) {
		if c := s.states.Condition(s.provider); c.Reason != v1alpha1.ConditionReasonCurrent {
			t.Fatalf("%v before two intervals have passed: %+v", overdue.Sub(w.clock.Now()), c)
		}
	}
	s.sweep(time.Minute)
	message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue)
	if at := last.UTC().Format(time.RFC3339)[:len("2026-01-02T03:04")]; !strings.Contains(message, at) {
		t.Errorf("the message does not say since when (%s): %s", at, message)
	}
	questions, writes := s.people.questions(), len(s.traffic.about(s.provider.Name))
	for range 5 {
		s.sweep(s.sweep(0))
	}
	s.sessions(ada, 0, "")
	if got := len(s.traffic.about(s.provider.Name)); got != writes || s.people.questions() < questions+4 {
		t.Errorf("%d more writes of the status, %d more questions", got-writes, s.people.questions()-questions)
	}
	s.people.fail(nil)
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
}

// TestMassDisappearance: a directory that no longer has most people was moved rather than emptied. Nobody counts as gone, whatever it answers how often;
// who is disabled is. When it has them again, those who are really gone are.
func TestMassDisappearance(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	var all []*v1alpha1.UserAccount
	for name := range strings.SplitSeq("abcdefghijkl", "") {
		all = append(all, s.person(name))
	}
	s.sweep(0)
	s.people.remove("s-a", "s-b", "s-c", "s-d", "s-e", "s-f", "s-g")
	s.people.set("s-l", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	for range 3 {
		s.sweep(sweepInterval)
	}
	s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonMassDisappearance)
	for _, a := range all[:11] {
		s.sessions(a, 0, "")
	}
	s.sessions(all[11], 1, v1alpha1.ReasonExternalDisabled)

	for _, name := range []string{"b", "c", "d", "e", "f", "g"} {
		s.people.set("s-"+name, func(o *directorysweep.Observation) { o.Groups = []string{"cn=staff"} })
	}
	s.sweep(sweepInterval)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.sessions(all[0], 0, "")
	s.sweep(sweepInterval)
	s.sessions(all[0], 1, v1alpha1.ReasonExternalGone)
	if got := s.writes(all...); got != 2 {
		t.Errorf("%d writes", got)
	}
}

// TestLoginDuringASweep: the directory has answered before a person is enabled there again, changes the password and logs in with it. That answer must not end the new session. A
// failed login meanwhile changes nothing about the person.
func TestLoginDuringASweep(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob := s.person("ada"), s.person("bob")
	s.sweep(0)
	changed := passwordSet.Add(time.Hour)
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.set("s-bob", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.meanwhile = func() {
		s.people.meanwhile = nil
		w.change(ada, func(_ account.Rules, c account.Credential) account.Credential {
			c.External.PasswordSetTime = changed
			c = account.EndSessions(c)
			return c
		})
		w.change(bob, func(_ account.Rules, c account.Credential) account.Credential {
			c.Failures.Consecutive++
			return c
		})
		o := s.people.known["s-ada"]
		o.State, o.PasswordSetTime = "", changed
		s.people.known["s-ada"] = o
	}
	s.sweep(sweepInterval)
	s.sessions(ada, 1, "") // By the login itself.
	if got := w.credential(ada).External; got.State != "" || !got.PasswordSetTime.Equal(changed) {
		t.Errorf("ada is %+v", got)
	}
	s.sessions(bob, 1, v1alpha1.ReasonExternalDisabled)
	if w.credential(bob).Failures.Consecutive != 1 {
		t.Error("the failure is lost")
	}
	if last := s.people.asked[len(s.people.asked)-1]; !slices.Equal(last, []string{"s-ada"}) {
		t.Errorf("asked again about %v", last)
	}
}

// TestConflictsAndErrors: a conflict is decided again, and what is wrong with one account does not keep the others from being looked up. A write that
// fails makes the sweep incomplete, and is made up for.
func TestConflictsAndErrors(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, cleo := s.person("ada"), s.person("bob"), s.person("cleo")
	s.sweep(0)
	for _, name := range []string{"ada", "bob", "cleo"} {
		s.people.set("s-"+name, func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	}
	broken := w.credentialSecret(cleo)
	broken.Data["format"] = []byte("99")
	w.must(admin.Update(ctx, broken))
	s.follow(cleo)
	var once, refused sync.Once
	s.traffic.intercept = func(r request) verdict {
		v := pass
		if r.method == http.MethodPut && r.about(credentialName(ada)) {
			once.Do(func() {
				w.change(ada, func(_ account.Rules, c account.Credential) account.Credential {
					c.Failures.Consecutive = 3
					return c
				})
			})
		}
		if r.method == http.MethodPut && r.about(credentialName(bob)) {
			refused.Do(func() { v = refuse })
		}
		return v
	}
	next := s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.sessions(bob, 0, "")
	if w.credential(ada).Failures.Consecutive != 3 || next > time.Minute {
		t.Errorf("%d failures are left, the next sweep comes after %v", w.credential(ada).Failures.Consecutive, next)
	}
	s.follow(ada)
	s.sweep(next)
	s.sessions(bob, 1, v1alpha1.ReasonExternalDisabled)
}

// TestWhoIsNotAsked: people whose provider may not verify them, or is turned off, have no sessions that the directory could end. Whoever declares another
// name or subject is not the one who was bound. The directory is not asked while it refuses the account that searches.
func TestWhoIsNotAsked(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping(func(p *v1alpha1.IdentityProvider) {
		p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"external": w.name}}}
	})
	s.person("ada")
	s.person("renamed", func(a *v1alpha1.UserAccount) { a.Spec.Authentication.ExternalName = "other" })
	s.person("other", func(a *v1alpha1.UserAccount) { a.Spec.Authentication.Subject = "s-of-somebody" })
	asked := func(want ...string) {
		t.Helper()
		s.people.mu.Lock()
		defer s.people.mu.Unlock()
		got := slices.Concat(s.people.asked...)
		s.people.asked = nil
		if !slices.Equal(got, want) {
			t.Errorf("asked about %v, want %v", got, want)
		}
	}
	s.sweep(0)
	asked()
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	w.label(w.namespace, map[string]string{"external": w.name})
	w.g.Eventually(func() int {
		s.sweep(sweepInterval)
		return s.people.questions()
	}, patience, glance).Should(gomega.Equal(1))
	asked("s-ada")

	edit(w, s.provider, func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessDisabled })
	s.status(metav1.ConditionUnknown, v1alpha1.ConditionReasonPending)
	s.sweep(sweepInterval)
	asked()
	if n, err := testutil.GatherAndCount(s.metrics, "keyturn_provider_sweep_age_seconds"); err != nil || n != 0 {
		t.Errorf("a directory that is not swept has %d ages (%v)", n, err)
	}

	answer := make(chan error)
	s.answers.Store(s.provider.Name, answer)
	edit(w, s.provider, func(p *v1alpha1.IdentityProvider) { p.Spec.Access = v1alpha1.AccessEnabled })
	w.clock.advance(time.Minute)
	answer <- &provider.TestError{Reason: v1alpha1.ConditionReasonBindRefused, Message: "What to do."}
	w.providerIs(s.provider, metav1.ConditionFalse, v1alpha1.ConditionReasonBindRefused, "Failed")
	for range 3 {
		s.sweep(time.Second)
	}
	asked()
}

// TestSweepOfThousands: a sweep of many people of whom the directory says nothing new asks once, reads no credential from the API server and writes nothing. The
// benchmark does it with ten thousand.
func TestSweepOfThousands(t *testing.T) {
	const number = 2000
	w := newWorld(t)
	s := w.sweeping()
	writers := &errgroup.Group{}
	writers.SetLimit(16)
	for n := range number {
		writers.Go(func() error {
			_, err := s.bind(fmt.Sprintf("person-%05d", n))
			return err
		})
	}
	w.must(writers.Wait())
	s.w.g.Eventually(func() int {
		secrets := &corev1.SecretList{}
		w.must(s.cached.List(ctx, secrets, client.InNamespace(w.credentials), client.UnsafeDisableDeepCopy))
		accounts := &v1alpha1.UserAccountList{}
		w.must(s.cached.List(ctx, accounts, client.InNamespace(w.namespace), client.UnsafeDisableDeepCopy))
		return min(len(secrets.Items), len(accounts.Items))
	}, patience, glance).Should(gomega.Equal(number))

	s.status(metav1.ConditionUnknown, v1alpha1.ConditionReasonPending)
	writes, reads := len(s.traffic.about(w.credentials)), s.traffic.credentialReads()
	for range 2 {
		began := time.Now()
		s.sweep(sweepInterval)
		t.Logf("a sweep of %d people took %v", number, time.Since(began))
	}
	if got := len(s.people.asked); got != 2 || len(s.people.asked[0]) != number {
		t.Errorf("%d questions, the first about %d people", got, len(s.people.asked[0]))
	}
	if written, read := len(s.traffic.about(w.credentials))-writes, s.traffic.credentialReads()-reads; written != 0 || read != 0 {
		t.Errorf("%d writes and %d reads of credentials", written, read)
	}
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
}
