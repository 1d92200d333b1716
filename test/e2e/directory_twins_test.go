package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/directories"
)

// TestDirectoryTwins: the ticket of somebody else, whose name in the domain differs from that of an account by a letter that only looks like another one, does
// not get into the account, nor binds it, although nobody has logged in to it yet. The person's own ticket does.
func TestDirectoryTwins(t *testing.T) {
	t.Parallel()

	d, err := sampleDomain()
	must(t, err)

	o, c := newOrganisation(t), newCorp(t)
	c.takesTickets(v1alpha1.KerberosLink)
	first, p := c.employs(o, "ada", nil), c.employs(o, "kira", nil)
	c.serves(o)
	first.loginEventually(t, first.password, granted)
	o.awaitCondition(t, p.username, v1alpha1.ConditionProviderResolved, metav1.ConditionTrue, v1alpha1.ConditionReasonResolved)

	// The Kelvin sign is another letter than k, and becomes a k where case is folded.
	kelvin := &person{username: "\u212A" + strings.TrimPrefix(p.username, "k"), password: newPassword()}
	must(t, d.AddUser(directories.Person{Username: kelvin.username, Password: kelvin.password}))

	headerOf := func(p *person) string {
		ticket, err := d.Ticket(t.Context(), p.username, p.password)
		must(t, err)

		return tokenFor(t, ticket, "HTTP")
	}

	a := negotiate(t, o, headerOf(kelvin), "none")
	if a.session() != "" || !strings.Contains(a.document, "no account is declared for you") {
		t.Errorf("the ticket of %q is answered %d: %s", kelvin.username, a.code, a.document)
	}

	a = negotiate(t, o, headerOf(p), "none")
	if a.code != http.StatusSeeOther || a.session() == "" {
		t.Fatalf("the person's own ticket is answered %d: %s", a.code, a.document)
	}

	if known := session(t, a.session(), http.StatusOK); known.Account.Username != p.username {
		t.Errorf("the session is of %s, want %s", known.Account.Username, p.username)
	}
}

// TestDirectoryMemberInCapitals: a group of slapd may write a member's DN in other letters than the entry does. A login and a sweep find the same
// groups, so that no session ends.
func TestDirectoryMemberInCapitals(t *testing.T) {
	t.Parallel()

	d, err := sampleSlapd()
	must(t, err)

	o, c := newOrganisation(t), newOpenLDAP(t)
	p := c.hires(o, "zoë")
	there := p.username
	p.username = strings.Replace(there, "ë", "e", 1)
	c.declares(o, p, func(s *v1alpha1.UserAccountSpec) { s.Authentication.ExternalName = there })
	group := c.group("engineers", there)
	must(t, d.SetAttribute(group, "member", "UID="+strings.ToUpper(there)+","+directories.SlapdPeopleDN))
	c.serves(o)
	p.loginEventually(t, p.password, granted)

	groups := func(a *answer) {
		if !slices.Equal(a.Account.Groups, []string{"engineers"}) {
			t.Errorf("the groups are %q, want engineers", a.Account.Groups)
		}
	}
	a := p.login(t, p.password, granted)
	groups(a)
	c.isSwept()

	for range 2 {
		c.sweeps()
		groups(session(t, a.Token, http.StatusOK))
		groups(p.login(t, p.password, granted))
	}
}
