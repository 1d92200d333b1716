package chart_test

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestSchema: values.schema.json knows exactly the values that values.yaml shows, and at each level refuses all others.
func TestSchema(t *testing.T) {
	var schema, values map[string]any

	for file, into := range map[string]*map[string]any{"values.schema.json": &schema, "values.yaml": &values} {
		content, err := os.ReadFile(filepath.Join(chart, file))
		if err != nil {
			t.Fatal(err)
		}

		if err := yaml.Unmarshal(content, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}

	values["global"] = nil // is Helm's own

	sameValues(t, "values", schema, values)
}

// sameValues compares an object of the schema with what values.yaml has in its place. An object without properties is Kubernetes' or the
// person's, such as an affinity or labels.
func sameValues(t *testing.T, path string, schema map[string]any, value any) {
	t.Helper()

	properties, ours := schema["properties"].(map[string]any)
	if !ours {
		return
	}

	if open, isSet := schema["additionalProperties"].(bool); !isSet || open {
		t.Errorf("the schema of %s lets unknown values through", path)
	}

	values, _ := value.(map[string]any)
	for name := range values {
		if properties[name] == nil {
			t.Errorf("the schema has no %s.%s", path, name)
		}
	}

	for name, property := range properties {
		inner, shown := values[name]
		if !shown {
			t.Errorf("values.yaml does not show %s.%s", path, name)
		}

		object, _ := property.(map[string]any)
		sameValues(t, path+"."+name, object, inner)
	}
}
