package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// emptyPackages imports every package as an empty one: the test looks at a package's own names only.
type emptyPackages struct{}

func (emptyPackages) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

func isEndpointFile(file string) bool {
	return strings.HasPrefix(file, "api_") || strings.HasPrefix(file, "page_") || file == "verify.go"
}

// TestFilesPointDown: in internal/web and internal/console no file but handler.go uses a function, method, type or constant of another
// endpoint's file. So an endpoint can be understood from its own file and the shared files below it, as the package comments say.
func TestFilesPointDown(t *testing.T) {
	for dir, leastEndpoints := range map[string]int{"internal/web": 10, "internal/console": 6} {
		t.Run(dir, func(t *testing.T) { filesPointDown(t, dir, leastEndpoints) })
	}
}

func filesPointDown(t *testing.T, dir string, leastEndpoints int) {
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	endpoints := 0
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(root, dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		if isEndpointFile(name) {
			endpoints++
		}
	}
	if endpoints < leastEndpoints {
		t.Errorf("there are %d files of endpoints, want at least %d", endpoints, leastEndpoints)
	}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: emptyPackages{}, Error: func(error) {}} // What empty packages lack are errors, and do not matter.
	checked, _ := config.Check(path.Base(dir), set, files, &info)
	var upward []string
	for name, object := range info.Uses {
		from, to := filepath.Base(set.Position(name.Pos()).Filename), filepath.Base(set.Position(object.Pos()).Filename)
		_, isMethod := object.(*types.Func)
		if from != to && from != "handler.go" && isEndpointFile(to) && (isMethod || object.Parent() == checked.Scope()) {
			upward = append(upward, from+" uses "+name.Name+" of "+to)
		}
	}
	slices.Sort(upward)
	for _, line := range slices.Compact(upward) {
		t.Error(line)
	}
}
