package schema_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/test/controlplane"
)

// TestEveryRuleHasARow walks the schemas and wants a row for each rule in them.
func TestEveryRuleHasARow(t *testing.T) {
	var messages []string
	for _, r := range allRefusals() {
		for _, message := range r.want {
			messages = append(messages, r.kind.Kind+" "+message)
		}
	}

	for _, c := range providerChanges() {
		for _, message := range c.want {
			messages = append(messages, "IdentityProvider "+message)
		}
	}

	rules := 0

	for kind, schema := range schemas(t) {
		for _, field := range []string{"spec", "status"} {
			walk(field, child(schema, "properties", field), func(path string, node map[string]any) {
				for _, expected := range expectations(path, node) {
					rules++

					pattern := regexp.MustCompile("^" + kind + " " + expected)
					if !slices.ContainsFunc(messages, pattern.MatchString) {
						t.Errorf("%s: no row for a refusal of the form %s", kind, pattern)
					}
				}
			})
		}
	}

	if rules < 100 {
		t.Errorf("only %d rules found: the walk through the schema has gone wrong", rules)
	}
}

// expectations are the forms of the refusals that one node of a schema can lead to. Types and the inside of Kubernetes'
// own structures are left to Kubernetes.
func expectations(path string, node map[string]any) []string {
	var all []string

	field := func(suffix string) string {
		return strings.ReplaceAll(regexp.QuoteMeta(path), `\[\*\]`, `\[\d+\]`) + suffix
	}

	for keyword, form := range map[string]string{
		"minimum":   ": Invalid value: .*should be greater than or equal to %.0f$",
		"maximum":   ": Invalid value: .*should be less than or equal to %.0f$",
		"minLength": ": Invalid value: .*should be at least %.0f chars long$",
		"maxLength": ": Too long: may not be more than %.0f bytes$",
		"minItems":  ": Invalid value: .*should have at least %.0f items$",
		"maxItems":  ": Too many: .*must have at most %.0f items$",
	} {
		switch limit := node[keyword].(type) {
		case float64:
			all = append(all, field(fmt.Sprintf(form, limit)))
		case int64:
			all = append(all, field(fmt.Sprintf(form, float64(limit))))
		}
	}

	if values, ok := node["enum"].([]any); ok {
		quoted := make([]string, len(values))
		for i, value := range values {
			quoted[i] = fmt.Sprintf("%q", value)
		}

		all = append(all, field(": Unsupported value: .*: supported values: "+strings.Join(quoted, ", ")+"$"))
	}

	if kind := node["x-kubernetes-list-type"]; kind == "set" || kind == "map" {
		all = append(all, field(`\[\d+\]: Duplicate value`))
	}

	needed, _ := node["required"].([]any)
	for _, name := range needed {
		all = append(all, field(fmt.Sprintf(`\.%v: Required value$`, name)))
	}

	celRules, _ := node["x-kubernetes-validations"].([]any)
	for _, entry := range celRules {
		rule, _ := entry.(map[string]any)
		at, _ := rule["fieldPath"].(string)
		all = append(all, field(regexp.QuoteMeta(at)+": Invalid value: .*"+regexp.QuoteMeta(rule["message"].(string))+"$"))
	}

	return all
}

// walk visits a node of a schema and all below it.
func walk(path string, node map[string]any, visit func(path string, node map[string]any)) {
	visit(path, node)

	if path == "status.conditions" || path == "spec.allowedNamespaces.selector" {
		return
	}

	properties, _ := node["properties"].(map[string]any)
	for name := range properties {
		walk(path+"."+name, child(node, "properties", name), visit)
	}

	if items := child(node, "items"); items != nil {
		walk(path+"[*]", items, visit)
	}
}

func child(node map[string]any, fields ...string) map[string]any {
	value, _, _ := unstructured.NestedFieldNoCopy(node, fields...)
	result, _ := value.(map[string]any)

	return result
}

// schemas are the schemas of config/crd, by kind.
func schemas(t *testing.T) map[string]map[string]any {
	t.Helper()

	all := map[string]map[string]any{}

	for _, definition := range customResources(t) {
		kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		all[kind] = child(version(definition), "schema", "openAPIV3Schema")
	}

	return all
}

// customResources are the definitions of config/crd.
func customResources(t *testing.T) []*unstructured.Unstructured {
	t.Helper()

	all, err := controlplane.Kustomize(t.Context(), definitions)
	if err != nil {
		t.Fatal(err)
	}

	return all
}

// version is the only version of a definition.
func version(definition *unstructured.Unstructured) map[string]any {
	versions, _, _ := unstructured.NestedFieldNoCopy(definition.Object, "spec", "versions")

	return versions.([]any)[0].(map[string]any)
}
