package schema_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestObjectsOfDocuments: what people copy out of a document, or take from the samples, is accepted.
func TestObjectsOfDocuments(t *testing.T) {
	root := filepath.Join("..", "..")
	blocks := regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```|<<'YAML'\n(.*?)^YAML$")
	texts := map[string][]string{}

	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*/*.md", "config/samples/*.yaml", "config/samples/*/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}

		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}

			if filepath.Ext(path) == ".yaml" {
				texts[path] = append(texts[path], string(content))

				continue
			}

			for _, match := range blocks.FindAllStringSubmatch(string(content), -1) {
				texts[path] = append(texts[path], match[1]+match[2])
			}
		}
	}

	checked := map[string]int{}

	for path, all := range texts {
		for _, text := range all {
			for _, o := range objects(t, path, text) {
				if checked[o.GetKind()]++; o.GetNamespace() != "" {
					o.SetNamespace("default")
				}

				if err := api.Create(t.Context(), o, client.DryRunAll); err != nil {
					t.Errorf("%s: %s %s: %v", path, o.GetKind(), o.GetName(), err)
				}
			}
		}
	}

	for _, kind := range kinds {
		if checked[kind.Kind] < 3 {
			t.Errorf("checked %v: the search for objects has gone wrong", checked)
		}
	}
}

// objects are those of a text that are of Keyturn's kinds, or Secrets for it.
func objects(t *testing.T, path, text string) (all []*unstructured.Unstructured) {
	t.Helper()

	decoder := yaml.NewYAMLToJSONDecoder(strings.NewReader(text))

	for {
		var content any
		if err := decoder.Decode(&content); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Errorf("%s: %v in\n%s", path, err, text)

			return all
		}

		fields, _ := content.(map[string]any)
		o := &unstructured.Unstructured{Object: fields}
		kind, _ := fields["type"].(string)

		if o.GetName() != "" && (o.GroupVersionKind().Group == v1alpha1.GroupName && o.GetAPIVersion() == v1alpha1.SchemeGroupVersion.String() ||
			o.GetKind() == "Secret" && strings.HasPrefix(kind, v1alpha1.GroupName)) {
			all = append(all, o)
		}
	}
}
