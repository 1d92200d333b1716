package controlplane

import (
	"net"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// serviceRange is where the addresses of Services are from.
const serviceRange = "10.0.0.0/24"

// apiServiceAddress is the address of the Service kubernetes, by which Pods reach kube-apiserver: the first one of the range.
func apiServiceAddress() net.IP { return net.IPv4(10, 0, 0, 1) }

// apiServerReach has kube-apiserver listen where it is to be reached.
func (c *ControlPlane) apiServerReach() []string {
	if c.options.NodeAddress == nil {
		return []string{
			"--bind-address=127.0.0.1",
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none", // a loopback address may not be an endpoint
			"--authorization-mode=RBAC",
		}
	}

	return []string{
		"--bind-address=0.0.0.0",
		"--advertise-address=" + c.options.NodeAddress.String(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		// For logs and forwarded ports; names of nodes are in no DNS.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + c.admin.certificate,
		"--kubelet-client-key=" + c.admin.key,
	}
}

// controllers are those that kube-controller-manager runs. Where there is no node, workload controllers are left out: a Deployment
// then simply stays without Pods, instead of having some that wait for ever.
func (c *ControlPlane) controllers() string {
	if c.options.NodeAddress != nil {
		return "*"
	}

	return strings.Join([]string{
		"namespace-controller", "garbage-collector-controller", "serviceaccount-controller", "serviceaccount-token-controller",
		"root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller",
	}, ",")
}

// AuthorityFile is the certificate of the authority that has issued all others.
func (c *ControlPlane) AuthorityFile() string { return c.authority.path() }

// ClientKubeconfig issues a certificate with a client's name and groups, and returns the kubeconfig file that has it. The file's
// name is given without an ending.
func (c *ControlPlane) ClientKubeconfig(file, name string, groups ...string) (string, error) {
	pair, err := c.authority.issue(file, name, groups, time.Now())
	if err != nil {
		return "", err
	}

	config := rest.CopyConfig(c.config)
	config.TLSClientConfig = rest.TLSClientConfig{CAFile: c.authority.path(), CertFile: pair.certificate, KeyFile: pair.key}

	path := filepath.Join(c.dir, "pki", file+".kubeconfig")

	return path, WriteKubeconfig(path, config)
}
