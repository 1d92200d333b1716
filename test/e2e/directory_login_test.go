package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// TestDirectoryLogin: whoever gives the right password at a directory is told how they stand there, and a wrong one is always answered as a
// wrong one.
func TestDirectoryLogin(t *testing.T) {
	t.Parallel()

	t.Run("Active Directory by LDAPS", func(t *testing.T) {
		t.Parallel()

		c := newCorp(t)
		d, err := sampleDomain()
		must(t, err)

		directoryStates(t, c, map[string]directoryState{
			"active":   {nil, granted},
			"disabled": {d.Disable, unavailable("ExternalDisabled")},
			"enabled":  {func(u string) error { return firstError(d.Disable(u), d.Enable(u)) }, granted},
			"ended":    {d.ExpireAccount, unavailable("ExternalAccountExpired")},
			"expired":  {d.ExpirePassword, unavailable("ExternalPasswordExpired")},
			"change":   {d.MustChangePassword, unavailable("ExternalMustChange")},
			"hours":    {d.RestrictHours, unavailable("ExternalRestricted")},
			"stations": {d.RestrictWorkstations, unavailable("ExternalRestricted")},
			"locked":   {d.Lock, wrong},
			"unlocked": {func(u string) error { return firstError(d.Lock(u), d.Unlock(u)) }, granted},
			"deleted":  {d.DeleteUser, wrong},
		})
	})
	t.Run("slapd by StartTLS", func(t *testing.T) {
		t.Parallel()

		c := newOpenLDAP(t)
		directoryStates(t, c, map[string]directoryState{
			"active":   {nil, granted},
			"disabled": {c.Disable, wrong}, // slapd tells it from a wrong password to its administrators only
			"enabled":  {func(u string) error { return firstError(c.Disable(u), c.Enable(u)) }, granted},
			"expired":  {c.ExpirePassword, unavailable("ExternalPasswordExpired")},
			"change":   {c.MustChangePassword, unavailable("ExternalMustChange")},
			"locked":   {c.Lock, wrong},
			"deleted":  {c.DeleteUser, wrong},
		})
	})
}

// directoryState is one in which a directory can have a person.
type directoryState struct {
	set func(username string) error
	// right is the answer to the right password.
	right outcome
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

func directoryStates(t *testing.T, c *corp, states map[string]directoryState) {
	t.Helper()

	o := newOrganisation(t)
	people := map[string]*person{}

	for name, state := range states {
		people[name] = c.employs(o, name, nil)

		if state.set != nil {
			must(t, state.set(people[name].username))
		}
	}

	c.serves(o)
	people["active"].loginEventually(t, people["active"].password, granted)

	for name, state := range states {
		p := people[name]

		// The login server has followed all accounts and the provider when it knows the account that was declared last.
		o.awaitCondition(t, p.username, v1alpha1.ConditionProviderResolved, "True", v1alpha1.ConditionReasonResolved)

		a, err := p.tryLogin(t.Context(), p.password)
		must(t, err)

		if err := a.check(state.right); err != nil {
			t.Errorf("%s, with the right password: %v", name, err)
		}

		wantURL := ""
		if state.right.because == "ExternalMustChange" || state.right.because == "ExternalPasswordExpired" {
			wantURL = passwordChangeURL
		}

		if got := changeURL(t, a); got != wantURL {
			t.Errorf("%s is told to change the password at %q, want %q", name, got, wantURL)
		}

		if a, err = p.tryLogin(t.Context(), newPassword()); err != nil {
			t.Fatal(err)
		}

		if err := a.check(wrong); err != nil {
			t.Errorf("%s, with a wrong password: %v", name, err)
		}
	}
}

// changeURL is where an answer says that the password is changed.
func changeURL(t *testing.T, a *answer) string {
	t.Helper()

	var document struct{ PasswordChangeURL string }

	must(t, json.Unmarshal(a.body, &document))

	return document.PasswordChangeURL
}

// TestDirectoryNames: an account can declare the name of its person at the directory: in Active Directory as sAMAccountName or as
// userPrincipalName. Names count in any letters. Somebody who is in the directory and not declared is answered like nobody, and the directory
// is not asked.
func TestDirectoryNames(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	plain, principal, undeclared := c.hires(o, "ada"), c.hires(o, "ada"), c.hires(o, "eve")

	employee := func(p *person, username, name string) *person {
		c.declares(o, &person{username: username}, func(s *v1alpha1.UserAccountSpec) { s.Authentication.ExternalName = name })

		return &person{organisation: o.name, username: username, password: p.password}
	}

	one := employee(plain, "plain", strings.ToUpper(plain.username))
	two := employee(principal, "principal", principal.username+"@"+directories.Domain)

	c.serves(o)
	one.loginEventually(t, one.password, granted)
	two.loginEventually(t, two.password, granted)
	(&person{organisation: o.name, username: "PLAIN"}).login(t, one.password, granted)

	undeclared.login(t, undeclared.password, wrong)

	if n := c.binds(undeclared); n != 0 {
		t.Errorf("the directory was asked %d times about the password of somebody who is not declared", n)
	}

	searches, err := c.Searches()
	must(t, err)

	if slices.ContainsFunc(searches, func(s directories.Search) bool { return strings.Contains(s.Filter, undeclared.username) }) {
		t.Error("the directory was searched for somebody who is not declared")
	}
}

// TestDirectoryChangeForbidden: nobody changes a password here that a directory keeps. With the right one, the answer says who keeps it and
// where to change it. A wrong one is answered as at the login, and counts.
func TestDirectoryChangeForbidden(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	p := c.employs(o, "ada", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	a := p.change(t, newPassword(), mayNotChange("External"))
	if got := changeURL(t, a); got != passwordChangeURL {
		t.Errorf("the answer says to change it at %q, want %q", got, passwordChangeURL)
	}

	if !strings.Contains(a.Detail, "Corp") {
		t.Errorf("the answer does not say who keeps the password: %s", a.Detail)
	}

	p.login(t, p.password, granted)

	for range 5 {
		a, err := p.tryChange(t.Context(), newPassword(), newPassword())
		must(t, err)
		must(t, a.check(wrong))
	}

	p.login(t, p.password, locked)
	p.change(t, newPassword(), locked)

	// Nor does an administrator of Keyturn: what is declared has no password.
	o.awaitStanding(t, p.username, v1alpha1.StandingLocked, v1alpha1.ReasonTooManyFailures)
}

// TestDirectoryGroups: applications behind a proxy and the cluster learn the groups that are declared for an account, and those of the
// directory that have a name here: in Active Directory those as well that the person is in by another group.
func TestDirectoryGroups(t *testing.T) {
	t.Parallel()

	for name, start := range map[string]func(*testing.T) *corp{"Active Directory": newCorp, "slapd": newOpenLDAP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, c := newOrganisation(t), start(t)
			p := c.employs(o, "ada", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"staff"} })
			engineers := c.group("engineers", p.username)
			c.group("technology", engineers)
			c.group("others")
			must(t, c.AddGroup(engineers+"-unmapped", p.username))
			c.serves(o)
			p.loginEventually(t, p.password, granted)

			want := []string{"engineers", "staff"}
			if c.spec.Type == v1alpha1.IdentityProviderActiveDirectory {
				want = []string{"engineers", "staff", "technology"}
			}

			a := p.login(t, p.password, granted)
			known := session(t, a.Token, http.StatusOK)

			for what, groups := range map[string][]string{
				"the login": a.Account.Groups, "the session": known.Account.Groups,
				"an application": strings.Split(applicationGroups(t, o, a.Token), ","),
			} {
				if slices.Sort(groups); !slices.Equal(groups, want) {
					t.Errorf("%s has the groups %q, want %q", what, groups, want)
				}
			}

			user, err := whoAmI(t, clusterAs(t, kubernetesToken(t, p)))
			must(t, err)

			base := "keyturn:" + o.name
			all := []string{base}

			for _, group := range want {
				all = append(all, base+":"+group)
			}

			got := slices.DeleteFunc(user.Groups, func(group string) bool { return strings.HasPrefix(group, "system:") })
			if slices.Sort(got); user.Username != base+":"+p.username || !slices.Equal(got, all) {
				t.Errorf("the cluster knows %s in %q, want %q", user.Username, got, all)
			}

			// A group that has another name here has it at once.
			c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.GroupMappings = s.GroupMappings[2:] })
			eventually(t, "an application forgets the groups", func() error {
				if got := applicationGroups(t, o, a.Token); got != "staff" {
					return fmt.Errorf("the groups are %q", got)
				}

				return nil
			})
		})
	}
}

// TestDirectoryKubectl: kubectl logs in somebody by the password that a directory keeps, and says who keeps it when the password is to be changed.
func TestDirectoryKubectl(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newOpenLDAP(t)
	p := c.employs(o, "ada", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	d := newDesk(t, o, "--username="+p.username)
	identity := "keyturn:" + o.name + ":" + p.username

	at := d.sit(t, "auth", "whoami")
	at.enter(t, "Password of "+p.username+": ", newPassword())
	at.expect(t, "The username or the password is wrong")
	at.enter(t, "Password of "+p.username+": ", p.password)

	if shown := at.mustFinish(t); !strings.Contains(shown, identity) {
		t.Errorf("kubectl auth whoami shows %s, want %s", shown, identity)
	}

	token := d.token(t)
	d.mayHold(t, p)

	at = d.sit(t, "account", "passwd")
	at.enter(t, "Current password of "+p.username+": ", p.password)
	next := newPassword()
	at.enter(t, "New password: ", next)
	at.enter(t, "New password again: ", next)

	if shown, err := at.finish(t); err == nil || !strings.Contains(shown, "Corp") || !strings.Contains(shown, passwordChangeURL) {
		t.Errorf("kubectl account passwd: %v: %s", err, shown)
	}

	d.mustAlone(t, "account", "logout")
	sessionEndsEventually(t, token)
}

// TestDirectorySession: a session lasts as the policy says, unless the provider declares less.
func TestDirectorySession(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newCorp(t)
	p := c.employs(o, "ada", nil)
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	lasts := func() time.Duration {
		return time.Until(p.login(t, p.password, granted).ExpiresAt).Round(time.Minute)
	}

	if got := lasts(); got != time.Hour {
		t.Errorf("a session lasts %s, want the hour of the policy", got)
	}

	c.declare(func(s *v1alpha1.IdentityProviderSpec) {
		s.Session = &v1alpha1.ProviderSession{MaxMinutes: new(int32(5))}
	})
	eventually(t, "a session is cut", func() error {
		if got := lasts(); got != 5*time.Minute {
			return fmt.Errorf("it lasts %s", got)
		}

		return nil
	})
}
