package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/authn"
	"github.com/keyturn/keyturn/internal/authn/local"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/login"
	"github.com/keyturn/keyturn/internal/token"
	"github.com/keyturn/keyturn/internal/transitions"
	"github.com/keyturn/keyturn/internal/web"
)

// directory is a verifier that knows one password.
type directory struct{}

func (directory) Version(authn.Request) authn.Version { return "directory" }

func (directory) Verify(_ context.Context, r authn.Request) (authn.Proof, error) {
	switch r.Secret {
	case password:
		return authn.Proof{Method: token.LDAP, Version: "directory", External: account.External{ProviderUID: string(r.Provider.UID), Subject: "eve"}}, nil
	case "expired " + marker:
		return authn.Proof{}, &authn.RefusedElsewhereError{Reason: v1alpha1.ReasonExternalMustChange}
	default:
		return authn.Proof{}, authn.ErrWrong
	}
}

// identityProvider makes a provider that all namespaces may use.
func identityProvider(t testing.TB) *v1alpha1.IdentityProvider {
	t.Helper()
	p := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{GenerateName: "contoso-"}, Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderOIDC, DisplayName: "Contoso", AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		OIDC: v1alpha1.OIDCSettings{
			Issuer: "https://id.example.org", ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: "contoso"},
		},
	}}
	create(t, p)
	t.Cleanup(func() { _ = shared.admin.Delete(context.Background(), p) })
	return p
}

// directoryProvider makes a directory that all namespaces may use.
func directoryProvider(t testing.TB) *v1alpha1.IdentityProvider {
	t.Helper()
	p := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{GenerateName: "corp-"}, Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderLDAP, DisplayName: "Corp", AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		LDAP: v1alpha1.LDAPSettings{
			Servers: []string{"ldap.example.org:636"}, BindSecretRef: v1alpha1.ProviderSecretReference{Name: "corp"},
			Users: v1alpha1.LDAPUsers{BaseDN: "ou=people,dc=example,dc=org", IDAttribute: "nsUniqueId"},
		},
	}}
	create(t, p)
	t.Cleanup(func() { _ = shared.admin.Delete(context.Background(), p) })
	return p
}

// TestDirectoryAccount: with a verifier for external accounts, and nothing else, such an account logs in, is counted, locked and written
// down as any other.
func TestDirectoryAccount(t *testing.T) {
	auditFile := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(auditFile, "login", prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	d, o := shared.depends, shared.logins
	verifiers := authn.Verifiers{Local: &local.Verifier{Hasher: shared.hasher}, External: directory{}}
	recorder := &audit.Recorder{Log: log, Catalog: d.Catalog, Clock: clock.RealClock{}, Owners: shared.caches.Credentials()}
	o.Verifiers = verifiers
	o.Store = &credential.Store{Reader: shared.admin, Writer: shared.admin, Namespace: credential.DefaultNamespace, OnWrite: (&transitions.Notifier{
		Catalog: d.Catalog, Clock: clock.RealClock{}, Listeners: []transitions.Listener{recorder.Transition, d.Metrics.Transition},
	}).Wrote}
	d.Logins, d.Audit = login.NewService(o), recorder
	handler := web.Handler(d)

	namespace := organisation(t, &v1alpha1.PasswordPolicySpec{Lockout: v1alpha1.LockoutRule{MaxFailures: new(int32(2))}})
	keeper := directoryProvider(t).Name
	eve := person(t, namespace, "eve", v1alpha1.UserAccountSpec{
		Authentication: v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: keeper}, Subject: "eve",
		}, Groups: []string{"editors"},
	}, func(c *account.Credential) { c.Password = account.Password{} })
	try := func(path, field, secret string) (answer struct{ Type, Reason, Token string }) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"namespace": namespace, "username": "eve", field: secret, "newPassword": fresh})
		if err != nil {
			t.Fatal(err)
		}
		if field == "password" {
			body = []byte(strings.Replace(string(body), fmt.Sprintf(`"newPassword":%q,`, fresh), "", 1))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		answer.Type = strings.TrimPrefix(answer.Type, "https://keyturn.dev/problems/")
		return answer
	}
	if granted := try("/api/v1/login", "password", password); granted.Token == "" {
		t.Errorf("the right password is answered with %+v", granted)
	}
	for _, step := range []struct {
		path, field, secret string
		problem, reason     string
		moved               map[string]float64
	}{
		{"/api/v1/login", "password", "expired " + marker, "account-unavailable", "ExternalMustChange", map[string]float64{
			`keyturn_login_attempts_total{door="login",outcome="account-unavailable"}`: 1,
		}},
		{"/api/v1/password", "currentPassword", password, "password-change-forbidden", "External", map[string]float64{
			`keyturn_login_attempts_total{door="password",outcome="password-change-forbidden"}`: 1,
		}},
		{"/api/v1/login", "password", wrong, "invalid-credentials", "", map[string]float64{
			`keyturn_login_attempts_total{door="login",outcome="invalid-credentials"}`: 1,
		}},
		{"/api/v1/password", "currentPassword", wrong, "invalid-credentials", "", map[string]float64{
			`keyturn_login_attempts_total{door="password",outcome="invalid-credentials"}`: 1, `keyturn_lockouts_total{reason="TooManyFailures"}`: 1,
		}},
		{"/api/v1/login", "password", password, "too-many-attempts", "", map[string]float64{
			`keyturn_login_attempts_total{door="login",outcome="too-many-attempts"}`: 1,
		}},
	} {
		moves := moved(t, func() {
			if got := try(step.path, step.field, step.secret); got.Type != step.problem || got.Reason != step.reason {
				t.Errorf("%s with %q answers %+v, want %s %s", step.path, step.field, got, step.problem, step.reason)
			}
		})
		maps.DeleteFunc(moves, func(series string, _ float64) bool { return strings.Contains(series, "duration") })
		if !maps.Equal(moves, step.moved) {
			t.Errorf("%s moved %v, want %v", step.problem, moves, step.moved)
		}
	}
	log.Close()
	lines, err := os.ReadFile(auditFile)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for line := range strings.Lines(string(lines)) {
		var l audit.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Account.UID != string(eve.UID) {
			t.Errorf("a line about another account: %s", line)
		}
		want := map[audit.Event]string{audit.EventAttempt: keeper + " ldap ", audit.EventLink: keeper + "  eve"}[l.Event]
		if got := strings.Join([]string{l.Provider, l.Method, l.Subject}, " "); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("provider, method and subject of a line are %q, want %q: %s", got, want, line)
		}
		outcomes = append(outcomes, fmt.Sprintf("%s %s %s%s", l.Event, l.Outcome, l.Problem, l.Reason))
	}
	want := "link done , attempt granted , attempt refused account-unavailableExternalMustChange, attempt refused password-change-forbiddenExternal, " +
		"attempt refused invalid-credentials, lock done TooManyFailures, attempt refused invalid-credentials, attempt refused too-many-attempts"
	if got := strings.Join(outcomes, ", "); got != want || len(leaksIn(string(lines))) > 0 {
		t.Errorf("the audit log is\n%s\nwant\n%s", got, want)
	}
}
