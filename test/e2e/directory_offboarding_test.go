package e2e_test

import (
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// sweeps has the directory server look up all people of the directory now, as it does when the interval is over, and waits until it has: it
// begins anew when the IdentityProvider is declared otherwise.
func (c *corp) sweeps() {
	c.t.Helper()
	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.DisplayName += "." })
	c.awaitCondition(v1alpha1.ConditionSweepCurrent, metav1.ConditionTrue, v1alpha1.ConditionReasonCurrent)
}

// TestDirectoryOffboarding: when a directory says that somebody is disabled, must change the password, has changed it or has left a mapped
// group, the sessions of that person are over, at every login server. Those of others go on.
func TestDirectoryOffboarding(t *testing.T) {
	t.Parallel()

	for name, start := range map[string]func(*testing.T) *corp{"Active Directory": newCorp, "slapd": newOpenLDAP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, c := newOrganisation(t), start(t)
			stays, disabled, mustChangeThere := c.employs(o, "ada", nil), c.employs(o, "disabled", nil), c.employs(o, "change", nil)
			changed, loses := c.employs(o, "changed", nil), c.employs(o, "loses", nil)
			group := c.group("engineers", stays.username, loses.username)
			c.serves(o)

			tokens := map[*person]string{}

			for _, p := range []*person{stays, disabled, mustChangeThere, changed, loses} {
				p.loginEventually(t, p.password, granted)
				tokens[p] = p.login(t, p.password, granted).Token
			}

			c.isSwept()
			c.sweeps()

			for p, token := range tokens { // Nothing has changed, so nothing ends.
				if a := session(t, token, http.StatusOK); a.Account.Username != p.username {
					t.Errorf("the session is of %s, want %s", a.Account.Username, p.username)
				}
			}

			next := newPassword()

			must(t, c.Disable(disabled.username))
			must(t, c.MustChangePassword(mustChangeThere.username))
			must(t, c.SetPassword(changed.username, next))
			must(t, c.RemoveMembers(group, loses.username))
			c.sweeps()

			for _, p := range []*person{disabled, mustChangeThere, changed, loses} {
				sessionEndsEventually(t, tokens[p])
			}

			session(t, tokens[stays], http.StatusOK)
			o.awaitStanding(t, disabled.username, v1alpha1.StandingDisabled, v1alpha1.ReasonExternalDisabled)

			changed.login(t, next, granted)

			if got := loses.login(t, loses.password, granted).Account.Groups; len(got) != 0 {
				t.Errorf("who was removed from the group has the groups %q", got)
			}

			// Enabled again, the person logs in. The session from before stays over.
			must(t, c.Enable(disabled.username))
			disabled.login(t, disabled.password, granted)
			session(t, tokens[disabled], http.StatusUnauthorized)
			o.awaitStanding(t, disabled.username, v1alpha1.StandingActive, "")
		})
	}
}

// TestDirectoryDown: while a directory is down nobody is thrown out. Who logs in there is asked to try again, and local accounts of the same
// organisation log in.
func TestDirectoryDown(t *testing.T) {
	t.Parallel()

	d, err := directories.StartSlapd(t.Context(), t.TempDir(), directories.Options{})
	must(t, err)
	t.Cleanup(d.Stop)
	must(t, d.AddUser(directories.Person{Username: searcher, Password: searcherPassword()}))

	o, c := newOrganisation(t), newOpenLDAPAt(t, d)
	p := c.employs(o, "ada", nil)
	grace := o.settled(t, "grace", nil)

	c.serves(o)
	p.loginEventually(t, p.password, granted)
	token := p.login(t, p.password, granted).Token
	c.isSwept()

	d.Stop()
	<-d.Done()

	for range 3 {
		p.isNotAsked(t)

		grace.login(t, grace.password, granted)
		grace.login(t, newPassword(), wrong)
	}

	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.DisplayName += "." })
	c.awaitCondition(v1alpha1.ConditionConnected, metav1.ConditionFalse, v1alpha1.ConditionReasonDialFailed)
	session(t, token, http.StatusOK)

	must(t, d.Start(t.Context()))
	eventually(t, "she logs in again", func() error {
		a, err := p.tryLogin(t.Context(), p.password)
		if err != nil {
			return err
		}

		return a.check(granted)
	})
	session(t, token, http.StatusOK)
}

// isNotAsked checks that somebody whose directory cannot be asked is told so, and when to try again.
func (p *person) isNotAsked(t *testing.T) {
	t.Helper()

	a, err := p.tryLogin(t.Context(), p.password) // a 503 without Retry-After is an error
	must(t, err)

	if got := a.outcome(); got.code != http.StatusServiceUnavailable || got.id != "provider-unavailable" {
		t.Errorf("the answer is %q, want 503 provider-unavailable: %s", got, a.Detail)
	}
}

// TestDirectoryNamesakes: who is given the username of somebody else in the directory, after a rename or after the person was deleted, does not get
// that person's account, although the password is right.
func TestDirectoryNamesakes(t *testing.T) {
	t.Parallel()

	for name, start := range map[string]func(*testing.T) *corp{"Active Directory": newCorp, "slapd": newOpenLDAP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, c := newOrganisation(t), start(t)
			renamed, recreated := c.employs(o, "renamed", nil), c.employs(o, "recreated", nil)
			c.serves(o)

			tokens := map[*person]string{}

			for _, p := range []*person{renamed, recreated} {
				p.loginEventually(t, p.password, granted)
				tokens[p] = p.login(t, p.password, granted).Token
			}

			other := newPassword()

			must(t, c.RenameUser(renamed.username, "was-"+renamed.username))
			must(t, c.DeleteUser(recreated.username))

			for _, p := range []*person{renamed, recreated} {
				must(t, c.AddUser(directories.Person{Username: p.username, Password: other}))
				p.login(t, other, wrong)
				p.login(t, p.password, wrong)
			}

			// An administrator can see why, and declare the person's new name.
			o.awaitStanding(t, renamed.username, v1alpha1.StandingDisabled, v1alpha1.ReasonSubjectMismatch)
			o.declare(t, renamed.username, func(s *v1alpha1.UserAccountSpec) { s.Authentication.ExternalName = "was-" + renamed.username })
			eventually(t, "the renamed person logs in", func() error {
				a, err := renamed.tryLogin(t.Context(), renamed.password)
				if err != nil {
					return err
				}

				return a.check(granted)
			})

			if n := c.binds(recreated); n != 2 {
				t.Errorf("the directory was asked %d times about the password of the person who was there first and the one with that name, want 2", n)
			}
		})
	}
}

// TestDirectoryEntryOfTwo: one entry of a directory belongs to one account in the whole cluster, the one that was declared first.
func TestDirectoryEntryOfTwo(t *testing.T) {
	t.Parallel()

	here, there, c := newOrganisation(t), newOrganisation(t), newCorp(t)
	first := c.employs(here, "ada", nil)
	second := &person{organisation: there.name, username: "another"}

	// The API server's times are whole seconds, and names decide within one.
	eventually(t, "a later second", func() error {
		a, err := here.get(t, first.username)
		if err == nil && !metav1.Now().After(a.CreationTimestamp.Add(1e9)) {
			err = errTooEarly
		}

		return err
	})
	c.declares(there, second, func(s *v1alpha1.UserAccountSpec) { s.Authentication.ExternalName = first.username })
	c.serves(here, there)
	first.loginEventually(t, first.password, granted)

	message := there.awaitCondition(t, second.username, v1alpha1.ConditionSubjectBound, metav1.ConditionFalse, string(v1alpha1.ReasonSubjectConflict))
	if message == "" {
		t.Error("the condition says nothing")
	}

	second.login(t, first.password, wrong)

	before := c.binds(first)
	second.login(t, newPassword(), wrong)

	if n := c.binds(first); n != before {
		t.Errorf("the second account has asked the directory %d times about a password", n-before)
	}
}
