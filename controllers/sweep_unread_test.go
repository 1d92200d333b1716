package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/directorysweep"
)

// unread checks the metrics of what the last sweep could not read.
func (s *swept) unread(people, groups int) {
	s.w.t.Helper()
	const name = "keyturn_provider_sweep_unreadable"
	const groupsName = "keyturn_provider_sweep_groups_unreadable"
	for metric, want := range map[string]int{name: people, groupsName: groups} {
		families, err := s.metrics.Gather()
		s.w.must(err)
		for _, family := range families {
			if family.GetName() == metric && family.GetMetric()[0].GetGauge().GetValue() != float64(want) {
				s.w.t.Errorf("%s is %v, want %d", metric, family.GetMetric()[0].GetGauge().GetValue(), want)
			}
		}
		if n, err := testutil.GatherAndCount(s.metrics, metric); err != nil || n != 1 {
			s.w.t.Errorf("%s has %d values (%v)", metric, n, err)
		}
	}
}

// TestPersonWhoCannotBeRead: one person whose entry cannot be read keeps nobody else's sessions from ending. That person stays as before, also where it was missing in
// the answer before, and the status says so: after two intervals it is False.
func TestPersonWhoCannotBeRead(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, mallory := s.person("ada"), s.person("bob"), s.person("mallory")
	s.sweep(0)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.people.hide("s-mallory")
	s.people.set("s-mallory", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.State = v1alpha1.ReasonExternalDisabled })
	s.people.remove("s-bob")
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalDisabled)
	s.unread(1, 0)
	s.w.g.Eventually(func() string { return s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent) }, patience, glance).
		Should(gomega.ContainSubstring("could not be read"))
	for range 3 {
		s.sweep(sweepInterval)
	}
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.sessions(mallory, 0, "")
	message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete)
	if strings.Contains(message, "mallory") || !strings.Contains(message, "some people") {
		t.Errorf("the message is %s", message)
	}

	s.people.hide()
	s.sweep(sweepInterval)
	s.sessions(mallory, 1, v1alpha1.ReasonExternalDisabled)
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
	s.unread(0, 0)
}

// TestUnreadableIsNotMissing: who cannot be read is there. So it takes two answers without them after that again, and most people being unreadable is no mass
// disappearance.
func TestUnreadableIsNotMissing(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	var subjects []string
	for n := range 12 {
		name := fmt.Sprintf("person-%d", n)
		s.person(name)
		subjects = append(subjects, "s-"+name)
	}
	ada, bob := s.person("ada"), s.person("bob")
	s.people.hide(subjects...)
	s.people.remove("s-ada", "s-bob")
	s.sweep(0)
	bobIsHidden := func(o *directorysweep.Observation) { o.Groups = []string{"cn=staff"} }
	s.people.set("s-bob", bobIsHidden)
	s.people.hide(append(subjects, "s-bob")...)
	s.sweep(sweepInterval)
	s.sessions(ada, 1, v1alpha1.ReasonExternalGone)
	s.people.remove("s-bob")
	s.sweep(sweepInterval)
	s.sessions(bob, 0, "")
	s.sweep(sweepInterval)
	s.sessions(bob, 1, v1alpha1.ReasonExternalGone)
	s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete)
}

// TestGroupsThatCannotBeRead: everybody keeps the groups that are recorded, and the rest of what the directory says counts.
func TestGroupsThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob, cleo := s.person("ada"), s.person("bob"), s.person("cleo")
	s.sweep(0)
	s.people.hideGroups("SearchRefused")
	s.people.set("s-ada", func(o *directorysweep.Observation) { o.Groups = nil })
	s.people.set("s-bob", func(o *directorysweep.Observation) { o.Groups, o.State = nil, v1alpha1.ReasonExternalDisabled })
	s.people.set("s-cleo", func(o *directorysweep.Observation) {
		o.Groups, o.PasswordSetTime = []string{"cn=admins", "cn=staff"}, passwordSet.Add(time.Hour)
	})
	for range 4 {
		s.sweep(sweepInterval)
	}
	s.sessions(ada, 0, "")
	s.sessions(bob, 1, v1alpha1.ReasonExternalDisabled)
	s.sessions(cleo, 1, "")
	s.unread(0, 1)
	for _, a := range []*v1alpha1.UserAccount{ada, bob, cleo} {
		if got := w.credential(a).External.Groups; !slices.Equal(got, []string{"cn=staff"}) {
			t.Errorf("%s has the groups %v", a.Name, got)
		}
	}
	if message := s.status(metav1.ConditionFalse, v1alpha1.ConditionReasonIncomplete); !strings.Contains(message, "SearchRefused") {
		t.Errorf("the message is %s", message)
	}
	s.people.hideGroups("")
	s.follow(cleo)
	s.sweep(sweepInterval)
	s.sessions(ada, 1, "")
	s.status(metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
}
