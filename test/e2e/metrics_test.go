package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	written "github.com/keyturn/keyturn/test/monitoring"
)

// TestMetricsNameNobody: no label of a metric names an account, an organisation or an address.
func TestMetricsNameNobody(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "grace", nil)
	p.login(t, newPassword(), wrong)
	p.login(t, p.password, granted)
	(&person{organisation: o.name, username: p.password}).login(t, newPassword(), wrong) // typed into the wrong field

	metrics := fetch(t, loginHealthURL+"/metrics")
	for _, want := range []string{
		`keyturn_login_attempts_total{door="login",outcome="granted"}`,
		`keyturn_login_attempts_total{door="login",outcome="invalid-credentials"}`,
		`keyturn_password_hash_duration_seconds_count{operation="verify"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}

	metrics += newMonitoring(t).read(t) // those of the operator

	evidence.Lock()
	defer evidence.Unlock()

	for _, name := range slices.Concat(evidence.names, evidence.secrets) {
		if strings.Contains(metrics, name) {
			t.Errorf("the metrics contain %q", name)
		}
	}
}

// fetch gets a page that is no JSON.
func fetch(t *testing.T, url string) string {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	must(t, err)

	response, err := people.Do(request)
	must(t, err)

	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	must(t, err)

	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s", url, response.Status)
	}

	return string(body)
}

// TestOperatorMetrics: the operator's metrics are served only to those whom the API server lets read them.
func TestOperatorMetrics(t *testing.T) {
	t.Parallel()

	monitoring := newMonitoring(t)

	if got, _ := monitoring.ask(t, ""); got != http.StatusUnauthorized && got != http.StatusForbidden {
		t.Errorf("a stranger gets %d", got)
	}

	if got, _ := monitoring.ask(t, monitoring.token(t)); got != http.StatusForbidden {
		t.Errorf("who may not read metrics gets %d", got)
	}

	monitoring.read(t)
}

// monitoring is a monitoring system.
type monitoring struct{ account *corev1.ServiceAccount }

func newMonitoring(t *testing.T) *monitoring {
	t.Helper()

	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: newOrganisation(t).name, Name: "monitoring"}}
	must(t, kube.Create(t.Context(), account))

	return &monitoring{account}
}

func (m *monitoring) token(t *testing.T) string {
	t.Helper()

	config, err := plane.TokenFor(t.Context(), m.account.Namespace, m.account.Name)
	must(t, err)

	return config.BearerToken
}

func (m *monitoring) ask(t *testing.T, token string) (status int, metrics string) {
	t.Helper()

	insecure := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its certificate is of its own making
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, operatorMetricsURL, http.NoBody)
	must(t, err)

	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}

	response, err := insecure.Do(request)
	must(t, err)

	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	must(t, err)

	return response.StatusCode, string(body)
}

// read gives it the right to read the operator's metrics, and reads them.
func (m *monitoring) read(t *testing.T) (metrics string) {
	t.Helper()

	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: m.account.Namespace, Name: m.account.Name}},
	}
	must(t, kube.Create(t.Context(), binding))
	eventually(t, "who may read metrics gets them", func() error {
		// Another token, since refusals are remembered for a while.
		status, got := m.ask(t, m.token(t))
		if status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}

		if !strings.Contains(got, "keyturn_accounts{") {
			return errors.New("it does not lead yet")
		}

		metrics = got

		return nil
	})

	return metrics
}

// ofTheDirectory are the metrics of the directory server, whose metrics are not served in these tests. Its own tests look at them.
var ofTheDirectory = []string{
	"keyturn_provider_ready", "keyturn_provider_sweep_age_seconds", "keyturn_provider_sweep_interval_seconds",
	"keyturn_provider_sweep_duration_seconds", "keyturn_provider_sweep_ended_total",
	"keyturn_provider_sweep_unreadable", "keyturn_provider_sweep_groups_unreadable", "keyturn_directory_start_time_seconds",
}

// TestMetricsAreAsDocumented: the metrics of the servers are those in the tables of docs/metrics.md, and those that the alerts and the
// dashboard use.
func TestMetricsAreAsDocumented(t *testing.T) {
	t.Parallel()

	documented, err := written.Documented("../..")
	must(t, err)

	declareProvider(t)

	exposed := map[string]bool{}
	for _, name := range ofTheDirectory {
		exposed[name] = true
	}

	for server, text := range map[string]string{
		"login": fetch(t, loginHealthURL+"/metrics"), "operator": newMonitoring(t).read(t),
	} {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		must(t, err)

		for name, family := range families {
			exposed[name] = true

			if !strings.HasPrefix(name, "keyturn_") {
				continue
			}

			said, found := documented[name]
			if kind := strings.ToLower(family.GetType().String()); !found || said.Type != kind {
				t.Errorf("%s exposes %s as a %s, docs/metrics.md has it as %q", server, name, kind, said.Type)
			}

			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					// The values are another build's tomorrow, and another cluster's provider is called otherwise.
					isOpen := name == "keyturn_build_info" || label.GetName() == "provider"
					if !strings.Contains(said.Labels, "`"+label.GetName()+"`") ||
						(!isOpen && !strings.Contains(said.Labels, "`"+label.GetValue()+"`")) {
						t.Errorf("docs/metrics.md does not explain %s=%q of %s", label.GetName(), label.GetValue(), name)
					}
				}
			}
		}
	}

	for name := range documented {
		if !exposed[name] {
			t.Errorf("docs/metrics.md has %s, and no server exposes it", name)
		}
	}

	used, err := written.Used("../..")
	must(t, err)

	for name, where := range used {
		if name != "up" && !exposed[name] && !exposed[written.Family(name)] {
			t.Errorf("%s uses %s, and no server exposes it", where, name)
		}
	}
}

// declareProvider declares an identity provider, which has metrics as soon as the login server knows it. No organisation may use it.
func declareProvider(t *testing.T) {
	t.Helper()

	declared := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)}, Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderOIDC, DisplayName: "Contoso",
		OIDC: v1alpha1.OIDCSettings{
			Issuer: "https://id.example.org", ClientID: "keyturn", ClientSecretRef: v1alpha1.ProviderSecretReference{Name: "contoso"},
		},
	}}
	must(t, kube.Create(t.Context(), declared))
	t.Cleanup(func() { must(t, kube.Delete(context.WithoutCancel(t.Context()), declared)) })
	eventually(t, "the login server has metrics of the provider", func() error {
		if !strings.Contains(fetch(t, loginHealthURL+"/metrics"), fmt.Sprintf("keyturn_provider_breaker_open{provider=%q} 0", declared.Name)) {
			return errors.New("it has none")
		}

		return nil
	})
}
