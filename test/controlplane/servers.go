package controlplane

import (
	"context"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// serviceAccountIssuer is what tokens name as their issuer: constant, so that they outlive a change of port.
const serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local"

func (c *ControlPlane) startEtcd(ctx context.Context) (err error) {
	c.etcd, err = c.launch(ctx, binaries.Etcd, &c.ports.Etcd, c.etcdArguments, "/health")

	return err
}

func (c *ControlPlane) etcdArguments() []string {
	url := "https://" + Address(c.ports.Etcd)
	arguments := []string{
		"--data-dir=" + filepath.Join(c.dir, "etcd"),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=http://127.0.0.1:0", // there are no peers
		"--cert-file=" + c.server.certificate,
		"--key-file=" + c.server.key,
		"--client-cert-auth",
		"--trusted-ca-file=" + c.authority.path(),
	}

	if !c.options.Durable {
		arguments = append(arguments, "--unsafe-no-fsync")
	}

	return arguments
}

// StartAPIServer starts kube-apiserver again after StopAPIServer, on the same port unless that has been taken, and
// returns when it is ready.
func (c *ControlPlane) StartAPIServer(ctx context.Context) (err error) {
	c.apiServer, err = c.launch(ctx, binaries.APIServer, &c.ports.APIServer, c.apiServerArguments, "/readyz")
	if err != nil {
		return err
	}

	c.config = &rest.Config{
		Host: "https://" + Address(c.ports.APIServer),
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: c.authority.path(), CertFile: c.admin.certificate, KeyFile: c.admin.key,
		},
		QPS: -1, // no waiting in the client: the server is ours alone
	}

	return rest.LoadTLSFiles(c.config)
}

func (c *ControlPlane) apiServerArguments() []string {
	arguments := append([]string{
		"--secure-port=" + strconv.Itoa(c.ports.APIServer),
		"--service-cluster-ip-range=" + serviceRange,
		"--etcd-servers=https://" + Address(c.ports.Etcd),
		"--etcd-cafile=" + c.authority.path(),
		"--etcd-certfile=" + c.server.certificate,
		"--etcd-keyfile=" + c.server.key,
		"--tls-cert-file=" + c.server.certificate,
		"--tls-private-key-file=" + c.server.key,
		"--client-ca-file=" + c.authority.path(),
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-key-file=" + c.serviceAccountKey(),
		"--service-account-signing-key-file=" + c.serviceAccountKey(),
	}, c.tokenReviewArguments()...)
	arguments = append(arguments, c.apiServerReach()...)

	return append(arguments, c.options.APIServerArgs...)
}

func (c *ControlPlane) startControllerManager(ctx context.Context) error {
	kubeconfig, err := c.ClientKubeconfig("controller-manager", "system:kube-controller-manager")
	if err != nil {
		return err
	}

	c.controllerManager, err = c.launch(ctx, binaries.ControllerManager, &c.ports.ControllerManager, func() []string {
		return []string{
			"--kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(c.ports.ControllerManager),
			"--tls-cert-file=" + c.server.certificate,
			"--tls-private-key-file=" + c.server.key,
			"--leader-elect=false",
			"--use-service-account-credentials",
			"--service-account-private-key-file=" + c.serviceAccountKey(),
			"--root-ca-file=" + c.authority.path(),
			"--controllers=" + c.controllers(),
		}
	}, "/healthz")

	return err
}
