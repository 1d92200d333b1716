package manifests_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/kubeuser"
)

// Ready-made roles.
const (
	adminRole    = "keyturn-account-admin"
	helpdeskRole = "keyturn-account-helpdesk"
	viewerRole   = "keyturn-account-viewer"
	policyRole   = "keyturn-policy-admin"
	providerRole = "keyturn-provider-admin"
)

// rights are what one may, and what one may not.
type rights struct{ allowed, refused []question }

func (r rights) ask(t *testing.T, user string, groups []string) {
	t.Helper()

	for _, q := range r.allowed {
		q.ask(t, user, groups, true)
	}

	for _, q := range r.refused {
		q.ask(t, user, groups, false)
	}
}

func subjects(user string) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacGroup, Name: user}}
}

func clusterRole(name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "ClusterRole", Name: name}
}

// bind gives a user a role in a namespace.
func bind(t *testing.T, namespace, user string, role rbacv1.RoleRef) {
	t.Helper()

	_, err := clientset(t).RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ReplaceAll(user, ":", "-")}, RoleRef: role, Subjects: subjects(user),
	}, metav1.CreateOptions{})
	made(t, err)
}

// TestRolesForPeople binds each ready-made role as its comment says.
func TestRolesForPeople(t *testing.T) {
	clients := clientset(t)
	makeNamespace(t, clients, tenant)

	for user, name := range map[string]string{"admin": adminRole, "helper": helpdeskRole, "viewer": viewerRole} {
		bind(t, tenant, user, clusterRole(name))
	}

	for user, name := range map[string]string{"writer": policyRole, "connector": providerRole} {
		_, err := clients.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: clusterRole(name), Subjects: subjects(user),
		}, metav1.CreateOptions{})
		made(t, err)
	}

	tests := map[string]rights{
		"admin": {
			[]question{{anyVerb + " " + accountVerbs, accounts, "useraccounts", tenant, ""}},
			[]question{
				{anyVerb + " " + accountVerbs, accounts, "useraccounts", "other", ""},
				{anyVerb + " " + accountVerbs, accounts, "useraccounts", wholeCluster, ""},
				{"escalate", accounts, "useraccounts", tenant, ""},
				{"update patch", accounts, "useraccounts/status", tenant, ""},
				{anyVerb, accounts, "passwordpolicies", wholeCluster, ""},
				{anyVerb, accounts, "identityproviders", wholeCluster, ""},
				{anyVerb, "", "secrets", tenant, ""},
				{anyVerb, "", "secrets", credentials, ""},
				{"create", reviewGroup, "subjectaccessreviews", wholeCluster, ""},
			},
		},
		"helper": {
			[]question{{readVerb + " unlock sign-out require-change", accounts, "useraccounts", tenant, ""}},
			[]question{
				{writeVerb + " reset-password escalate", accounts, "useraccounts", tenant, ""},
				{readVerb + " " + accountVerbs, accounts, "useraccounts", "other", ""},
				{anyVerb, "", "secrets", tenant, ""},
			},
		},
		"viewer": {
			[]question{{readVerb, accounts, "useraccounts", tenant, ""}},
			[]question{
				{writeVerb + " escalate " + accountVerbs, accounts, "useraccounts", tenant, ""},
				{readVerb, accounts, "useraccounts", "other", ""},
				{anyVerb, "", "secrets", tenant, ""},
			},
		},
		"writer": {
			[]question{{anyVerb, accounts, "passwordpolicies", wholeCluster, ""}},
			[]question{
				{anyVerb + " " + accountVerbs, accounts, "useraccounts", tenant, ""},
				{"update patch", accounts, "passwordpolicies/status", wholeCluster, ""},
				{writeVerb, "", "namespaces", wholeCluster, ""},
			},
		},
		"connector": {
			[]question{{anyVerb, accounts, "identityproviders", wholeCluster, ""}},
			[]question{
				{"update patch", accounts, "identityproviders/status", wholeCluster, ""},
				{anyVerb, "", "secrets", providers, ""},
				{anyVerb, "", "secrets", wholeCluster, ""},
				{anyVerb, "", "configmaps", providers, ""},
				{anyVerb + " " + accountVerbs, accounts, "useraccounts", tenant, ""},
				{anyVerb, accounts, "passwordpolicies", wholeCluster, ""},
			},
		},
	}
	for user, tt := range tests {
		t.Run(user, func(t *testing.T) { tt.ask(t, user, []string{"system:authenticated"}) })
	}
}

// TestPeopleOfTheSamples asks about each person as the console does: by the names that Keyturn gives the account in Kubernetes, and
// nothing else. So the answers are those of RoleBindings for these names.
func TestPeopleOfTheSamples(t *testing.T) {
	if _, err := apply(t.Context(), build(t, samples)); err != nil {
		t.Fatal(err)
	}

	everything := readVerb + " " + accountVerbs
	tests := map[string]rights{
		"acme/ada": {
			[]question{{everything, accounts, "useraccounts", "acme", ""}, {everything, accounts, "useraccounts", "acme", "grace"}},
			[]question{
				{everything, accounts, "useraccounts", "platform", "sam"},
				{everything, accounts, "useraccounts", tenant, ""},
				{everything, accounts, "useraccounts", wholeCluster, ""},
				{"escalate", accounts, "useraccounts", "acme", ""},
			},
		},
		"acme/grace": {
			[]question{{readVerb + " unlock sign-out require-change", accounts, "useraccounts", "acme", "ada"}},
			[]question{
				{"reset-password escalate", accounts, "useraccounts", "acme", "ada"},
				{everything, accounts, "useraccounts", "platform", ""},
			},
		},
		"platform/sam": {
			[]question{
				{everything, accounts, "useraccounts", "acme", "ada"},
				{everything, accounts, "useraccounts", "platform", ""},
				{everything, accounts, "useraccounts", wholeCluster, ""},
			},
			[]question{{"escalate", accounts, "useraccounts", "acme", ""}, {anyVerb, "", "secrets", "acme", ""}},
		},
		"acme/katherine": {
			nil,
			[]question{{everything + " escalate", accounts, "useraccounts", "acme", ""}, {everything, accounts, "useraccounts", "acme", "katherine"}},
		},
	}

	for _, object := range build(t, samples) {
		if object.GetKind() != "UserAccount" {
			continue
		}

		account := convert[v1alpha1.UserAccount](t, object)
		name := account.Namespace + "/" + account.Name

		want, found := tests[name]
		if !found {
			continue
		}

		delete(tests, name)
		t.Run(name, func(t *testing.T) {
			identity, err := kubeuser.Of(account.Namespace, account.Username(), account.Spec.Groups)
			if err != nil {
				t.Fatal(err)
			}

			want.ask(t, identity.Username, identity.Groups)
		})
	}

	if len(tests) > 0 {
		t.Errorf("the samples have no accounts %v", slices.Sorted(maps.Keys(tests)))
	}
}

// TestNamesakes: a name is of one organisation: who administers accounts as ada of one has no right as ada of another, nor as the
// plain user ada.
func TestNamesakes(t *testing.T) {
	makeNamespace(t, clientset(t), tenant)
	bind(t, tenant, "keyturn:tenant:ada", clusterRole(adminRole))

	everything := []question{{readVerb + " " + accountVerbs, accounts, "useraccounts", tenant, ""}}

	rights{allowed: everything}.ask(t, "keyturn:tenant:ada", []string{"keyturn:tenant"})

	for _, user := range []string{"keyturn:elsewhere:ada", "keyturn:tenant:Ada", "keyturn:tenant:ada:", "ada"} {
		rights{refused: everything}.ask(t, user, []string{"keyturn:elsewhere", "keyturn:tenant"})
	}
}

// TestResourceNames: a role can name the accounts that one may act on. It says nothing about others, nor about lists.
func TestResourceNames(t *testing.T) {
	makeNamespace(t, clientset(t), tenant)

	_, err := clientset(t).RbacV1().Roles(tenant).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reset-of-tills"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{accounts}, Resources: []string{"useraccounts"}, ResourceNames: []string{"till-1", "till-2"},
			Verbs: []string{"get", "reset-password"},
		}},
	}, metav1.CreateOptions{})
	made(t, err)

	bind(t, tenant, "keyturn:tenant:shift", rbacv1.RoleRef{APIGroup: rbacGroup, Kind: "Role", Name: "reset-of-tills"})

	rights{
		[]question{{"get reset-password", accounts, "useraccounts", tenant, "till-1"}, {"reset-password", accounts, "useraccounts", tenant, "till-2"}},
		[]question{
			{"unlock sign-out require-change list", accounts, "useraccounts", tenant, "till-1"},
			{"get reset-password", accounts, "useraccounts", tenant, "till-3"},
			{"list get reset-password", accounts, "useraccounts", tenant, ""},
			{"get reset-password", accounts, "useraccounts", "other", "till-1"},
		},
	}.ask(t, "keyturn:tenant:shift", []string{"keyturn:tenant"})
}

// TestNamespaceAdministrators: who has Kubernetes' own role admin or edit in a namespace administers none of its accounts, and cannot
// give that right to anybody.
func TestNamespaceAdministrators(t *testing.T) {
	makeNamespace(t, clientset(t), tenant)

	for _, role := range []string{"admin", "edit", "view"} {
		user := "keyturn:tenant:has-" + role
		bind(t, tenant, user, clusterRole(role))

		rights{refused: []question{{anyVerb + " escalate " + accountVerbs, accounts, "useraccounts", tenant, ""}}}.
			ask(t, user, []string{"system:authenticated"})
	}

	config := cluster.Config()
	config.Impersonate.UserName = "keyturn:tenant:has-admin"

	for _, role := range []string{adminRole, helpdeskRole, viewerRole} {
		_, err := newClientset(t, config).RbacV1().RoleBindings(tenant).Create(t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "mine-" + role}, RoleRef: clusterRole(role), Subjects: subjects("keyturn:tenant:has-admin"),
		}, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("an administrator of the namespace gives the role %s: %v", role, err)
		}
	}
}

// TestNoRoleIsAggregated holds that nobody becomes an account administrator by being an editor of a namespace.
func TestNoRoleIsAggregated(t *testing.T) {
	roles := 0

	for _, object := range installed(t) {
		if object.GetKind() != "ClusterRole" {
			continue
		}

		roles++

		for label := range object.GetLabels() {
			if strings.HasPrefix(label, rbacGroup+"/aggregate-to-") {
				t.Errorf("ClusterRole %s bears the label %s", object.GetName(), label)
			}
		}

		for _, rule := range convert[rbacv1.ClusterRole](t, object).Rules {
			for _, word := range slices.Concat(rule.Verbs, rule.APIGroups, rule.Resources) {
				if strings.Contains(word, "*") {
					t.Errorf("ClusterRole %s has a wildcard: %v", object.GetName(), rule)
				}
			}
		}
	}

	if roles == 0 {
		t.Error("found no ClusterRole")
	}
}

// TestWhoMayAskForReviews: the right to ask who may do what is in three roles, each of one server, and each is bound to that server alone.
func TestWhoMayAskForReviews(t *testing.T) {
	want := map[string]string{
		"keyturn-login-console": "keyturn-login", "keyturn-operator-metrics-auth": "keyturn-operator", "keyturn-directory-metrics-auth": "keyturn-directory",
	}
	holders := map[string]string{}

	for _, object := range installed(t) {
		if kind := object.GetKind(); kind != "ClusterRole" && kind != "Role" {
			continue
		}

		for _, rule := range convert[rbacv1.ClusterRole](t, object).Rules {
			if slices.Contains(rule.APIGroups, reviewGroup) {
				holders[object.GetName()] = ""

				if !slices.Equal(rule.Verbs, []string{"create"}) || !slices.Equal(rule.Resources, []string{"subjectaccessreviews"}) {
					t.Errorf("%s has more than the right to ask: %v", object.GetName(), rule)
				}
			}
		}
	}

	for _, object := range installed(t) {
		if kind := object.GetKind(); kind != "ClusterRoleBinding" && kind != "RoleBinding" {
			continue
		}

		binding := convert[rbacv1.ClusterRoleBinding](t, object)
		if _, may := holders[binding.RoleRef.Name]; !may {
			continue
		}

		for _, subject := range binding.Subjects {
			if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != system {
				t.Errorf("%s names %v", binding.Name, subject)
			}

			holders[binding.RoleRef.Name] += subject.Name
		}
	}

	if !maps.Equal(holders, want) {
		t.Errorf("reviews are asked for by %v, want %v", holders, want)
	}
}
