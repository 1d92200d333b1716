package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// tool is what a tool's module file says: the package of its main and the version of the module that has it.
type tool struct{ pkg, version string }

var errNoTool = errors.New("the module file names no tool of a required module")

// readTool reads the module file of one tool. It understands the form that the go command writes, which is all there
// is in this repository, so that provision needs no dependency.
func readTool(path string) (tool, error) {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return tool{}, err
	}

	return parseTool(string(content))
}

func parseTool(module string) (tool, error) {
	var found tool

	for line := range strings.Lines(module) {
		if pkg, ok := strings.CutPrefix(line, "tool "); ok {
			found.pkg = strings.TrimSpace(pkg)
		}
	}

	longest := ""

	for line := range strings.Lines(module) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || len(fields[0]) <= len(longest) {
			continue
		}

		if found.pkg == fields[0] || strings.HasPrefix(found.pkg, fields[0]+"/") {
			longest, found.version = fields[0], fields[1]
		}
	}

	if found.pkg == "" || found.version == "" {
		return tool{}, errNoTool
	}

	return found, nil
}

// kubernetesFlags stamp the version that Kubernetes' own build would: without it, kube-apiserver takes itself for
// v0.0.0 and client and server find each other incompatible.
func kubernetesFlags() string {
	version := binaries.KubernetesVersion
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	flags := []string{"-s", "-w"}

	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			fmt.Sprintf("-X %s.gitVersion=%s", pkg, version),
			fmt.Sprintf("-X %s.gitMajor=%s", pkg, parts[0]),
			fmt.Sprintf("-X %s.gitMinor=%s", pkg, parts[1]),
			fmt.Sprintf("-X %s.gitTreeState=clean", pkg),
		)
	}

	return strings.Join(flags, " ")
}
