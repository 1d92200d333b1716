package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestParseTool: the package of a tool and the version of its module are read from a module file.
func TestParseTool(t *testing.T) {
	tests := map[string]struct {
		module string
		want   tool
		err    error
	}{
		"in a block": {
			"module m\n\ntool example.org/a/b/cmd/x\n\nrequire (\n\texample.org/a v1.0.0 // indirect\n" +
				"\texample.org/a/b v2.0.0 // indirect\n\texample.org/a/bc v3.0.0\n)\n",
			tool{"example.org/a/b/cmd/x", "v2.0.0"}, nil,
		},
		"on a line": {
			"tool example.org/a\nrequire example.org/a v1.0.0\n", tool{"example.org/a", "v1.0.0"}, nil,
		},
		"no tool":      {"require example.org/a v1.0.0\n", tool{}, errNoTool},
		"not required": {"tool example.org/a\nrequire example.org/b v1.0.0\n", tool{}, errNoTool},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := parseTool(tt.module); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("parseTool() = %v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestEveryToolModuleIsRead: every module file below hack/tools names a tool.
func TestEveryToolModuleIsRead(t *testing.T) {
	modules, err := filepath.Glob("../tools/*/go.mod")
	if err != nil || len(modules) == 0 {
		t.Fatalf("found no tools: %v", err)
	}

	for _, module := range modules {
		if _, err := readTool(module); err != nil {
			t.Errorf("%s: %v", module, err)
		}
	}
}

// TestKubernetesFlags: the linker flags stamp the version into the packages that Kubernetes reads it from.
func TestKubernetesFlags(t *testing.T) {
	flags := kubernetesFlags()
	for _, want := range []string{
		"-s -w", "-X k8s.io/component-base/version.gitVersion=v1.", "-X k8s.io/client-go/pkg/version.gitMajor=1 ",
	} {
		if !strings.Contains(flags, want) {
			t.Errorf("flags %q lack %q", flags, want)
		}
	}
}

func sample(t *testing.T, source string) binary {
	t.Helper()

	module := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module sample\n\ngo 1.26.0\n", "main.go": source} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return binary{name: "sample", version: "v1", module: module, pkg: ".", takes: "a moment"}
}

// TestBuildTwiceAtOnce: of two builds of one binary at once, the second waits for the first.
func TestBuildTwiceAtOnce(t *testing.T) {
	b, dir := sample(t, "package main\n\nfunc main() {}\n"), filepath.Join(t.TempDir(), "made")

	var builds sync.WaitGroup
	for range 2 {
		builds.Go(func() {
			if err := b.build(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	}

	builds.Wait()

	if !exists(filepath.Join(dir, "sample")) {
		t.Error("there is no binary")
	}
}

// TestFailedBuildLeavesNoBinary: a build that fails leaves nothing under the name of the binary.
func TestFailedBuildLeavesNoBinary(t *testing.T) {
	b, dir := sample(t, "package main\n\nfunc main() { this does not compile }\n"), t.TempDir()

	if err := b.build(t.Context(), dir); err == nil {
		t.Error("build() = nil")
	}

	if exists(filepath.Join(dir, "sample")) {
		t.Error("there is a binary")
	}
}

// TestRunRefusesOtherArguments: wrong arguments are answered with the usage.
func TestRunRefusesOtherArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"tool"}, {"path"}, {"path", "kubelet-of-nobody"}, {"control-plane", "etcd"}, {"node", "kubelet"}, {"anything"}} {
		if err := run(context.Background(), args); !errors.Is(err, errUsage) {
			t.Errorf("run(%q) = %v, want the usage", args, err)
		}
	}
}
