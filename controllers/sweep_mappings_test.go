package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers/directorysweep"
)

// TestEditedMappings: that mappings are spelled in another way, or taken away, ends no session, though the directory's answer has other groups than what is
// recorded. Who is no longer in a group that is mapped still loses the sessions.
func TestEditedMappings(t *testing.T) {
	w := newWorld(t)
	s := w.sweeping()
	ada, bob := s.person("ada"), s.person("bob")
	s.sweep(0)
	// swept edits the mappings, and sweeps as soon as the directory server knows of that.
	swept := func(mappings []v1alpha1.GroupMapping, groupsOfAda, groupsOfBob []string) {
		t.Helper()
		s.people.set("s-ada", func(o *directorysweep.Observation) { o.Groups = groupsOfAda })
		s.people.set("s-bob", func(o *directorysweep.Observation) { o.Groups = groupsOfBob })
		edit(w, s.provider, func(p *v1alpha1.IdentityProvider) { p.Spec.GroupMappings = mappings })
		w.g.Eventually(func() (int64, error) {
			known := &v1alpha1.IdentityProvider{}
			err := s.cached.Get(ctx, keyOf(s.provider), known)
			return known.Generation, err
		}, patience, glance).Should(gomega.Equal(s.provider.Generation))
		asked := s.people.questions()
		w.g.Eventually(func() int {
			w.clock.advance(10 * time.Second)
			s.sweep(0)
			return s.people.questions()
		}, patience, glance).Should(gomega.BeNumerically(">", asked))
		for _, a := range []*v1alpha1.UserAccount{ada, bob} {
			s.follow(a)
		}
		// What is recorded keeps its spelling until the next login.
		if got := w.credential(ada).External.Groups; !slices.EqualFunc(got, groupsOfAda, strings.EqualFold) {
			t.Errorf("ada has the groups %q, want %q", got, groupsOfAda)
		}
	}
	swept([]v1alpha1.GroupMapping{{From: "CN=Staff", To: "staff"}}, []string{"CN=Staff"}, []string{"CN=Staff"})
	s.sessions(ada, 0, "")
	s.sessions(bob, 0, "")
	swept([]v1alpha1.GroupMapping{{From: "cn=staff", To: "staff"}}, []string{"cn=staff"}, nil)
	s.sessions(ada, 0, "")
	s.sessions(bob, 1, "")
	swept([]v1alpha1.GroupMapping{{From: "cn=admins", To: "staff"}}, nil, nil)
	s.sessions(ada, 0, "")
	s.sessions(bob, 1, "")
}
