package manifests_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/test/monitoring"
)

const (
	root             = "../.."
	monitoringFolder = "../../config/prometheus"
)

// promtool runs promtool in a folder. It is built if it is missing.
func promtool(t *testing.T, dir string, arguments ...string) {
	t.Helper()

	provision := exec.CommandContext(t.Context(), "go", "run", "./hack/provision", "tool", "promtool")
	provision.Dir, provision.Stderr = root, os.Stderr

	path, err := provision.Output()
	if err != nil {
		t.Fatal(err)
	}

	command := exec.CommandContext(t.Context(), string(bytes.TrimSpace(path)), arguments...)
	command.Dir = dir

	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

type ruleFile struct {
	Groups []monitoringv1.RuleGroup `json:"groups"`
}

func writeYAML(t *testing.T, path string, content any) {
	t.Helper()

	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ruleGroups are those that kustomize makes of the manifest.
func ruleGroups(t *testing.T) []monitoringv1.RuleGroup {
	t.Helper()

	for _, object := range build(t, monitoringFolder) {
		if object.GetKind() == "PrometheusRule" {
			return convert[monitoringv1.PrometheusRule](t, object).Spec.Groups
		}
	}

	t.Fatal("there are no rules")

	return nil
}

func TestAlertsHaveNoFaults(t *testing.T) {
	dir := t.TempDir()
	writeYAML(t, filepath.Join(dir, "rules.yaml"), ruleFile{ruleGroups(t)})
	promtool(t, dir, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")
}

// TestAlertsFire runs testdata/alerts.yaml, which has to say of each alert when it fires and when it does not.
func TestAlertsFire(t *testing.T) {
	const cases = "testdata/alerts.yaml"

	text, err := os.ReadFile(cases)
	if err != nil {
		t.Fatal(err)
	}

	var tests struct {
		Tests []struct {
			Checks []struct {
				Alert  string `json:"alertname"`
				Expect []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}

	fires, rests := map[string]bool{}, map[string]bool{}

	for _, test := range tests.Tests {
		for _, check := range test.Checks {
			if len(check.Expect) > 0 {
				fires[check.Alert] = true
			} else {
				rests[check.Alert] = true
			}
		}
	}

	groups := ruleGroups(t)
	for i := range groups {
		for j := range groups[i].Rules {
			rule := &groups[i].Rules[j]
			rule.Annotations = nil // A text is no reason for another test.

			if !fires[rule.Alert] || !rests[rule.Alert] {
				t.Errorf("%s has no case in which it fires (%t), or none in which it does not (%t)", rule.Alert, fires[rule.Alert], rests[rule.Alert])
			}
		}
	}

	dir := t.TempDir()
	writeYAML(t, filepath.Join(dir, "rules.yaml"), ruleFile{groups})

	if err := os.WriteFile(filepath.Join(dir, "alerts.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}

	promtool(t, dir, "test", "rules", "alerts.yaml")
}

// TestAlertsAreExplained: the person on call finds a heading of the alert's name in the documentation.
func TestAlertsAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}

	for _, group := range ruleGroups(t) {
		for _, alert := range group.Rules {
			if !slices.Contains([]string{"critical", "warning", "info"}, alert.Labels["severity"]) {
				t.Errorf("%s has the severity %q", alert.Alert, alert.Labels["severity"])
			}

			if alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" {
				t.Errorf("%s says nothing", alert.Alert)
			}

			want := "https://github.com/keyturn/keyturn/blob/main/docs/metrics.md#" + strings.ToLower(alert.Alert)
			if got := alert.Annotations["runbook_url"]; got != want {
				t.Errorf("%s points to %q, want %q", alert.Alert, got, want)
			}

			if !strings.Contains(string(text), "\n### "+alert.Alert+"\n\n"+alert.Labels["severity"]+". ") {
				t.Errorf("docs/metrics.md has no heading %s, followed by its severity", alert.Alert)
			}
		}
	}

	if headings, alerts := strings.Count(string(text), "\n### Keyturn"), len(rules(t)); headings != alerts {
		t.Errorf("docs/metrics.md explains %d alerts, and there are %d", headings, alerts)
	}
}

func rules(t *testing.T) []monitoringv1.Rule {
	t.Helper()

	all, err := monitoring.Alerts(root)
	if err != nil {
		t.Fatal(err)
	}

	return all
}

// TestDashboard holds the dashboard's expressions to Prometheus' own parser: as recording rules, since it checks those.
func TestDashboard(t *testing.T) {
	dashboard, err := monitoring.ReadDashboard(root)
	if err != nil {
		t.Fatal(err)
	}

	if list := dashboard.Templating.List; len(list) != 1 || list[0].Name != "datasource" || list[0].Type != "datasource" || list[0].Query != "prometheus" {
		t.Errorf("the variables are %+v", list)
	}

	if dashboard.SchemaVersion < 42 || dashboard.Title == "" || dashboard.UID == "" {
		t.Errorf("the dashboard is %q (%q) of version %d", dashboard.Title, dashboard.UID, dashboard.SchemaVersion)
	}

	chosen, taken, ids := monitoring.Datasource{Type: "prometheus", UID: "${datasource}"}, map[[2]int]string{}, map[int]bool{}
	records := map[string]any{}

	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("panel %q has the ID of another", panel.Title)
		}

		ids[panel.ID] = true

		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %q and %q overlap", panel.Title, other)
				}

				taken[[2]int{x, y}] = panel.Title
			}
		}

		if panel.Type == "row" {
			continue
		}

		if len(panel.Targets) == 0 || panel.Description == "" || panel.Datasource != chosen {
			t.Errorf("panel %q shows nothing, explains nothing, or has a source of its own", panel.Title)
		}

		for i, target := range panel.Targets {
			if target.Datasource != chosen {
				t.Errorf("panel %q has the source %v", panel.Title, target.Datasource)
			}

			records[fmt.Sprintf("panel:%d:%d", panel.ID, i)] = strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
		}
	}

	var recorded []any
	for name, expression := range records {
		recorded = append(recorded, map[string]any{"record": name, "expr": expression})
	}

	dir := t.TempDir()
	writeYAML(t, filepath.Join(dir, "rules.yaml"), map[string]any{
		"groups": []any{map[string]any{"name": "panels", "rules": recorded}},
	})
	promtool(t, dir, "check", "rules", "rules.yaml")
}

// TestMonitorsFindTheServers: each finds one Service, its port, and by the job's name the alerts find it.
func TestMonitorsFindTheServers(t *testing.T) {
	objects := slices.Concat(installed(t), build(t, monitoringFolder))
	jobs := map[string]string{}

	for _, object := range objects {
		if object.GetKind() != "ServiceMonitor" {
			continue
		}

		monitor := convert[monitoringv1.ServiceMonitor](t, object)

		selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}

		for _, other := range objects {
			if other.GetKind() != "Service" || other.GetNamespace() != monitor.Namespace || !selector.Matches(labels.Set(other.GetLabels())) {
				continue
			}

			service := convert[corev1.Service](t, other)
			jobs[service.Name] = monitor.Name

			port := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == monitor.Spec.Endpoints[0].Port })
			if port < 0 {
				t.Errorf("Service %s has no port %s", service.Name, monitor.Spec.Endpoints[0].Port)

				continue
			}

			found := 0

			for _, deployment := range deployments(t) {
				pods := labels.Set(deployment.Spec.Template.Labels)
				if labels.SelectorFromSet(service.Spec.Selector).Matches(pods) && hasPort(deployment, service.Spec.Ports[port].TargetPort.String()) {
					found++
				}
			}

			if found != 1 {
				t.Errorf("Service %s finds the pods of %d Deployments", service.Name, found)
			}
		}
	}

	want := map[string]string{
		"keyturn-login-metrics": "keyturn-login", "keyturn-operator-metrics": "keyturn-operator", "keyturn-directory-metrics": "keyturn-directory",
	}
	if !maps.Equal(jobs, want) {
		t.Errorf("the jobs are %v", jobs)
	}
}

// TestPrometheusMayDiscover: where a ServiceMonitor is, its Prometheus may look for what it selects.
func TestPrometheusMayDiscover(t *testing.T) {
	may, monitors := map[string]bool{}, 0
	objects := build(t, monitoringFolder)

	for _, object := range objects {
		if object.GetKind() != "RoleBinding" {
			continue
		}

		binding := convert[rbacv1.RoleBinding](t, object)
		for _, other := range objects {
			if other.GetKind() != "Role" || other.GetName() != binding.RoleRef.Name || other.GetNamespace() != binding.Namespace {
				continue
			}

			for _, rule := range convert[rbacv1.Role](t, other).Rules {
				for _, resource := range rule.Resources {
					may[binding.Namespace+"/"+resource] = slices.Equal(rule.Verbs, []string{"get", "list", "watch"}) &&
						binding.Subjects[0].Name == "prometheus-k8s" && binding.Subjects[0].Namespace == "monitoring"
				}
			}
		}
	}

	for _, object := range objects {
		if object.GetKind() != "ServiceMonitor" {
			continue
		}

		monitors++

		for _, resource := range []string{"services", "endpoints", "endpointslices", "pods"} {
			if !may[object.GetNamespace()+"/"+resource] {
				t.Errorf("Prometheus may not look for %s in %s", resource, object.GetNamespace())
			}
		}
	}

	if monitors != 3 {
		t.Errorf("found %d of 3 monitors", monitors)
	}
}

// TestPrometheusMayRead binds a role that there is, and hands the dashboard to Grafana's sidecar.
func TestPrometheusMayRead(t *testing.T) {
	roles := map[string]bool{}

	for _, object := range build(t, installation) {
		if object.GetKind() == "ClusterRole" {
			roles[object.GetName()] = true
		}
	}

	seen := 0

	for _, object := range build(t, monitoringFolder) {
		switch object.GetKind() {
		case "ClusterRoleBinding":
			seen++

			if role := convert[rbacv1.ClusterRoleBinding](t, object).RoleRef.Name; !roles[role] {
				t.Errorf("there is no role %s", role)
			}
		case "ConfigMap":
			seen++

			dashboard := convert[corev1.ConfigMap](t, object)
			if dashboard.Labels["grafana_dashboard"] != "1" || !json.Valid([]byte(dashboard.Data["keyturn.json"])) {
				t.Errorf("Grafana does not find the dashboard: %v", dashboard.Labels)
			}
		}
	}

	if seen != 2 {
		t.Errorf("found %d of 2 objects", seen)
	}
}
