package docs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestBackupHasAll: the documented command of Velero includes each namespace and each kind of Keyturn's own.
func TestBackupHasAll(t *testing.T) {
	t.Parallel()

	document, err := os.ReadFile(filepath.Join(root, "docs/backup.md"))
	if err != nil {
		t.Fatal(err)
	}

	_, command, found := strings.Cut(string(document), "velero schedule create")
	if command, _, _ = strings.Cut(command, "```"); !found {
		t.Fatal("docs/backup.md has no command of Velero")
	}

	included := strings.FieldsFunc(command, func(r rune) bool { return strings.ContainsRune(", \n\\", r) })

	for _, name := range slices.Concat(names(t, "config/namespaces/*.yaml", "Namespace"), names(t, "config/crd/bases/*.yaml", "CustomResourceDefinition")) {
		if !slices.Contains(included, name) {
			t.Errorf("the command leaves out %s", name)
		}
	}
}

// names returns the names of all objects of a kind in files.
func names(t *testing.T, pattern, kind string) (all []string) {
	t.Helper()

	paths, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		t.Fatal(err)
	}

	for _, path := range paths {
		content, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			t.Fatal(err)
		}

		for document := range strings.SplitSeq(string(content), "\n---\n") {
			var object struct {
				Kind     string
				Metadata struct{ Name string }
			}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatalf("%s: %v", path, err)
			}

			if object.Kind == kind {
				all = append(all, object.Metadata.Name)
			}
		}
	}

	if len(all) == 0 {
		t.Fatalf("no %s is in %s", kind, pattern)
	}

	return all
}
