package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// consoleHost is a host of the console by its name; it is at another one that the same server answers as an application's.
const (
	consoleHost     = "console.example.org"
	applicationHost = "app.example.org"
)

// The ready-made roles for people.
const (
	adminRole    = "keyturn-account-admin"
	helpdeskRole = "keyturn-account-helpdesk"
	viewerRole   = "keyturn-account-viewer"
)

// The outcomes of the console.
var (
	done        = outcome{code: http.StatusNoContent}
	notFound    = outcome{code: http.StatusNotFound, id: "not-found"}
	proofTooOld = outcome{code: http.StatusUnauthorized, id: "insufficient-user-authentication"}
	cannotAsk   = outcome{code: http.StatusServiceUnavailable, id: "unavailable"}
	malformed   = outcome{code: http.StatusBadRequest, id: "invalid-request"}
)

func notPermitted(reason string) outcome {
	return outcome{http.StatusForbidden, "not-permitted", reason}
}

func notPossible(reason string) outcome {
	return outcome{http.StatusConflict, "not-possible", reason}
}

func notResettable(reason string) outcome {
	return outcome{http.StatusConflict, "not-resettable", reason}
}

// administrator is somebody who acts on accounts at the console.
type administrator struct {
	*person
	token string
	// console is where they act; empty for the console of all tests.
	console string
}

// administers logs a person in at the console of all tests.
func (p *person) administers(t *testing.T) *administrator {
	t.Helper()

	return p.administersAt(t, consoleURL)
}

func (p *person) administersAt(t *testing.T, url string) *administrator {
	t.Helper()

	a := &administrator{person: p, console: url}
	a.logInAgain(t)

	return a
}

// logInAgain gives the administrator another session of the console.
func (a *administrator) logInAgain(t *testing.T) {
	t.Helper()

	at := *a.person
	at.at = a.console
	eventually(t, a.username+" logs in at the console", func() error {
		answer, err := at.post(t.Context(), "/api/v1/login", map[string]any{"password": a.password, "audience": "console"})
		if err != nil {
			return err
		}

		a.token = answer.Token

		return answer.check(granted)
	})
}

// asked is a request to a console as it is sent.
type asked struct {
	method, path string
	// host is the header Host; empty for that of the URL.
	host   string
	header map[string]string
	body   string
}

// listed is an account in a list.
type listed struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Standing  string `json:"standing"`
	Reason    string `json:"reason"`
}

// consoleAnswer is what the console said.
type consoleAnswer struct {
	answer

	Verb              string    `json:"verb"`
	Standing          string    `json:"standing"`
	MustChangeReason  string    `json:"mustChangeReason"`
	Actions           []string  `json:"actions"`
	Password          string    `json:"password"`
	PasswordExpiresAt time.Time `json:"passwordExpiresAt"`
	Failures          int       `json:"failures"`
	ResetBy           string    `json:"resetBy"`
	Accounts          []listed  `json:"accounts"`
	Continue          string    `json:"continue"`
	took              time.Duration
}

// outcome is what matters of the answer: of a refusal all, of anything else that it is none.
func (a *consoleAnswer) outcome() outcome {
	if a.code < http.StatusBadRequest {
		return outcome{code: a.code}
	}

	return a.answer.outcome()
}

// askConsole sends a request to a login server, and checks what every answer has to be.
func askConsole(ctx context.Context, url string, r asked) (*consoleAnswer, error) {
	noteAddress(r.path)

	request, err := http.NewRequestWithContext(ctx, r.method, url+r.path, bytes.NewReader([]byte(r.body)))
	if err != nil {
		return nil, err
	}

	request.Host = cmp.Or(r.host, request.Host)

	for name, value := range r.header {
		request.Header.Set(name, value)
	}

	began := time.Now()

	response, err := people.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()

	a := &consoleAnswer{answer: answer{header: response.Header, code: response.StatusCode}}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}

	a.took = time.Since(began)

	if len(a.body) > 0 {
		if err := json.Unmarshal(a.body, a); err != nil {
			return nil, fmt.Errorf("%s %s answers %s with what is not JSON: %w", r.method, r.path, response.Status, err)
		}
	}

	if a.Password != "" {
		noteSecret(a.Password)
	} else {
		noteAnswer(&a.answer)
	}

	return a, a.wellFormed()
}

// try sends a request of the administrator.
func (a *administrator) try(ctx context.Context, r asked) (*consoleAnswer, error) {
	header := map[string]string{"Authorization": "Bearer " + a.token}
	if r.body != "" {
		header["Content-Type"] = "application/json"
	}

	maps.Copy(header, r.header)
	r.header = header

	return askConsole(ctx, cmp.Or(a.console, consoleURL), r)
}

// resetBody is the document of a reset.
func resetBody(password string) string { return `{"newPassword":"` + password + `"}` }

const generateBody = `{"generate":true}`

// action is the request of an action on an account. A reset is by a password that is made for it.
func action(name, namespace, account string) asked {
	r := asked{method: http.MethodPost, path: "/api/v1/accounts/" + namespace + "/" + account + "/" + name}

	switch name {
	case "reset-password":
		r.body = resetBody(newPassword())
	case "generate":
		r.path, r.body = "/api/v1/accounts/"+namespace+"/"+account+"/reset-password", generateBody
	case "withdraw-change":
		r.method, r.path = http.MethodDelete, "/api/v1/accounts/"+namespace+"/"+account+"/require-change"
	}

	return r
}

// verbOf is the verb of Kubernetes for an action.
func verbOf(action string) string {
	switch action {
	case "withdraw-change":
		return "require-change"
	case "generate":
		return "reset-password"
	default:
		return action
	}
}

// acts does an action on an account, and wants that outcome.
func (a *administrator) acts(t *testing.T, name, namespace, account string, want outcome) *consoleAnswer {
	t.Helper()

	return a.asks(t, action(name, namespace, account), want)
}

func (a *administrator) asks(t *testing.T, r asked, want outcome) *consoleAnswer {
	t.Helper()

	got, err := a.try(t.Context(), r)
	must(t, err)

	if got.outcome() != want {
		t.Fatalf("%s: %s %s answers %q (%s), want %q", a.username, r.method, r.path, got.outcome(), got.Detail, want)
	}

	return got
}

// resets gives an account a new password, which a person gets to know.
func (a *administrator) resets(t *testing.T, p *person, password string) *consoleAnswer {
	t.Helper()

	r := action("", p.organisation, p.username)
	r.path, r.body = r.path+"reset-password", resetBody(password)
	got := a.asks(t, r, outcome{code: http.StatusOK})
	p.password = password

	return got
}

// looks reads an account.
func (a *administrator) looks(t *testing.T, namespace, account string, want outcome) *consoleAnswer {
	t.Helper()

	return a.asks(t, asked{method: http.MethodGet, path: "/api/v1/accounts/" + namespace + "/" + account}, want)
}

// lists reads the accounts of a namespace, or with * of all.
func (a *administrator) lists(t *testing.T, namespace string, want outcome) *consoleAnswer {
	t.Helper()

	return a.asks(t, asked{method: http.MethodGet, path: "/api/v1/accounts?namespace=" + namespace}, want)
}

// kubernetesName is what a person is called in Kubernetes.
func (p *person) kubernetesName() string { return "keyturn:" + p.organisation + ":" + p.username }

func subject(kind, name string) []rbacv1.Subject {
	return []rbacv1.Subject{{Kind: kind, APIGroup: rbacv1.GroupName, Name: name}}
}

// binds gives a person a ClusterRole in the organisation.
func (o *organisation) binds(t *testing.T, p *person, role string) *rbacv1.RoleBinding {
	t.Helper()

	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.name, GenerateName: p.username + "-"}, Subjects: subject(rbacv1.UserKind, p.kubernetesName()),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	must(t, kube.Create(t.Context(), binding))
	p.mayEventually(t, "get", o.name, "", true)

	return binding
}

// bindsRules gives a person rules of their own in the organisation.
func (o *organisation) bindsRules(t *testing.T, p *person, rule rbacv1.PolicyRule) {
	t.Helper()

	rule.APIGroups, rule.Resources = []string{"accounts.keyturn.dev"}, []string{"useraccounts"}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: uniqueName(t)}, Rules: []rbacv1.PolicyRule{rule}}
	must(t, kube.Create(t.Context(), role))
	must(t, kube.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: role.Name}, Subjects: subject(rbacv1.UserKind, p.kubernetesName()),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	}))

	name := ""
	if len(rule.ResourceNames) > 0 {
		name = rule.ResourceNames[0]
	}

	p.mayEventually(t, rule.Verbs[len(rule.Verbs)-1], o.name, name, true)
}

// everywhere makes a system user of a person: a ClusterRoleBinding gives them the role in all namespaces.
func (p *person) everywhere(t *testing.T) {
	t.Helper()
	must(t, kube.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)}, Subjects: subject(rbacv1.UserKind, p.kubernetesName()),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: adminRole},
	}))
	p.mayEventually(t, "reset-password", "", "", true)
}

// mayEventually waits until the API server knows of a role, or that it is gone.
func (p *person) mayEventually(t *testing.T, verb, namespace, account string, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s may %s: %t", p.username, verb, want), func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: p.kubernetesName(), Groups: []string{"keyturn:" + p.organisation},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: "accounts.keyturn.dev", Resource: "useraccounts", Verb: verb, Namespace: namespace, Name: account,
			},
		}}
		if err := kube.Create(t.Context(), review); err != nil {
			return err
		}

		if review.Status.Allowed != want {
			return errTooEarly
		}

		return nil
	})
}
