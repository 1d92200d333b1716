package manifests_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	system       = "keyturn-system"
	credentials  = "keyturn-credentials"
	providers    = "keyturn-providers"
	tenant       = "tenant"
	accounts     = "accounts.keyturn.dev"
	rbacGroup    = "rbac.authorization.k8s.io"
	reviewGroup  = "authorization.k8s.io"
	wholeCluster = ""
)

// question is one row: what somebody wants to do. Several verbs are several questions.
type question struct {
	verbs     string // separated by spaces
	group     string
	resource  string // with its subresource after a slash
	namespace string
	name      string // "": any
}

// patience is how long the API server may take to know of a role or a binding that was just made.
const patience = 10 * time.Second

// ask asks the API server whether somebody may, verb by verb, and wants the same answer each time. A right that it does not know of yet it
// may come to know.
func (q question) ask(t *testing.T, user string, groups []string, want bool) {
	t.Helper()

	resource, subresource, _ := strings.Cut(q.resource, "/")

	for verb := range strings.FieldsSeq(q.verbs) {
		var review *authorizationv1.SubjectAccessReview

		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (_ bool, err error) {
			review, err = clientset(t).AuthorizationV1().SubjectAccessReviews().Create(ctx,
				&authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
					User: user, Groups: groups,
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Verb: verb, Group: q.group, Resource: resource, Subresource: subresource,
						Namespace: q.namespace, Name: q.name, Version: "*",
					},
				}}, metav1.CreateOptions{})

			return !want || err != nil || review.Status.Allowed, err
		})
		if err != nil && !wait.Interrupted(err) {
			t.Fatal(err)
		}

		if review.Status.Allowed != want {
			t.Errorf("%s %s/%s %s in %q: allowed is %t, want %t (%s)",
				verb, q.group, q.resource, q.name, q.namespace, review.Status.Allowed, want, review.Status.Reason)
		}
	}
}

const (
	anyVerb   = "get list watch create update patch delete deletecollection"
	writeVerb = "create update patch delete deletecollection"
	readVerb  = "get list watch"
	// accountVerbs are Keyturn's own, of accounts.
	accountVerbs = "reset-password unlock sign-out require-change"
)

// neither is what neither the operator nor the login server may do, even when an attacker controls it. Nor may the directory server.
var neither = []question{
	{writeVerb, accounts, "identityproviders", wholeCluster, ""},
	{writeVerb, "", "secrets", providers, ""},
	{writeVerb, "", "configmaps", providers, ""},
	{writeVerb, "", "secrets", tenant, ""},
	{writeVerb, "", "secrets", "kube-system", ""},
	{writeVerb, "", "secrets", wholeCluster, ""},
	{anyVerb, "", "pods", tenant, ""},
	{anyVerb, "", "pods", system, ""},
	{anyVerb, "", "pods", credentials, ""},
	{"get create", "", "pods/exec", system, ""},
	{"create", "", "pods/ephemeralcontainers", system, ""},
	{"create", "", "serviceaccounts/token", system, ""},
	{anyVerb, "", "serviceaccounts", system, ""},
	{anyVerb, "", "nodes", wholeCluster, ""},
	{"get", "", "nodes/proxy", wholeCluster, ""},
	{writeVerb, "", "namespaces", wholeCluster, ""},
	{anyVerb, "", "configmaps", tenant, ""},
	{anyVerb, "", "configmaps", credentials, ""},
	{"update patch delete deletecollection", "", "configmaps", system, ""},
	{anyVerb, "apps", "deployments", system, ""},
	{"create update delete deletecollection", accounts, "useraccounts", tenant, ""},
	{"create delete deletecollection", accounts, "passwordpolicies", wholeCluster, ""},
	{"impersonate", "", "users", wholeCluster, ""},
	{"impersonate", "", "groups", wholeCluster, "system:masters"},
	{"impersonate", "", "serviceaccounts", system, ""},
	{anyVerb + " bind escalate", rbacGroup, "clusterroles", wholeCluster, ""},
	{anyVerb + " bind escalate", rbacGroup, "roles", system, ""},
	{anyVerb, rbacGroup, "clusterrolebindings", wholeCluster, ""},
	{anyVerb, rbacGroup, "rolebindings", credentials, ""},
	{anyVerb, "admissionregistration.k8s.io", "validatingwebhookconfigurations", wholeCluster, ""},
	{anyVerb, "admissionregistration.k8s.io", "validatingadmissionpolicies", wholeCluster, ""},
	{anyVerb, "admissionregistration.k8s.io", "validatingadmissionpolicybindings", wholeCluster, ""},
	{anyVerb, "apiextensions.k8s.io", "customresourcedefinitions", wholeCluster, ""},
	{anyVerb, "certificates.k8s.io", "certificatesigningrequests", wholeCluster, ""},
	{"patch deletecollection", "", "secrets", credentials, ""},
	{"delete patch", "", "secrets", system, "keyturn-signing-keys"},
	{"update patch delete", "", "secrets", system, "other"},
	{anyVerb, reviewGroup, "localsubjectaccessreviews", tenant, ""},
	{"*", "*", "*", wholeCluster, ""},
}

func TestLoginServer(t *testing.T) {
	allowed := []question{
		{readVerb, accounts, "useraccounts", wholeCluster, ""},
		{readVerb, accounts, "useraccounts", tenant, ""},
		{readVerb, accounts, "passwordpolicies", wholeCluster, ""},
		{readVerb, accounts, "identityproviders", wholeCluster, ""},
		{readVerb, "", "secrets", providers, ""},
		{readVerb, "", "configmaps", providers, ""},
		{readVerb, "", "namespaces", wholeCluster, ""},
		{readVerb + " update", "", "secrets", credentials, ""},
		{readVerb, "", "secrets", system, "keyturn-signing-keys"},
		{readVerb, "", "configmaps", system, ""},
		{"create", reviewGroup, "subjectaccessreviews", wholeCluster, ""},
	}
	refused := []question{
		{anyVerb, "", "secrets", tenant, ""},
		{anyVerb, "", "secrets", "kube-system", ""},
		{anyVerb, "", "secrets", wholeCluster, ""},
		{"create delete", "", "secrets", credentials, ""},
		{readVerb, "", "secrets", system, ""},
		{readVerb, "", "secrets", system, "other"},
		{"create update", "", "secrets", system, "keyturn-signing-keys"},
		{anyVerb, "", "secrets", system, "keyturn-webhook-ca"},
		{anyVerb, "", "secrets", system, "keyturn-login-webhook-tls"},
		{"create", "", "configmaps", system, ""},
		{writeVerb, accounts, "useraccounts", tenant, ""},
		{"get update patch", accounts, "useraccounts/status", tenant, ""},
		{writeVerb, accounts, "passwordpolicies", wholeCluster, ""},
		{"get update patch", accounts, "passwordpolicies/status", wholeCluster, ""},
		{"get update patch", accounts, "identityproviders/status", wholeCluster, ""},
		{anyVerb, "events.k8s.io", "events", tenant, ""},
		{anyVerb, "", "events", tenant, ""},
		{anyVerb, "coordination.k8s.io", "leases", system, ""},
		{"create", "authentication.k8s.io", "tokenreviews", wholeCluster, ""},
		{accountVerbs + " escalate", accounts, "useraccounts", tenant, ""},
	}

	askServiceAccount(t, "keyturn-login", allowed, slices.Concat(neither, refused))
}

func TestOperator(t *testing.T) {
	allowed := []question{
		{readVerb + " patch", accounts, "useraccounts", wholeCluster, ""},
		{"update patch", accounts, "useraccounts/status", tenant, ""},
		{readVerb + " patch", accounts, "passwordpolicies", wholeCluster, ""},
		{"update patch", accounts, "passwordpolicies/status", wholeCluster, ""},
		{readVerb, accounts, "identityproviders", wholeCluster, ""},
		{readVerb, "", "namespaces", wholeCluster, ""},
		{readVerb, "", "secrets", wholeCluster, ""},
		{readVerb + " create update delete", "", "secrets", credentials, ""},
		{readVerb + " update", "", "secrets", system, "keyturn-signing-keys"},
		{"create", "", "secrets", system, ""},
		{readVerb + " create", "", "configmaps", system, ""},
		{"update delete", "", "configmaps", system, "keyturn-webhook-ca"},
		{readVerb + " update", "", "secrets", system, "keyturn-webhook-ca"},
		{readVerb + " update", "", "secrets", system, "keyturn-login-webhook-tls"},
		{"create patch", "events.k8s.io", "events", tenant, ""},
		{"create", "coordination.k8s.io", "leases", system, ""},
		{"get update", "coordination.k8s.io", "leases", system, "keyturn-operator"},
		{"create", "authentication.k8s.io", "tokenreviews", wholeCluster, ""},
		{"create", reviewGroup, "subjectaccessreviews", wholeCluster, ""},
	}
	refused := []question{
		{"update delete deletecollection", "", "secrets", system, ""},
		{"get update delete", "coordination.k8s.io", "leases", system, "other"},
		{"get list watch update delete", "events.k8s.io", "events", tenant, ""},
		{anyVerb, "", "events", tenant, ""},
		{anyVerb, "", "events", system, ""},
		{"update", accounts, "useraccounts", tenant, ""},
		{accountVerbs + " escalate", accounts, "useraccounts", tenant, ""},
		{"update", accounts, "passwordpolicies", wholeCluster, ""},
		{"get update patch", accounts, "identityproviders/status", wholeCluster, ""},
		{readVerb, "", "configmaps", providers, ""},
	}

	askServiceAccount(t, "keyturn-operator", allowed, slices.Concat(neither, refused))
}

// TestDirectoryServer: it reads what other servers answer. So it can neither become somebody here, nor hand out a password: what it may change in a
// credential is in TestDirectoryServerChangesNoPassword.
func TestDirectoryServer(t *testing.T) {
	allowed := []question{
		{readVerb, accounts, "useraccounts", wholeCluster, ""},
		{readVerb, accounts, "identityproviders", wholeCluster, ""},
		{"patch", accounts, "identityproviders/status", wholeCluster, ""},
		{readVerb, "", "namespaces", wholeCluster, ""},
		{readVerb + " update", "", "secrets", credentials, ""},
		{readVerb, "", "secrets", providers, ""},
		{readVerb, "", "configmaps", providers, ""},
		{"create patch", "events.k8s.io", "events", "default", ""},
		{"create", "coordination.k8s.io", "leases", system, ""},
		{"get update", "coordination.k8s.io", "leases", system, "keyturn-directory"},
		{"create", "authentication.k8s.io", "tokenreviews", wholeCluster, ""},
		{"create", reviewGroup, "subjectaccessreviews", wholeCluster, ""},
	}
	refused := []question{
		{"create patch delete deletecollection", "", "secrets", credentials, ""},
		{anyVerb, "", "secrets", tenant, ""},
		{anyVerb, "", "secrets", system, ""},
		{anyVerb, "", "secrets", system, "keyturn-signing-keys"},
		{anyVerb, "", "secrets", wholeCluster, ""},
		{anyVerb, "", "configmaps", system, ""},
		{writeVerb, accounts, "useraccounts", tenant, ""},
		{"get update patch", accounts, "useraccounts/status", tenant, ""},
		{anyVerb, accounts, "passwordpolicies", wholeCluster, ""},
		{"get update", accounts, "identityproviders/status", wholeCluster, ""},
		{accountVerbs + " escalate", accounts, "useraccounts", tenant, ""},
		{"get update delete", "coordination.k8s.io", "leases", system, "keyturn-operator"},
		{"get list watch update delete", "events.k8s.io", "events", tenant, ""},
	}

	askServiceAccount(t, "keyturn-directory", allowed, slices.Concat(neither, refused))
}

func askServiceAccount(t *testing.T, name string, allowed, refused []question) {
	t.Helper()

	user := "system:serviceaccount:" + system + ":" + name
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + system, "system:authenticated"}

	for _, q := range allowed {
		q.ask(t, user, groups, true)
	}

	for _, q := range refused {
		q.ask(t, user, groups, false)
	}
}

// TestNothingElse asks the API server for all that each server may do, beyond what every ServiceAccount may: the
// questions above can only find what somebody thought of.
func TestNothingElse(t *testing.T) {
	clients := clientset(t)
	makeNamespace(t, clients, "bystander")

	_, err := clients.CoreV1().ServiceAccounts("bystander").Create(t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "nobody"}}, metav1.CreateOptions{})
	made(t, err)

	everyone := []string{
		"[get list watch] [accounts.keyturn.dev] [useraccounts passwordpolicies identityproviders] []",
		"[get list watch] [] [namespaces] []",
		"[create] [authorization.k8s.io] [subjectaccessreviews] []",
	}
	operator := []string{
		"[get list watch patch] [accounts.keyturn.dev] [useraccounts] []",
		"[patch update] [accounts.keyturn.dev] [useraccounts/status passwordpolicies/status] []",
		"[get list watch patch] [accounts.keyturn.dev] [passwordpolicies] []",
		"[get list watch] [accounts.keyturn.dev] [identityproviders] []",
		"[get list watch] [] [namespaces] []",
		"[get list watch] [] [secrets] []",
		"[create patch] [events.k8s.io] [events] []",
		"[create] [authentication.k8s.io] [tokenreviews] []",
		"[create] [authorization.k8s.io] [subjectaccessreviews] []",
	}
	directory := []string{
		"[get list watch] [accounts.keyturn.dev] [useraccounts identityproviders] []",
		"[get list watch] [] [namespaces] []",
		"[patch] [accounts.keyturn.dev] [identityproviders/status] []",
		"[create patch] [events.k8s.io] [events] []",
		"[create] [authentication.k8s.io] [tokenreviews] []",
		"[create] [authorization.k8s.io] [subjectaccessreviews] []",
	}

	tests := []struct {
		name, account, namespace string
		want                     []string
	}{
		{"login server, any namespace", "keyturn-login", "bystander", everyone},
		{"login server, credentials", "keyturn-login", credentials,
			append(slices.Clone(everyone), "[get list watch update] [] [secrets] []")},
		{"login server, system", "keyturn-login", system, append(slices.Clone(everyone),
			"[get list watch] [] [configmaps] []", "[get list watch] [] [secrets] [keyturn-signing-keys]")},
		{"login server, providers", "keyturn-login", providers,
			append(slices.Clone(everyone), "[get list watch] [] [secrets configmaps] []")},
		{"directory server, any namespace", "keyturn-directory", "bystander", directory},
		{"directory server, credentials", "keyturn-directory", credentials,
			append(slices.Clone(directory), "[get list watch update] [] [secrets] []")},
		{"directory server, providers", "keyturn-directory", providers,
			append(slices.Clone(directory), "[get list watch] [] [secrets configmaps] []")},
		{"directory server, system", "keyturn-directory", system, append(slices.Clone(directory),
			"[create] [coordination.k8s.io] [leases] []", "[get update] [coordination.k8s.io] [leases] [keyturn-directory]")},
		{"operator, providers", "keyturn-operator", providers, slices.Clone(operator)},
		{"operator, any namespace", "keyturn-operator", "bystander", operator},
		{"operator, credentials", "keyturn-operator", credentials,
			append(slices.Clone(operator), "[create update delete] [] [secrets] []")},
		{"operator, system", "keyturn-operator", system, append(slices.Clone(operator),
			"[create] [] [secrets] []", "[update] [] [secrets] [keyturn-signing-keys keyturn-webhook-ca keyturn-login-webhook-tls]",
			"[get list watch create] [] [configmaps] []", "[update delete] [] [configmaps] [keyturn-webhook-ca]",
			"[create] [coordination.k8s.io] [leases] []", "[get update] [coordination.k8s.io] [leases] [keyturn-operator]")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := rulesOf(t, "bystander", "nobody", tt.namespace)
			got := slices.DeleteFunc(rulesOf(t, system, tt.account, tt.namespace), func(rule string) bool {
				return slices.Contains(base, rule)
			})

			slices.Sort(got)
			slices.Sort(tt.want)

			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

// rulesOf are the rules that hold for a ServiceAccount in a namespace, as verbs, groups, resources and names. The core
// group is shown as nothing.
func rulesOf(t *testing.T, home, account, namespace string) []string {
	t.Helper()

	config, err := cluster.TokenFor(t.Context(), home, account)
	if err != nil {
		t.Fatal(err)
	}

	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}

	review, err := clients.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(),
		&authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
		}, metav1.CreateOptions{})
	if err != nil || review.Status.Incomplete {
		t.Fatalf("asking for the rules: %v %+v", err, review)
	}

	var all []string
	for _, rule := range review.Status.ResourceRules {
		var parts []string
		for _, words := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames} {
			parts = append(parts, "["+strings.Join(words, " ")+"]")
		}

		all = append(all, strings.Join(parts, " "))
	}

	for _, rule := range review.Status.NonResourceRules {
		all = append(all, strings.Join(rule.Verbs, " ")+" "+strings.Join(rule.NonResourceURLs, " "))
	}

	return all
}

// made takes the error of a Create; what is there already, of a former round of tests, will do.
func made(t *testing.T, err error) {
	t.Helper()

	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

func makeNamespace(t *testing.T, clients *kubernetes.Clientset, name string) {
	t.Helper()

	_, err := clients.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	made(t, err)
}
