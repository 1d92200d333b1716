package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// Alerts returns the alerts of config/prometheus.
func Alerts(root string) ([]monitoringv1.Rule, error) {
	text, err := os.ReadFile(filepath.Join(root, "config", "prometheus", "alerts.yaml"))
	if err != nil {
		return nil, err
	}

	manifest := &monitoringv1.PrometheusRule{}
	if err := yaml.UnmarshalStrict(text, manifest); err != nil {
		return nil, fmt.Errorf("read the alerts: %w", err)
	}

	var all []monitoringv1.Rule
	for _, group := range manifest.Spec.Groups {
		all = append(all, group.Rules...)
	}

	return all, nil
}

// Panel of the dashboard.
type Panel struct {
	ID                       int
	Title, Type, Description string
	Datasource               Datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct {
		Expr       string
		Datasource Datasource
	}
}

// Datasource is where a panel's numbers come from.
type Datasource struct{ Type, UID string }

// Dashboard is the part of Grafana's format that can be wrong here.
type Dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []Panel
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
}

// ReadDashboard reads the dashboard of config/prometheus.
func ReadDashboard(root string) (*Dashboard, error) {
	text, err := os.ReadFile(filepath.Join(root, "config", "prometheus", "dashboard.json"))
	if err != nil {
		return nil, err
	}

	d := &Dashboard{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read the dashboard: %w", err)
	}

	return d, nil
}

// Metric is a row of the tables in docs/metrics.md.
type Metric struct {
	Name, Type string
	// Labels is the cell as it is written.
	Labels string
}

var tableRow = regexp.MustCompile("^\\| `(keyturn_[a-z0-9_]+)` \\| ([a-z]+) \\|([^|]*)\\| [^|]+ \\|$")

// Documented returns the metrics of docs/metrics.md by name.
func Documented(root string) (map[string]Metric, error) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		return nil, err
	}

	metrics := map[string]Metric{}

	for line := range strings.Lines(string(text)) {
		found := tableRow.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			if strings.HasPrefix(line, "| `keyturn_") {
				return nil, fmt.Errorf("docs/metrics.md: a row is not `name` | type | labels | meaning: %s", line)
			}

			continue
		}

		if _, twice := metrics[found[1]]; twice {
			return nil, fmt.Errorf("docs/metrics.md has %s twice", found[1])
		}

		metrics[found[1]] = Metric{Name: found[1], Type: found[2], Labels: found[3]}
	}

	return metrics, nil
}

var (
	// aside is what holds no name of a metric: strings, label matchers, ranges, and labels that are grouped by.
	aside = regexp.MustCompile(`"[^"]*"|\[[^]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	// matchers go after the strings in them.
	matchers = regexp.MustCompile(`\{[^}]*\}`)
	// identifier is the name of a metric or, with the parenthesis, of a function.
	identifier = regexp.MustCompile(`\b[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)

	operators = []string{"and", "or", "unless", "bool", "offset"}
)

// Names returns the names of the metrics in an expression of PromQL. It knows as much of the language as is used here.
func Names(expression string) []string {
	text := matchers.ReplaceAllString(aside.ReplaceAllString(expression, " "), " ")

	var names []string

	for _, found := range identifier.FindAllString(text, -1) {
		if strings.HasSuffix(found, "(") {
			continue
		}

		if name := strings.TrimSpace(found); !slices.Contains(operators, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}

	return names
}

// Family returns the name of the metric that a series belongs to: histograms have three kinds of them.
func Family(series string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if family, ok := strings.CutSuffix(series, suffix); ok {
			return family
		}
	}

	return series
}

// Used returns the names of the metrics in the alerts and on the dashboard, each with where it is used. What belongs to a
// histogram (_bucket, _count, _sum) is named as it is there.
func Used(root string) (map[string]string, error) {
	alerts, err := Alerts(root)
	if err != nil {
		return nil, err
	}

	dashboard, err := ReadDashboard(root)
	if err != nil {
		return nil, err
	}

	used := map[string]string{}

	for _, alert := range alerts {
		for _, name := range Names(alert.Expr.String()) {
			used[name] = "alert " + alert.Alert
		}
	}

	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			for _, name := range Names(target.Expr) {
				used[name] = "panel " + panel.Title
			}
		}
	}

	return used, nil
}
