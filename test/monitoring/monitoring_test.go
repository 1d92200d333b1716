package monitoring

import (
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestNames(t *testing.T) {
	for expression, want := range map[string][]string{
		`sum by (le) (rate(a_bucket{door=~"x|y(z)"}[5m]))`:                     {"a_bucket"},
		`a / b > 0.5 and on (instance) c{x="}"}`:                               {"a", "b", "c"},
		`absent(up{job="j"} == 1)`:                                             {"up"},
		`histogram_quantile(0.95, sum by (a, le) (rate(b[$__rate_interval])))`: {"b"},
		`time() - max(a > 0)`:                                                  {"a"},
		`a offset 5m unless b`:                                                 {"a", "b"},
	} {
		if got := Names(expression); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
}

// TestUsedIsDocumented: who is woken by an alert finds the metric behind it explained.
func TestUsedIsDocumented(t *testing.T) {
	documented, err := Documented(root)
	if err != nil {
		t.Fatal(err)
	}

	used, err := Used(root)
	if err != nil {
		t.Fatal(err)
	}

	seen := map[string]bool{}

	for name, where := range used {
		seen[Family(name)] = true

		if strings.HasPrefix(name, "keyturn_") && documented[Family(name)].Name == "" {
			t.Errorf("%s uses %s, which docs/metrics.md does not have", where, name)
		}
	}

	for name := range documented {
		if !seen[name] {
			t.Errorf("neither an alert nor the dashboard uses %s", name)
		}
	}
}
