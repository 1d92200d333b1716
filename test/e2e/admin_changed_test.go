package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// loss takes the right to act from an administrator, and is what the next action is answered with.
type loss struct {
	lose func(*testing.T, *organisation, *administrator, *rbacv1.RoleBinding)
	want outcome
}

var losses = map[string]loss{
	"the binding is deleted": {func(t *testing.T, o *organisation, a *administrator, b *rbacv1.RoleBinding) {
		t.Helper()
		must(t, kube.Delete(t.Context(), b))
		a.mayEventually(t, "get", o.name, "", false)
	}, notFound},
	"the role is narrowed": {func(t *testing.T, o *organisation, a *administrator, b *rbacv1.RoleBinding) {
		t.Helper()
		o.binds(t, a.person, helpdeskRole)
		must(t, kube.Delete(t.Context(), b))
		a.mayEventually(t, "reset-password", o.name, "", false)
	}, notPermitted("VerbNotGranted")},
	"the account is disabled": {func(t *testing.T, o *organisation, _ *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	}, over},
	"the account ends": {func(t *testing.T, o *organisation, _ *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.EndTime = now() })
	}, over},
	"the account is deleted": {func(t *testing.T, o *organisation, _ *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		must(t, kube.Delete(t.Context(), &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "ada"}}))
	}, over},
	"signed out in Git": {func(t *testing.T, o *organisation, a *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.SignOutTime = now() })
		sessionEndsEventually(t, a.token)
	}, over},
	"logged out": {func(t *testing.T, _ *organisation, a *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		logOutAt(t, loginURL, "/api/v1/session", a.token)
	}, over},
	"the password is changed": {func(t *testing.T, _ *organisation, a *administrator, _ *rbacv1.RoleBinding) {
		t.Helper()
		a.change(t, newPassword(), granted)
	}, over},
}

// TestAdministratorsLoseTheirRights: an administrator has a page open while something takes the right away. The next action is refused,
// with an answer that says what to do, and changes nothing.
func TestAdministratorsLoseTheirRights(t *testing.T) {
	t.Parallel()

	for name, tt := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			o.settled(t, "grace", nil)
			p := o.settled(t, "ada", nil)
			binding := o.binds(t, p, adminRole)
			a := p.administers(t)
			a.looks(t, o.name, "grace", outcome{code: http.StatusOK})

			before := o.credential(t, "grace").ResourceVersion

			tt.lose(t, o, a, binding)

			for _, does := range []string{"reset-password", "generate"} {
				a.acts(t, does, o.name, "grace", tt.want)
			}

			if tt.want != notPermitted("VerbNotGranted") {
				a.acts(t, "unlock", o.name, "grace", tt.want)
				a.looks(t, o.name, "grace", tt.want)
			}

			if after := o.credential(t, "grace").ResourceVersion; after != before {
				t.Errorf("the credential of the target went from revision %s to %s", before, after)
			}
		})
	}
}

// TestGroupsOfAnAdministrator: a role that is bound to a group of the organisation holds for whoever is in it now, as it is declared and
// not as the session or a watch has it. No other group counts, least of all one of Kubernetes.
func TestGroupsOfAnAdministrator(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	o.settled(t, "grace", nil)
	p := o.settled(t, "ada", nil)

	for name, group := range map[string]string{
		"helpdesk": "keyturn:" + o.name + ":helpdesk", "authenticated": "system:authenticated", "another": "keyturn:elsewhere:helpdesk",
	} {
		role := adminRole
		if name == "helpdesk" {
			role = helpdeskRole
		}

		must(t, kube.Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: name}, Subjects: subject(rbacv1.GroupKind, group),
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		}))
	}

	o.binds(t, o.settled(t, "last", nil), viewerRole) // The API server knows the bindings before it.

	a := p.administers(t)
	a.acts(t, "unlock", o.name, "grace", notFound)

	for range 3 {
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"helpdesk"} })
		a.acts(t, "unlock", o.name, "grace", done)
		a.acts(t, "reset-password", o.name, "grace", notPermitted("VerbNotGranted"))
		o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Groups = nil })
		a.acts(t, "unlock", o.name, "grace", notFound)
	}
}

// TestRefusedAndAbsent: an account that the actor may not see is answered for like one that is not there, to the last header. Where the actor
// may get accounts and there is none, the answer is the same, too, but its time may differ: who may list them may know which there are. It
// measures time, so nothing runs beside it.
func TestRefusedAndAbsent(t *testing.T) {
	const rounds = 40

	o, other := newOrganisation(t), newOrganisation(t)
	p := o.settled(t, "ada", nil)
	o.binds(t, p, adminRole)
	other.settled(t, "grace", nil)

	a := p.administers(t)
	took := map[string][]time.Duration{}
	said := map[string]map[string]bool{}

	for range rounds {
		for name, path := range map[string]string{
			"refused": other.name + "/grace", "refused and absent": other.name + "/nobody", "absent": o.name + "/nobody",
			"no namespace": "nowhere-at-all/grace",
		} {
			for _, request := range []asked{
				{method: http.MethodGet, path: "/api/v1/accounts/" + path},
				{method: http.MethodPost, path: "/api/v1/accounts/" + path + "/reset-password", body: resetBody(newPassword())},
			} {
				got := a.asks(t, request, notFound)
				got.header.Del("X-Request-Id")
				got.header.Del("Date")

				if said[request.method] == nil {
					said[request.method] = map[string]bool{}
				}

				said[request.method][string(got.body)+describeHeader(got.header)] = true
				took[name] = append(took[name], got.took)
			}
		}
	}

	for method, answers := range said {
		if len(answers) != 1 {
			t.Errorf("%s is answered in %d ways, want one: %q", method, len(answers), slices.Collect(maps.Keys(answers)))
		}
	}

	middle := func(name string) time.Duration {
		slices.Sort(took[name])

		return took[name][len(took[name])/2]
	}

	t.Logf("refused %s, refused and absent %s, absent %s", middle("refused"), middle("refused and absent"), middle("absent"))

	if a, b := middle("refused"), middle("refused and absent"); max(a, b) > 2*min(a, b)+time.Millisecond {
		t.Errorf("whom the actor may not see is answered for in %s, whom there is not in %s", a, b)
	}
}

// describeHeader returns a header as text, the same for the same header.
func describeHeader(h http.Header) string {
	var text string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		text += "\n" + name + ": " + h.Get(name)
	}

	return text
}
