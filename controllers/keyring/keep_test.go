package keyring

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/internal/token"
)

// TestKeepCoversLongestSession: a key is kept for as long as the longest session that the schema lets a policy allow. A token whose key is gone is
// refused.
func TestKeepCoversLongestSession(t *testing.T) {
	text, err := os.ReadFile("../../config/crd/bases/accounts.keyturn.dev_passwordpolicies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	content, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := json.Unmarshal(content, crd); err != nil {
		t.Fatal(err)
	}
	rule := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["session"].Properties
	most := func(field string, unit time.Duration) time.Duration {
		if rule[field].Maximum == nil {
			t.Fatalf("%s has no maximum", field)
		}
		return time.Duration(*rule[field].Maximum) * unit
	}
	longest := token.Lifetimes{
		Idle: most("idleMinutes", time.Minute), Max: most("maxMinutes", time.Minute), RememberMe: most("rememberMeDays", 24*time.Hour),
	}.LongestToken()
	if longest == 0 || keep < longest {
		t.Errorf("keys are kept for %s, and a session may last %s", keep, longest)
	}
}
