package controlplane

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// tokenLifetime is longer than any run of a test or of the local cluster; each run asks for tokens anew.
const tokenLifetime = 365 * 24 * time.Hour

// Config returns the configuration of an administrator (group system:masters), the caller's to change. It holds for
// the API server's address of now.
func (c *ControlPlane) Config() *rest.Config { return rest.CopyConfig(c.config) }

// TokenFor returns the configuration of a ServiceAccount, with a token from the TokenRequest API. The account must
// exist. The token ends when the account is deleted, and after a year.
func (c *ControlPlane) TokenFor(ctx context.Context, namespace, serviceAccount string) (*rest.Config, error) {
	return TokenFor(ctx, c.config, namespace, serviceAccount)
}

// TokenFor is ControlPlane.TokenFor for a control plane of another process, of which config is an administrator's configuration.
func TokenFor(ctx context.Context, config *rest.Config, namespace, serviceAccount string) (*rest.Config, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}

	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenLifetime / time.Second))},
	}

	request, err = clients.CoreV1().ServiceAccounts(namespace).
		CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking for a token of ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}

	config = rest.AnonymousClientConfig(config)
	config.BearerToken = request.Status.Token

	return config, nil
}

// WriteKubeconfig writes a kubeconfig file that says what config says, credentials included, readable by its owner
// alone.
func WriteKubeconfig(path string, config *rest.Config) error {
	config = rest.CopyConfig(config)
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("reading certificates for %s: %w", path, err)
	}

	return writeKubeconfig(path, config, &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
	})
}

// WritePersonKubeconfig writes a kubeconfig file for people, without credentials: kubectl runs a plugin to get them.
func WritePersonKubeconfig(path string, config *rest.Config, plugin string, args ...string) error {
	config = rest.AnonymousClientConfig(config)
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("reading certificates for %s: %w", path, err)
	}

	return writeKubeconfig(path, config, &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: plugin, Args: args,
		InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode,
	}})
}

func writeKubeconfig(path string, config *rest.Config, user *clientcmdapi.AuthInfo) error {
	const name = "keyturn"

	content, err := clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server: config.Host, CertificateAuthorityData: config.CAData,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: user},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	})
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}

	return WriteFile(path, content)
}
