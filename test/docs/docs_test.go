package docs_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// files returns the content of all files below the repository's root that end so.
func files(t *testing.T, suffix string) map[string]string {
	t.Helper()

	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		if name := entry.Name(); entry.IsDir() && (name == "node_modules" || path != root && strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}

		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}

		content, err := os.ReadFile(filepath.Clean(path))
		found[path] = string(content)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return found
}

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	testName     = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	repoPath     = regexp.MustCompile("`((?:api|cmd|config|controllers|docs|hack|internal|test)/[\\w./-]*\\w)/?`")
	link         = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// TestNamedTestsExist: every test that a document names exists.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()

	tests := map[string]bool{}

	for _, content := range files(t, "_test.go") {
		for _, match := range testFunction.FindAllStringSubmatch(content, -1) {
			tests[match[1]] = true
		}
	}

	named := 0

	for path, content := range files(t, ".md") {
		for _, match := range testName.FindAllStringSubmatch(content, -1) {
			if named++; !tests[match[1]] {
				t.Errorf("%s names %s, which is no test", path, match[1])
			}
		}
	}

	if named == 0 {
		t.Error("no document names any test")
	}
}

// TestNamedPathsExist: a file or a folder of the repository that a document names is there. Decisions (docs/adr) keep the names of
// their time.
func TestNamedPathsExist(t *testing.T) {
	t.Parallel()

	named := 0

	for path, content := range files(t, ".md") {
		if strings.Contains(path, "/docs/adr/") {
			continue
		}

		for _, match := range repoPath.FindAllStringSubmatch(content, -1) {
			named++

			if _, err := os.Stat(filepath.Join(root, match[1])); err != nil {
				t.Errorf("%s names %s: %v", path, match[1], err)
			}
		}
	}

	if named == 0 {
		t.Error("no document names any path")
	}
}

// TestLinks: those to files of the repository lead to one, and to a heading where they name one.
func TestLinks(t *testing.T) {
	t.Parallel()

	for path, content := range files(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(content, -1) {
			target, fragment, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, ":") {
				continue
			}

			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}

			text, err := os.ReadFile(filepath.Clean(file))
			if info, statErr := os.Stat(file); err != nil && (statErr != nil || !info.IsDir()) {
				t.Errorf("%s links to %s: %v", path, match[1], err)

				continue
			}

			if fragment != "" && !hasHeading(string(text), fragment) {
				t.Errorf("%s links to %s, which has no such heading", path, match[1])
			}
		}
	}
}

var notInFragments = regexp.MustCompile(`[^a-z0-9 _-]`)

// hasHeading reports whether a document has a heading of that fragment, as GitHub makes them.
func hasHeading(document, fragment string) bool {
	for line := range strings.Lines(document) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			heading = notInFragments.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			if strings.ReplaceAll(heading, " ", "-") == fragment {
				return true
			}
		}
	}

	return false
}

// TestDetailsInTheReadme: the README's answers of the server are made of today's texts.
func TestDetailsInTheReadme(t *testing.T) {
	t.Parallel()

	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := os.ReadFile(filepath.Join(root, "internal", "text", "en.json"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	if err := json.Unmarshal(catalogue, &texts); err != nil {
		t.Fatal(err)
	}
	longestFirst := slices.SortedFunc(maps.Values(texts), func(a, b string) int { return len(b) - len(a) })
	details := regexp.MustCompile(`"detail":"([^"]+)"`).FindAllStringSubmatch(string(readme), -1)
	if len(details) == 0 {
		t.Fatal("the README has no answers of the server")
	}
	for _, detail := range details {
		rest := detail[1]
		for _, text := range longestFirst {
			rest = strings.ReplaceAll(rest, text, "")
		}
		if strings.TrimSpace(rest) != "" {
			t.Errorf("no text of the server has %q of %q", rest, detail[1])
		}
	}
}
