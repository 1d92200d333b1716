package e2e_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// kubernetesToken logs a person in for the cluster.
func kubernetesToken(t *testing.T, p *person) string {
	t.Helper()

	a, err := p.post(t.Context(), "/api/v1/login", map[string]any{"password": p.password, "audience": "kubernetes"})
	must(t, err)
	must(t, a.check(granted))

	return a.Token
}

// clusterAs is the API server as somebody with that token sees it.
func clusterAs(t *testing.T, token string) *kubernetes.Clientset {
	t.Helper()

	config := rest.AnonymousClientConfig(plane.Config())
	config.BearerToken = token
	clients, err := kubernetes.NewForConfig(config)
	must(t, err)

	return clients
}

// whoAmI asks the API server whose token it is.
func whoAmI(t *testing.T, clients *kubernetes.Clientset) (authenticationv1.UserInfo, error) {
	t.Helper()

	review, err := clients.AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})

	return review.Status.UserInfo, err
}

// refusedEventually waits until the API server refuses a token: within its caches and a moment.
func refusedEventually(t *testing.T, token string) {
	t.Helper()

	clients := clusterAs(t, token)
	within(t, controlplane.TokenCache+patience, "the API server refuses the token", func() error {
		if _, err := whoAmI(t, clients); !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("it says %q", fmt.Sprint(err))
		}

		return nil
	})
}

// mustKubectlAs runs kubectl as somebody with that token.
func mustKubectlAs(t *testing.T, token string, args ...string) string {
	t.Helper()

	config := rest.AnonymousClientConfig(plane.Config())
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, controlplane.WriteKubeconfig(path, config))

	program, err := binaries.Find(binaries.Kubectl)
	must(t, err)

	command := exec.CommandContext(t.Context(), program, append([]string{"--kubeconfig=" + path, "--token=" + token}, args...)...)

	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, output)
	}

	return string(output)
}

// TestTokenOfAPerson: the API server knows a person who has logged in by the username and the groups of docs/kubernetes.md, and no others.
func TestTokenOfAPerson(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "grace", func(s *v1alpha1.UserAccountSpec) {
		s.Username, s.Groups = "Grace.Hopper", []string{"engineering", "on call"}
	})
	token := kubernetesToken(t, p)

	user, err := whoAmI(t, clusterAs(t, token))
	must(t, err)

	base := "keyturn:" + o.name
	if user.Username != base+":Grace.Hopper" || user.UID == "" || len(user.Extra) > 0 {
		t.Errorf("the API server knows %+v", user)
	}

	want := []string{base, base + ":engineering", base + ":on call", "system:authenticated"}
	if got := fmt.Sprintf("%q", user.Groups); got != fmt.Sprintf("%q", want) {
		t.Errorf("the groups are %s, want %q", got, want)
	}

	// The same by the command of the README.
	output := mustKubectlAs(t, token, "auth", "whoami")
	if !strings.Contains(output, base+":Grace.Hopper") {
		t.Errorf("kubectl auth whoami: %s", output)
	}
}

// TestBindings: a role that is bound to a person or a group gives its rights to them and to nobody else.
func TestBindings(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	ada := clusterAs(t, kubernetesToken(t, o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"staff"} })))
	bob := clusterAs(t, kubernetesToken(t, o.settled(t, "bob", func(s *v1alpha1.UserAccountSpec) { s.Groups = []string{"staff"} })))
	eve := clusterAs(t, kubernetesToken(t, o.settled(t, "eve", nil)))

	must(t, kube.Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
	}))

	bind := func(kind, name string) *rbacv1.RoleBinding {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: strings.ToLower(kind)},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects:   []rbacv1.Subject{{Kind: kind, APIGroup: rbacv1.GroupName, Name: name}},
		}
		must(t, kube.Create(t.Context(), binding))

		return binding
	}
	may := func(clients *kubernetes.Clientset, want bool) {
		t.Helper()
		eventually(t, "the role is bound", func() error {
			_, err := clients.CoreV1().ConfigMaps(o.name).List(t.Context(), metav1.ListOptions{})
			if want && err == nil || !want && apierrors.IsForbidden(err) {
				return nil
			}

			return fmt.Errorf("listing answers %q, want it allowed: %t", fmt.Sprint(err), want)
		})
	}

	may(ada, false)

	binding := bind(rbacv1.UserKind, "keyturn:"+o.name+":ada")
	may(ada, true)
	may(bob, false)
	must(t, kube.Delete(t.Context(), binding))
	may(ada, false)

	bind(rbacv1.GroupKind, "keyturn:"+o.name+":staff")
	may(ada, true)
	may(bob, true)
	may(eve, false)
}

// TestTokensThatTheClusterRefuses: the API server refuses a session for the web, and anything that is no token of Keyturn.
func TestTokensThatTheClusterRefuses(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	good := kubernetesToken(t, p)

	for name, token := range map[string]string{
		"a web session": p.login(t, p.password, granted).Token,
		"cut":           good[:len(good)-3],
		"edited":        good[:len(good)-8] + "AAAAAAAA",
		"no token":      "garbage",
	} {
		if user, err := whoAmI(t, clusterAs(t, token)); !apierrors.IsUnauthorized(err) {
			t.Errorf("%s: the API server knows %+v, %v", name, user, err)
		}
	}

	_, err := whoAmI(t, clusterAs(t, good))
	must(t, err)
}

// TestTokenForAnotherAudience: a TokenReview for an audience that is not the API server's refuses a token for the cluster.
func TestTokenForAnotherAudience(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	token := kubernetesToken(t, o.settled(t, "ada", nil))
	admin, err := kubernetes.NewForConfig(plane.Config())
	must(t, err)

	for name, row := range map[string]struct {
		audiences []string
		want      bool
	}{
		"the API server's own": {nil, true},
		"the API server's":     {[]string{"https://kubernetes.default.svc.cluster.local"}, true},
		"another as well":      {[]string{"vault", "https://kubernetes.default.svc.cluster.local"}, true},
		"another":              {[]string{"vault"}, false},
	} {
		review, err := admin.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: row.audiences},
		}, metav1.CreateOptions{})
		must(t, err)

		if review.Status.Authenticated != row.want || row.want != (review.Status.User.Username == "keyturn:"+o.name+":ada") {
			t.Errorf("%s: %+v", name, review.Status)
		}

		if row.want && len(row.audiences) > 0 && strings.Join(review.Status.Audiences, " ") != "https://kubernetes.default.svc.cluster.local" {
			t.Errorf("%s: the audiences are %q", name, review.Status.Audiences)
		}
	}
}

// TestRevokedTokens: the API server refuses the token of a session that has ended, once its cached answer has expired.
func TestRevokedTokens(t *testing.T) {
	t.Parallel()

	for name, revoke := range map[string]func(*testing.T, *organisation, *person){
		"the password is changed": func(t *testing.T, _ *organisation, p *person) {
			t.Helper()
			p.change(t, newPassword(), granted)
		},
		"all sessions are ended": func(t *testing.T, o *organisation, _ *person) {
			t.Helper()
			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.SignOutTime = now() })
		},
		"the account is disabled": func(t *testing.T, o *organisation, _ *person) {
			t.Helper()
			o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := newOrganisation(t)
			p := o.settled(t, "ada", nil)
			token := kubernetesToken(t, p)
			_, err := whoAmI(t, clusterAs(t, token))
			must(t, err)
			revoke(t, o, p)
			refusedEventually(t, token)
		})
	}
}

// TestGroupsOfTheCluster: an account cannot declare itself into a group of Kubernetes, and a namespace named system gives it none.
func TestGroupsOfTheCluster(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	for _, group := range []string{"system:masters", "a:b", "a,b", "a\nb"} {
		a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "mallory"}}
		a.Spec.Groups = []string{group}

		if err := kube.Create(t.Context(), a); !apierrors.IsInvalid(err) {
			t.Errorf("the group %q: %v, want it refused", group, err)
		}
	}

	// Not by create, which has every log and metric searched for the name: logs and metrics contain this one.
	system := &organisation{name: "system"}
	must(t, kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system.name}}))

	p := system.settled(t, "masters", func(s *v1alpha1.UserAccountSpec) { s.Username, s.Groups = "admin", []string{"masters"} })
	clients := clusterAs(t, kubernetesToken(t, p))

	user, err := whoAmI(t, clients)
	must(t, err)

	for _, name := range append(user.Groups, user.Username) {
		if name != "system:authenticated" && !strings.HasPrefix(name, "keyturn:system") {
			t.Errorf("the API server knows the name %q", name)
		}
	}

	if _, err := clients.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing Secrets answers %v", err)
	}
}
