package binaries

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// The versions that hack/controlplane/go.mod builds. They name the cache folder, so a new version never meets the
// binaries of an old one. A test holds them equal to the module file.
const (
	KubernetesVersion = "v1.37.2"
	EtcdVersion       = "v3.7.3"
)

// Name is the file name of one control-plane program.
type Name string

// The programs, in the order in which a control plane starts them.
const (
	Etcd              Name = "etcd"
	APIServer         Name = "kube-apiserver"
	ControllerManager Name = "kube-controller-manager"
	Kubectl           Name = "kubectl"
)

// The programs that a node needs beside those.
const (
	Scheduler Name = "kube-scheduler"
	Kubelet   Name = "kubelet"
	Proxy     Name = "kube-proxy"
)

// AssetsVariable is the environment variable that names a folder of ready-made binaries. Test tooling of the
// Kubernetes world shares it; binaries found there are used as they are, whatever their version.
const AssetsVariable = "KUBEBUILDER_ASSETS"

// ErrNotBuilt says that a binary is neither among the assets nor in the cache. Its wrapper names the file and the
// command that makes it.
var ErrNotBuilt = errors.New("control-plane binary is missing")

// All lists every program of a control plane.
func All() []Name { return []Name{Etcd, APIServer, ControllerManager, Kubectl} }

// Node lists the programs of a node.
func Node() []Name { return []Name{Scheduler, Kubelet, Proxy} }

// Find returns the path of a program: from the folder in KUBEBUILDER_ASSETS if it has it, else from the cache. Where
// neither has it, the error is ErrNotBuilt.
func Find(name Name) (string, error) {
	if assets := os.Getenv(AssetsVariable); assets != "" {
		if path := filepath.Join(assets, string(name)); isExecutable(path) {
			return path, nil
		}
	}

	dir, err := CacheDir()
	if err != nil {
		return "", err
	}

	path := filepath.Join(dir, string(name))
	if !isExecutable(path) {
		target := "control-plane"
		if slices.Contains(Node(), name) {
			target = "node-test" // which begins with that
		}

		return "", fmt.Errorf("%w: %s; run `make %s` once (it builds from source and takes some minutes)", ErrNotBuilt, path, target)
	}

	return path, nil
}

// CacheDir is the folder of the built control plane of these versions. Every clone of the repository shares it. It
// need not exist.
func CacheDir() (string, error) {
	root, err := CacheRoot()
	if err != nil {
		return "", err
	}

	return filepath.Join(root, "control-plane", KubernetesVersion+"-etcd-"+EtcdVersion), nil
}

// CacheRoot is the folder under which everything that is built once and shared lies: keyturn in XDG_CACHE_HOME, else
// in ~/.cache. A relative XDG_CACHE_HOME is ignored, as the XDG base directory specification asks.
func CacheRoot() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the cache folder, set HOME or XDG_CACHE_HOME: %w", err)
		}

		base = filepath.Join(home, ".cache")
	}

	return filepath.Join(base, "keyturn"), nil
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)

	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
