package controllers_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/directorysweep"
)

// disable has the directory say that people are disabled.
func (s *swept) disable(subjects ...string) {
	for _, subject := range subjects {
		s.people.set(subject, func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	}
}

// judging decides about writes of the credentials of some accounts.
func judging(v verdict, accounts ...*v1alpha1.UserAccount) interceptor {
	return func(r request) verdict {
		for _, a := range accounts {
			if r.method == http.MethodPut && r.about(credentialName(a)) {
				return v
			}
		}
		return pass
	}
}

// TestCredentialThatMayNotBeWritten: one credential whose writes are refused keeps nobody else's sessions from ending, not those of people who are gone either,
// though it is the only one that is to be written. The status and the metric tell of it, and it is made up for.
func TestCredentialThatMayNotBeWritten(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, mallory := s.person("ada"), s.person("bob"), s.person("mallory")
	s.sweep(0)
	s.traffic.intercept = judging(forbid, mallory)
	s.disable("s-mallory")
	s.people.remove("s-bob")
	if next := s.sweep(sweepInterval); next > sweepInterval || next < sweepInterval*8/10 {
		t.Errorf("the next sweep comes after %v: who is missing would be gone too soon, or too late", next)
	}
	s.unread(1, 0)
	s.sessions(bob, 0, "")
	s.sweep(sweepInterval)
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.follow(bob)
	s.disable("s-ada")
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.sessions(mallory, 0, "")
	s.unread(1, 0)
	message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete)
	if strings.Contains(message, "mallory") || !strings.Contains(message, "some people could not be recorded") {
		t.Errorf("the message is %s", message)
	}

	s.traffic.intercept = nil
	s.sweep(sweepInterval)
	s.sessions(mallory, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.unread(0, 0)
}

// TestServerThatMayNotWrite: where all writes are refused, sweeps are not complete. The status says that it is the writes, and not that the directory does not
// answer, until that is so.
func TestServerThatMayNotWrite(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob := s.person("ada"), s.person("bob")
	s.sweep(0)
	s.traffic.intercept = judging(forbid, ada, bob)
	s.disable("s-ada", "s-bob")
	for range 4 {
		s.sweep(sweepInterval)
	}
	says := func(want, other string) {
		t.Helper()
		w.g.Eventually(func() bool {
			message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue)
			return strings.Contains(message, want) && !strings.Contains(message, other)
		}, patience, glance).Should(gomega.BeTrue())
	}
	const unwritten, unasked = "could not be written", "could not be asked"
	says(unwritten, unasked)
	writes := len(s.traffic.about(s.provider.Name))
	s.sweep(sweepInterval)
	s.people.fail(errors.New("no answer"))
	s.sweep(sweepInterval)
	says(unasked, unwritten)
	s.sweep(sweepInterval)
	if got := len(s.traffic.about(s.provider.Name)) - writes; got != 1 {
		t.Errorf("%d more writes of the status", got)
	}
	s.people.fail(nil)
	s.sessions(ada, 0, "")
	s.traffic.intercept = nil
	s.sweep(2 * sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.sessions(bob, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.unread(0, 0)
}

// TestWritesThatFail: where the API server does not take writes, the status does not say that the directory does not answer either.
func TestWritesThatFail(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada := s.person("ada")
	s.sweep(0)
	s.disable("s-ada")
	s.traffic.intercept = judging(refuse, ada)
	if next := s.sweep(sweepInterval); next > time.Minute {
		t.Errorf("the next sweep comes after %v", next)
	}
	s.sweep(sweepInterval)
	s.sweep(sweepInterval)
	if message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue); !strings.Contains(message, "could not be written") {
		t.Errorf("the message is %s", message)
	}
}

// TestOneWriteThatFails: one credential whose writes fail, as by a webhook that does not answer, keeps nobody else from being found gone. That takes two answers
// an interval apart, though the directory is asked sooner for the sake of that write. The status and the metric tell of it, and it is made up for.
func TestOneWriteThatFails(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, mallory := s.person("ada"), s.person("bob"), s.person("mallory")
	s.sweep(0)
	s.traffic.intercept = judging(refuse, mallory)
	s.disable("s-mallory")
	s.people.remove("s-bob")
	next := s.sweep(sweepInterval)
	s.unread(1, 0)
	missing, asked := w.clock.Now(), s.people.questions()
	for w.clock.Now().Add(next).Before(missing.Add(sweepInterval * 8 / 10)) {
		next = s.sweep(next)
		s.sessions(bob, 0, "")
	}
	if got := s.people.questions() - asked; got < 2 {
		t.Errorf("the directory was asked %d times within an interval", got)
	}
	s.sweep(sweepInterval)
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.follow(bob)
	s.disable("s-ada")
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.follow(ada)
	if message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete); !strings.Contains(message, "some people could not be recorded") {
		t.Errorf("the message is %s", message)
	}
	for range 3 { // Nothing else is to be written, so that it may be any write that fails.
		s.sweep(sweepInterval)
	}
	message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonOverdue)
	if !strings.Contains(message, "could not be written") || !strings.Contains(message, "Everybody else is looked up") {
		t.Errorf("the message is %s", message)
	}
	s.sessions(mallory, 0, "")
	s.unread(1, 0)

	s.traffic.intercept = nil
	s.sweep(sweepInterval)
	s.sessions(mallory, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.unread(0, 0)
}

// TestWhoIsChangedAllTheTime: a person whose credential is always written by somebody else first, or whose account is edited whenever the directory is asked, keeps
// the sessions. The metric tells of it at once, and the status does. Others are recorded.
func TestWhoIsChangedAllTheTime(t *testing.T) {
	t.Parallel()
	for name, interfere := range map[string]func(s *swept, mallory *v1alpha1.UserAccount){
		"credential": func(s *swept, mallory *v1alpha1.UserAccount) {
			s.traffic.intercept = func(r request) verdict {
				if r.method == http.MethodPut && r.about(credentialName(mallory)) {
					secret := s.w.credentialSecret(mallory)
					secret.Labels = map[string]string{"changed": rand.Text()}
					s.w.must(admin.Update(ctx, secret))
				}
				return pass
			}
		},
		"account": func(s *swept, mallory *v1alpha1.UserAccount) {
			s.people.meanwhile = func() {
				edit(s.w, mallory, func(a *v1alpha1.UserAccount) { a.Spec.DisplayName = rand.Text() })
				s.follow(mallory)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.sweeping()
			ada, mallory := s.person("ada"), s.person("mallory")
			s.sweep(0)
			s.disable("s-ada", "s-mallory")
			interfere(s, mallory)
			if next := s.sweep(sweepInterval); next > time.Minute {
				t.Errorf("the next sweep comes after %v, though nobody may interfere then", next)
			}
			s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
			s.unread(1, 0)
			s.follow(ada)
			for range 3 {
				s.sweep(sweepInterval)
			}
			s.sessions(mallory, 0, "")
			message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete)
			if strings.Contains(message, "mallory") || !strings.Contains(message, "some people could not be recorded") {
				t.Errorf("the message is %s", message)
			}

			s.traffic.intercept, s.people.meanwhile = nil, nil
			s.sweep(sweepInterval)
			s.sessions(mallory, 1, v1alpha1.ReasonExternalDisabled)
			s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
			s.unread(0, 0)
		})
	}
}

// TestSecondQuestion: an account is edited while the directory is asked, so that it is asked again about this person. If it does not answer then, or cannot read that
// entry any more, this concerns the person alone, and the metric tells of it: what the first answer says of others counts.
func TestSecondQuestion(t *testing.T) {
	t.Parallel()
	for name, becomes := range map[string]func(p *people){
		"not answered": func(p *people) { p.failure = errors.New("no answer") },
		"unreadable":   func(p *people) { p.unreadable = map[string]bool{"s-mallory": true} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.sweeping()
			ada, bob, mallory := s.person("ada"), s.person("bob"), s.person("mallory")
			s.sweep(0)
			s.disable("s-ada", "s-mallory")
			s.people.remove("s-bob")
			s.people.meanwhile = func() {
				s.people.meanwhile = nil
				edit(w, mallory, func(a *v1alpha1.UserAccount) { a.Spec.DisplayName = rand.Text() })
				s.follow(mallory)
				becomes(&s.people)
			}
			s.sweep(sweepInterval)
			s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
			s.sessions(mallory, 0, "")
			s.unread(1, 0)
			s.follow(ada)
			s.people.fail(nil)
			s.people.hide()
			s.sweep(sweepInterval)
			s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
			s.sessions(mallory, 1, v1alpha1.ReasonExternalDisabled)
			s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
			s.unread(0, 0)
		})
	}
}

// TestCredentialThatCannotBeRead: who is bound by a credential that cannot be read keeps the sessions, and the status and the metric tell of it. Not so of a
// credential that binds nobody, or binds somebody elsewhere. Others are looked up.
func TestCredentialThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, format, emptied, elsewhere, nobody := s.person("ada"), s.person("format"), s.person("emptied"), s.person("elsewhere"), s.person("nobody")
	history := s.person("history") // The cache leaves that out.
	sound := map[*v1alpha1.UserAccount]*corev1.Secret{}
	for a, breaks := range map[*v1alpha1.UserAccount]func(*corev1.Secret){
		format:  func(s *corev1.Secret) { s.Data["format"] = []byte("99") },
		history: func(s *corev1.Secret) { s.Data["history.digests"] = []byte("!") },
		emptied: func(s *corev1.Secret) { s.Data = nil },
		elsewhere: func(s *corev1.Secret) {
			s.Data["format"], s.Data["external.providerUID"] = []byte("99"), []byte("another")
		},
		nobody: func(s *corev1.Secret) { s.Data, s.Annotations = map[string][]byte{"format": []byte("99")}, nil },
	} {
		secret := w.credentialSecret(a)
		sound[a] = secret.DeepCopy()
		breaks(secret)
		w.must(admin.Update(ctx, secret))
		s.follow(a)
	}
	s.disable("s-ada", "s-format", "s-history")
	for range 3 {
		s.sweep(sweepInterval)
	}
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.unread(3, 0)
	if message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete); !strings.Contains(message, "some people could not be recorded") {
		t.Errorf("the message is %s", message)
	}
	for a, secret := range sound {
		secret.ResourceVersion = ""
		w.must(admin.Update(ctx, secret))
		s.follow(a)
	}
	s.follow(ada)
	s.sweep(sweepInterval)
	s.sessions(format, 1, v1alpha1.ReasonExternalDisabled)
	s.sessions(history, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.unread(0, 0)
}
