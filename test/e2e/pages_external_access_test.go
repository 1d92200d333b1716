package e2e_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/oidcprovider"
)

// TestPagesExternalGroups: applications behind a proxy and the cluster learn the groups that are declared for an account, and those of the
// provider that have a name here. Where a group has that name no more, both forget it, in sessions that there are.
func TestPagesExternalGroups(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"staff"} })
	c.serves(o, func(s *v1alpha1.IdentityProviderSpec) {
		s.GroupMappings = []v1alpha1.GroupMapping{{From: oidcprovider.EngineersGroup, To: "engineers"}}
	})
	b := c.openBrowser()

	b.logInAt(c, o, p, "/")

	cluster := clusterAs(t, b.allowKubectl(c, o, p))
	token := b.token()
	application := func() string { return applicationGroups(t, o, token) }

	if got := application(); got != "engineers,staff" {
		t.Errorf("an application learns the groups %q, want the declared one and the mapped one", got)
	}

	// The second login has ended the session of the first.
	newAuditor(o).expect(t, login, "attempt granted oidc", "attempt granted oidc", "logout done", "attempt granted kubectl")
	b.quit() // There are few browsers, and what follows takes time.

	kubernetes := func() string {
		user, err := whoAmI(t, cluster)
		must(t, err)

		if user.Username != "keyturn:"+o.name+":"+p.Username {
			t.Errorf("the cluster knows %q", user.Username)
		}

		groups := slices.DeleteFunc(user.Groups, func(group string) bool { return strings.HasPrefix(group, "system:") })
		slices.Sort(groups)

		return strings.Join(groups, " ")
	}
	base := "keyturn:" + o.name

	if got, want := kubernetes(), base+" "+base+":engineers "+base+":staff"; got != want {
		t.Errorf("the cluster knows the groups %q, want %q", got, want)
	}

	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.GroupMappings[0].To = "others" })
	eventually(t, "an application learns that the group is called otherwise", func() error {
		if got := application(); got != "others,staff" {
			return fmt.Errorf("the groups are %q", got)
		}

		return nil
	})

	c.declare(func(s *v1alpha1.IdentityProviderSpec) { s.GroupMappings = nil })
	eventually(t, "an application learns that the group is gone", func() error {
		if got := application(); got != "staff" {
			return fmt.Errorf("the groups are %q", got)
		}

		return nil
	})
	within(t, controlplane.TokenCache+patience, "the cluster forgets the group", func() error {
		if got := kubernetes(); got != base+" "+base+":staff" {
			return fmt.Errorf("the groups are %q", got)
		}

		return nil
	})
}

// applicationGroups are the groups that an application behind a proxy learns of a session, in alphabetical order.
func applicationGroups(t *testing.T, o *organisation, token string) string {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, loginURL+"/auth/verify?namespace="+o.name, http.NoBody)
	must(t, err)
	request.Header.Set("Cookie", "keyturn-session="+token)

	response, err := people.Do(request)
	must(t, err)
	must(t, response.Body.Close())

	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("forward authentication answers %s", response.Status)
	}

	groups := strings.Split(response.Header.Get("X-Auth-Request-Groups"), ",")
	slices.Sort(groups)

	return strings.Join(groups, ",")
}

// allowKubectl allows a kubectl on another computer to act as the person in the browser, who logs in once more for that. It returns the
// token of kubectl.
func (b *browser) allowKubectl(c *contoso, o *organisation, p oidcprovider.Person) string {
	b.t.Helper()

	verifier := noteSecret(rand.Text() + rand.Text())
	digest := sha256.Sum256([]byte(verifier))
	query := url.Values{"challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "state": {rand.Text()}}

	page := "/o/" + o.name + "/login/kubectl"
	b.open(page + "?" + query.Encode())
	b.says("Log in to let kubectl act as you.")
	b.choose(c)
	b.logInThere(p, page)
	b.says("kubectl on a computer asks to act as")
	b.follow("button[value=allow]")

	body, err := json.Marshal(map[string]string{"code": evaluate[string](b, `document.getElementById("generated").innerText`), "verifier": verifier})
	must(b.t, err)

	a, err := send(b.t.Context(), http.MethodPost, "/api/v1/token", map[string]string{"Content-Type": "application/json"}, body)
	must(b.t, err)
	must(b.t, a.check(granted))

	return a.Token
}

// TestPagesExternalAdministrator: somebody of Entra ID administers accounts. Before an action the provider asks for the password again,
// although the person is logged in there.
func TestPagesExternalAdministrator(t *testing.T) {
	t.Parallel()

	o, c := newOrganisation(t), newContoso(t)
	p := c.employs(o, "dorothy", nil)
	c.serves(o, nil)

	boss := &person{organisation: o.name, username: p.Username}
	o.binds(t, boss, adminRole)

	grace := o.settled(t, "grace", nil)
	b := c.openBrowser()
	b.mu.Lock()
	b.base = consoleURL
	b.mu.Unlock()

	b.open("/o/" + o.name + "/login?return_to=%2Fadmin")
	b.choose(c)
	b.logInThere(p, "/admin")
	b.says("grace")

	b.proofAges(16 * time.Minute)
	b.open(grace.pageOf("reset-password"))
	b.at("/login")
	b.says("Log in with Contoso again to go on.")
	b.state("again")
	b.choose(c)
	b.logInThere(p, grace.pageOf("reset-password"))
	b.isDialog()
	grace.password = newPassword()
	b.typeNew(grace.password)
	b.follow("#save")
	b.says("The password was reset.")
	grace.login(t, grace.password, mustChange("Reset"))

	b.open("/admin/accounts/" + o.name + "/" + p.Username)
	b.says(c.name)
	b.says(p.ObjectID)
	b.state("account")
}
