//go:build node

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// startKubernetes starts a program of Kubernetes as a client of that name and these groups.
func (c *Cluster) startKubernetes(
	ctx context.Context, name binaries.Name, client string, groups []string, probe func(context.Context) error,
	arguments func(kubeconfig string) ([]string, error),
) error {
	program, err := binaries.Find(name)
	if err != nil {
		return err
	}

	kubeconfig, err := c.ClientKubeconfig(string(name), client, groups...)
	if err != nil {
		return err
	}

	args, err := arguments(kubeconfig)
	if err != nil {
		return err
	}

	return c.launch(ctx, string(name), program, probe, args...)
}

func healthy(url string) func(context.Context) error {
	return process.HTTPReady(http.DefaultClient, url)
}

func (c *Cluster) startKubelet(ctx context.Context) error {
	return c.startKubernetes(ctx, binaries.Kubelet, "system:node:"+NodeName, []string{"system:nodes"}, healthy("http://127.0.0.1:10248/healthz"),
		func(kubeconfig string) ([]string, error) {
			config := filepath.Join(c.options.Dir, "etc", "kubelet.yaml")
			state := filepath.Join(c.options.Dir, "kubelet")

			return []string{
				"--config=" + config, "--kubeconfig=" + kubeconfig, "--root-dir=" + state, "--cert-dir=" + filepath.Join(state, "pki"),
				"--hostname-override=" + NodeName, "--node-ip=" + nodeAddress,
			}, os.WriteFile(config, []byte(c.kubeletConfig()), 0o600)
		})
}

// kubeletConfig asks of the machine as little as possible: version 1 of control groups, swap and a rather full disk are all right.
func (c *Cluster) kubeletConfig() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication:
  anonymous: {enabled: false}
  x509: {clientCAFile: %q}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://%s
cgroupDriver: cgroupfs
cgroupRoot: /%s
failCgroupV1: false
enforceNodeAllocatable: [pods]
failSwapOn: false
clusterDNS: [10.0.0.10]
clusterDomain: cluster.local
resolvConf: ""
podLogsDir: %q
volumePluginDir: %q
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
`, nodeAddress, c.AuthorityFile(), c.socket(), c.options.ControlGroup, c.PodLogs(), filepath.Join(c.options.Dir, "kubelet", "plugins"))
}

// PodLogs is the folder with the logs of containers.
func (c *Cluster) PodLogs() string { return filepath.Join(c.options.Dir, "logs", "pods") }

func (c *Cluster) startProxy(ctx context.Context) error {
	return c.startKubernetes(ctx, binaries.Proxy, "system:kube-proxy", nil, healthy("http://127.0.0.1:10256/livez"),
		func(kubeconfig string) ([]string, error) {
			config := filepath.Join(c.options.Dir, "etc", "kube-proxy.yaml")

			return []string{"--config=" + config}, os.WriteFile(config, fmt.Appendf(nil, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
clientConnection: {kubeconfig: %q}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
# The tables of connections are the whole machine's.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`, podNetwork, NodeName, kubeconfig), 0o600)
		})
}
