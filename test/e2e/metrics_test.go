package e2e_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestMetricsNameNobody: labels with accounts or organisations would be without end, and chosen by strangers.
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
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}

	evidence.Lock()
	defer evidence.Unlock()

	for _, name := range slices.Concat(evidence.names, evidence.secrets) {
		if strings.Contains(metrics, name) {
			t.Errorf("the metrics tell of %q", name)
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

// TestOperatorMetrics are for those whom the API server lets read them.
func TestOperatorMetrics(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	monitoring := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: o.name, Name: "monitoring"}}
	must(t, kube.Create(t.Context(), monitoring))

	insecure := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its certificate is of its own making
	}}
	config, err := plane.TokenFor(t.Context(), monitoring.Namespace, monitoring.Name)
	must(t, err)

	ask := func(token string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, operatorMetricsURL, http.NoBody)
		must(t, err)

		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}

		response, err := insecure.Do(request)
		must(t, err)
		must(t, response.Body.Close())

		return response.StatusCode
	}

	if got := ask(""); got != http.StatusUnauthorized && got != http.StatusForbidden {
		t.Errorf("a stranger gets %d", got)
	}

	if got := ask(config.BearerToken); got != http.StatusForbidden {
		t.Errorf("who may not read metrics gets %d", got)
	}

	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: uniqueName(t)},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "keyturn-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: monitoring.Namespace, Name: monitoring.Name}},
	}
	must(t, kube.Create(t.Context(), binding))
	eventually(t, "who may read metrics gets them", func() error {
		// Another token, since refusals are remembered for a while.
		config, err := plane.TokenFor(t.Context(), monitoring.Namespace, monitoring.Name)
		if err != nil {
			return err
		}

		if got := ask(config.BearerToken); got != http.StatusOK {
			return fmt.Errorf("status %d", got)
		}

		return nil
	})
}
