package e2e_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// waitsToBeDeleted deletes an account that a finalizer keeps until the test is over.
func (o *organisation) waitsToBeDeleted(t *testing.T, name string) {
	t.Helper()

	account, err := o.get(t, name)
	must(t, err)
	update(t, account, func() { account.Finalizers = []string{"example.org/somebody"} })
	must(t, kube.Delete(t.Context(), account))
	t.Cleanup(func() {
		none := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		must(t, kube.Patch(context.WithoutCancel(t.Context()), account, none))
	})
}

// TestAccountsThatWaitToBeDeleted: an account with a deletionTimestamp is gone for the console, as an account that is acted on and as one
// that acts.
func TestAccountsThatWaitToBeDeleted(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	boss.acts(t, "unlock", o.name, "grace", done)
	o.waitsToBeDeleted(t, "grace")

	for _, does := range []string{"reset-password", "unlock", "sign-out", "require-change", "withdraw-change"} {
		boss.acts(t, does, o.name, "grace", notFound)
	}

	boss.looks(t, o.name, "grace", notFound)
	eventually(t, "it is not in the list", func() error {
		if len(boss.lists(t, o.name, outcome{code: http.StatusOK}).Accounts) != 1 {
			return errTooEarly
		}

		return nil
	})

	o.settled(t, "alan", nil)
	o.waitsToBeDeleted(t, "boss")
	boss.acts(t, "unlock", o.name, "alan", over)
}

// TestAccountCreatedAgain: a session of an administrator whose account was deleted and created again with the same name is over, although
// the role has that name; and a page that was opened before acts on the account that there is now.
func TestAccountCreatedAgain(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, unlimited())
	o.settled(t, "grace", nil)
	must(t, kube.Delete(t.Context(), &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "grace"}}))

	p := o.hired(t, "grace", nil)
	boss.resets(t, p, newPassword())
	p.login(t, p.password, mustChange("InitialLogin"))

	must(t, kube.Delete(t.Context(), &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "boss"}}))
	o.account(t, "boss", nil)
	o.awaitStanding(t, "boss", v1alpha1.StandingChangeRequired, v1alpha1.ReasonInitialLogin)
	boss.acts(t, "unlock", o.name, "grace", over)
}

// TestNameOfAnAdministrator: a role counts for the username as it is declared, and for no other name: neither that of the object, nor the
// same in another case, nor the same in another organisation.
func TestNameOfAnAdministrator(t *testing.T) {
	t.Parallel()

	o, elsewhere := newOrganisation(t), newOrganisation(t)
	o.settled(t, "grace", nil)

	p := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Username = "Ada.L" })
	namesake := elsewhere.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Username = "Ada.L" })
	a, b := p.administers(t), namesake.administers(t)

	for _, name := range []string{"keyturn:" + o.name + ":ada", "keyturn:" + o.name + ":ada.l", "Ada.L", "ada"} {
		must(t, kube.Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, GenerateName: "wrong-"}, Subjects: subject(rbacv1.UserKind, name),
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: adminRole},
		}))
	}

	o.binds(t, o.settled(t, "last", nil), viewerRole) // The API server knows the bindings before it.
	a.acts(t, "unlock", o.name, "grace", notFound)

	o.binds(t, p, adminRole)
	a.acts(t, "unlock", o.name, "grace", done)
	b.acts(t, "unlock", o.name, "grace", notFound)
}

// TestStalledAPIServer: while the API server takes requests and answers none, an action, a look and a list are answered with 503 before the
// client has given up.
func TestStalledAPIServer(t *testing.T) {
	t.Parallel()

	o, boss := ruled(t, v1alpha1.PasswordPolicySpec{})
	o.settled(t, "grace", nil)
	_, server := newConsole(t)
	boss.console = server.url
	boss.logInAgain(t)
	boss.lists(t, o.name, outcome{code: http.StatusOK})
	server.gate.stall(true)

	for _, r := range []asked{
		action("unlock", o.name, "grace"), action("reset-password", o.name, "grace"),
		{method: http.MethodGet, path: "/api/v1/accounts/" + o.name + "/grace"}, {method: http.MethodGet, path: "/api/v1/accounts"},
	} {
		got, err := boss.try(t.Context(), r)
		if err != nil || got.code != http.StatusServiceUnavailable || got.took > 20*time.Second {
			t.Errorf("%s %s: %v, %v", r.method, r.path, got, err)

			continue
		}

		t.Logf("%s %s: %q after %s", r.method, r.path, got.outcome(), got.took)
	}

	server.gate.stall(false)
	eventually(t, "actions work again", func() error {
		got, err := boss.try(t.Context(), action("unlock", o.name, "grace"))
		if err == nil && got.outcome() != done {
			err = errTooEarly
		}

		return err
	})
}
