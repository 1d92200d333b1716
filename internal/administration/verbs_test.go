package administration

import (
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestVerbs: the role for administrators has the verbs of all actions.
func TestVerbs(t *testing.T) {
	known := verbsOf(t, "keyturn-account-admin")
	for _, verb := range actionVerbs {
		if !slices.Contains(known, string(verb)) {
			t.Errorf("the role lacks %s", verb)
		}
	}
}

// verbsOf are the verbs on accounts of a ready-made role.
func verbsOf(t *testing.T, role string) (verbs []string) {
	t.Helper()
	manifests, err := os.ReadFile("../../config/rbac/people.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for manifest := range strings.SplitSeq(string(manifests), "\n---\n") {
		found := &rbacv1.ClusterRole{}
		if err := yaml.UnmarshalStrict([]byte(manifest), found); err != nil {
			t.Fatal(err)
		}
		for _, rule := range found.Rules {
			if found.Name == role && slices.Contains(rule.Resources, "useraccounts") {
				verbs = append(verbs, rule.Verbs...)
			}
		}
	}
	return verbs
}
