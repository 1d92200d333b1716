package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

const usage = "usage: provision control-plane | provision node | provision path NAME | provision tool NAME, in the root of the repository"

var errUsage = errors.New(usage)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "provision:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "control-plane":
		return provide(ctx, controlPlane())
	case len(args) == 1 && args[0] == "node":
		return provide(ctx, node())
	case len(args) == 2 && args[0] == "path":
		path, err := providePath(ctx, args[1])
		if err == nil {
			fmt.Println(path)
		}

		return err
	case len(args) == 2 && args[0] == "tool":
		path, err := provideTool(ctx, args[1])
		if err == nil {
			fmt.Println(path)
		}

		return err
	default:
		return errUsage
	}
}

// provide builds those binaries of a cluster that are missing. Those in KUBEBUILDER_ASSETS are not built.
func provide(ctx context.Context, all []binary) error {
	dir, err := binaries.CacheDir()
	if err != nil {
		return err
	}

	for _, b := range all {
		if _, err := binaries.Find(binaries.Name(b.name)); err == nil {
			continue
		}

		if err := b.build(ctx, dir); err != nil {
			return err
		}
	}

	return nil
}

// provideTool builds a tool of hack/tools if it is missing and returns its path.
func provideTool(ctx context.Context, name string) (string, error) {
	root, err := binaries.CacheRoot()
	if err != nil {
		return "", err
	}

	module := filepath.Join("hack", "tools", name)

	tool, err := readTool(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("looking up the tool %s: %w", name, err)
	}

	b := binary{
		name: name, version: tool.version, module: module, pkg: tool.pkg, ldflags: "-s -w", tags: toolTags(name),
		takes: "up to 5 minutes",
	}
	dir := filepath.Join(root, "tools", name, tool.version)

	return filepath.Join(dir, name), b.build(ctx, dir)
}

// toolTags are the build tags of a tool. promtool is built without service discovery, and so without the clients of every cloud.
func toolTags(name string) string {
	if name == "promtool" {
		return "remove_all_sd"
	}

	return ""
}

// clusterModule has the control plane and the node as dependencies.
const clusterModule = "hack/controlplane"

// controlPlane lists the binaries of the control plane, the smallest first, so that a person who waits sees progress early.
func controlPlane() []binary {
	return []binary{
		{
			name: string(binaries.Etcd), version: binaries.EtcdVersion, module: clusterModule,
			pkg: "go.etcd.io/etcd/server/v3", ldflags: "-s -w", takes: "about a minute",
		},
		kubernetes(binaries.APIServer, "about 8 minutes"),
		kubernetes(binaries.Kubectl, "about a minute"),
		kubernetes(binaries.ControllerManager, "about 3 minutes"),
	}
}

// node lists the binaries that a node needs beside the control plane's, with which they share most packages.
func node() []binary {
	return []binary{
		kubernetes(binaries.Scheduler, "about a minute"),
		kubernetes(binaries.Kubelet, "about 2 minutes"),
		kubernetes(binaries.Proxy, "about a minute"),
	}
}

func kubernetes(name binaries.Name, takes string) binary {
	return binary{
		name: string(name), version: binaries.KubernetesVersion, module: clusterModule,
		pkg: "k8s.io/kubernetes/cmd/" + string(name), ldflags: kubernetesFlags(), takes: takes,
	}
}
