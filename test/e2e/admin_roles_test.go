package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// roleActions are the actions of the table below, in the order of its letters. The reset comes last: it leaves a required change, which
// cannot be withdrawn.
var roleActions = []string{"unlock", "sign-out", "require-change", "withdraw-change", "reset-password"}

// roleTargets are the accounts of the table below, in the order of its columns.
var roleTargets = []string{"grace", "other", "chief", "platform", "external", "conflict", "new", "kiosk", "absent", "self"}

// roleTable has, for each role and account, a letter for each action: see letter.
var roleTable = map[string]string{
	//           grace other chief platf exter confl new   kiosk absen self
	"admin":     "+++++ ..... ++++s ..... ++xnx ccccc ++pn+ ++fn+ ..... o+ooo",
	"helpdesk":  "++++- ..... ++++- ..... ++xn- cccc- ++pn- ++fn- ..... o+oo-",
	"viewer":    "----- ..... ----- ..... ----- ----- ----- ----- ..... -----",
	"stranger":  "..... ..... ..... ..... ..... ..... ..... ..... ..... .....",
	"single":    "----+ ..... ..... ..... ..... ..... ..... ..... ..... .....",
	"escalator": "+++++ ..... +++++ ..... ++xnx ccccc ++pn+ ++fn+ ..... o+ooo",
	"system":    "+++++ +++++ +++++ +++++ ++xnx ccccc ++pn+ ++fn+ ..... o+ooo",
}

// letter is the outcome that a letter of the table stands for.
func letter(c byte, action string) outcome {
	refused := notPossible
	if action == "reset-password" {
		refused = notResettable
	}

	switch c {
	case '+':
		if action == "reset-password" {
			return granted
		}

		return done
	case '.':
		return notFound
	case '-':
		return notPermitted("VerbNotGranted")
	case 'o':
		return notPermitted("OwnAccount")
	case 's':
		return notPermitted("SystemUser")
	default:
		return refused(map[byte]string{
			'x': "External", 'c': "NoCredential", 'p': "NoPassword", 'f': "ChangeForbidden", 'n': "NotRequested",
		}[c])
	}
}

// company is an organisation with an account of each kind, and everybody who may do something there.
type company struct {
	own, other, platform *organisation
	actors               map[string]*administrator
}

func newCompany(t *testing.T) *company {
	t.Helper()

	c := &company{own: newOrganisation(t), other: newOrganisation(t), platform: newOrganisation(t), actors: map[string]*administrator{}}
	c.own.settled(t, "grace", nil)
	c.own.settled(t, "chief", nil).everywhere(t)
	c.other.settled(t, "other", nil)
	c.platform.settled(t, "platform", nil).everywhere(t)
	c.own.account(t, "external", func(s *v1alpha1.UserAccountSpec) {
		s.Authentication.Type, s.Password = v1alpha1.AuthenticationExternal, nil
	})
	c.own.account(t, "conflict", func(s *v1alpha1.UserAccountSpec) { s.Username, s.Password = "GRACE", nil })
	c.own.account(t, "new", func(s *v1alpha1.UserAccountSpec) { s.Password = nil })
	c.own.hired(t, "kiosk", func(s *v1alpha1.UserAccountSpec) { s.Password.Change = v1alpha1.PasswordChangeForbidden })
	c.own.awaitStanding(t, "external", v1alpha1.StandingNoPassword, v1alpha1.ReasonExternal)
	c.own.awaitStanding(t, "new", v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
	c.own.awaitCondition(t, "conflict", v1alpha1.ConditionUsernameAccepted, metav1.ConditionFalse, v1alpha1.ConditionReasonUsernameConflict)

	for role := range roleTable {
		o := c.own
		if role == "system" {
			o = c.platform
		}

		p := o.settled(t, role, nil)
		c.bind(t, role, p)
		c.actors[role] = p.administers(t)
	}

	return c
}

func (c *company) bind(t *testing.T, role string, p *person) {
	t.Helper()

	switch role {
	case "admin":
		c.own.binds(t, p, adminRole)
	case "helpdesk":
		c.own.binds(t, p, helpdeskRole)
	case "viewer":
		c.own.binds(t, p, viewerRole)
	case "system":
		p.everywhere(t)
	case "single":
		c.own.bindsRules(t, p, rbacv1.PolicyRule{ResourceNames: []string{"grace"}, Verbs: []string{"get", "reset-password"}})
	case "escalator":
		c.own.binds(t, p, adminRole)
		c.own.bindsRules(t, p, rbacv1.PolicyRule{Verbs: []string{"escalate"}})
	}
}

// place is where a target of the table is, for an actor.
func (c *company) place(target string, actor *administrator) (namespace, name string) {
	switch target {
	case "other":
		return c.other.name, target
	case "platform":
		return c.platform.name, target
	case "self":
		return actor.organisation, actor.username
	default:
		return c.own.name, target
	}
}

// TestRoles: what each role may do to each kind of account, and what every other action is answered with.
func TestRoles(t *testing.T) {
	t.Parallel()

	c := newCompany(t)

	for _, resets := range []bool{false, true} { // Resets in a round of their own: what they require cannot be withdrawn.
		for role, row := range roleTable {
			for i, letters := range strings.Fields(row) {
				c.check(t, role, roleTargets[i], letters, resets)
			}
		}
	}
}

// check does the actions of one field of the table.
func (c *company) check(t *testing.T, role, target, letters string, resets bool) {
	t.Helper()

	actor := c.actors[role]
	namespace, name := c.place(target, actor)

	if !resets {
		c.checkLook(t, actor, target, letters)
	}

	for i, does := range roleActions {
		if resets != (does == "reset-password") {
			continue
		}

		got, err := actor.try(t.Context(), action(does, namespace, name))
		must(t, err)

		want := letter(letters[i], does)
		if got.outcome() != want {
			t.Errorf("%s does %s to %s: the answer is %q (%s), want %q", role, does, target, got.outcome(), got.Detail, want)
		}

		if refusedVerb := got.code == http.StatusForbidden; refusedVerb != (got.Verb != "") || refusedVerb && got.Verb != verbOf(does) {
			t.Errorf("%s does %s to %s: the answer names the verb %q", role, does, target, got.Verb)
		}

		if target == "self" && got.outcome() == done {
			actor.logInAgain(t)
		}
	}
}

// checkLook wants an account to be shown with the actions that are possible, or not at all.
func (c *company) checkLook(t *testing.T, actor *administrator, target, letters string) {
	t.Helper()

	namespace, name := c.place(target, actor)
	got, err := actor.try(t.Context(), asked{method: http.MethodGet, path: "/api/v1/accounts/" + namespace + "/" + name})
	must(t, err)

	if letters == "....." {
		if got.outcome() != notFound {
			t.Errorf("%s looks at %s: the answer is %q, want %q", actor.username, target, got.outcome(), notFound)
		}

		return
	}

	var want []string

	for i, does := range roleActions {
		if letters[i] == '+' && does != "withdraw-change" {
			want = append(want, does)
		}
	}

	slices.Sort(want)
	slices.Sort(got.Actions)

	if got.code != http.StatusOK || !slices.Equal(got.Actions, want) {
		t.Errorf("%s looks at %s: the answer is %q with the actions %q, want %q", actor.username, target, got.outcome(), got.Actions, want)
	}
}

// TestListsByRole: a list needs the verb list for what it lists, and has all of that and nothing else.
func TestListsByRole(t *testing.T) {
	t.Parallel()

	c := newCompany(t)
	refused := notPermitted("VerbNotGranted")
	all := map[string]outcome{}

	for role := range roleTable {
		all[role] = refused
	}

	all["system"] = outcome{code: http.StatusOK}

	for role, want := range map[string]outcome{
		"admin": {code: http.StatusOK}, "helpdesk": {code: http.StatusOK}, "viewer": {code: http.StatusOK}, "escalator": {code: http.StatusOK},
		"system": {code: http.StatusOK}, "stranger": refused, "single": refused,
	} {
		got := c.actors[role].lists(t, c.own.name, want)
		c.actors[role].lists(t, c.other.name, all[role])
		c.actors[role].lists(t, "*", all[role])

		if want.code != http.StatusOK {
			if got.Verb != "list" {
				t.Errorf("%s: the refusal names the verb %q, want list", role, got.Verb)
			}

			continue
		}

		for _, a := range got.Accounts {
			if a.Namespace != c.own.name {
				t.Errorf("%s sees %s/%s in the list of %s", role, a.Namespace, a.Name, c.own.name)
			}
		}

		if want := c.own.declaredAccounts(t); len(got.Accounts) != want {
			t.Errorf("%s sees %d accounts, want %d", role, len(got.Accounts), want)
		}
	}

	if got := c.actors["viewer"].asks(t, asked{method: http.MethodGet, path: "/api/v1/accounts"}, outcome{code: http.StatusOK}); len(got.Accounts) != c.own.declaredAccounts(t) {
		t.Errorf("without a namespace a viewer sees %d accounts, want the %d of the own organisation", len(got.Accounts), c.own.declaredAccounts(t))
	}
}

// declaredAccounts is how many accounts there are in the organisation.
func (o *organisation) declaredAccounts(t *testing.T) int {
	t.Helper()

	list := &v1alpha1.UserAccountList{}
	must(t, kube.List(t.Context(), list, client.InNamespace(o.name)))

	return len(list.Items)
}

// TestListPages: a list in pages has every account once, in order; a search and a standing narrow it.
func TestListPages(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	o.binds(t, p, viewerRole)

	var want []string

	for i := range 7 {
		name := fmt.Sprintf("user-%d", i)
		o.account(t, name, func(s *v1alpha1.UserAccountSpec) { s.DisplayName, s.Password = "Grace <b>"+name+"</b>", nil })
		o.awaitStanding(t, name, v1alpha1.StandingNoPassword, v1alpha1.ReasonNoPassword)
		want = append(want, name)
	}

	viewer := p.administers(t)
	get := func(query string) *consoleAnswer {
		return viewer.asks(t, asked{method: http.MethodGet, path: "/api/v1/accounts?" + query}, outcome{code: http.StatusOK})
	}

	eventually(t, "the list has all accounts", func() error {
		if n := len(get("standing=NoPassword").Accounts); n != 7 {
			return fmt.Errorf("it has %d without a password", n)
		}

		return nil
	})

	var names []string

	for next := "first"; next != ""; {
		query := "search=GRACE&limit=3"
		if next != "first" {
			query += "&continue=" + next
		}

		page := get(query)
		for _, a := range page.Accounts {
			names = append(names, a.Name)
		}

		next = page.Continue
	}

	if !slices.Equal(names, want) {
		t.Errorf("the pages have %q, want %q", names, want)
	}
}
