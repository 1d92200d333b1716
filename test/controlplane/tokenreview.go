package controlplane

import (
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// tokenReviewPath is where the webhook answers.
	tokenReviewPath = "/webhooks/tokenreview"
	// tokenReviewCache is how long kube-apiserver remembers what the webhook answered, in a cache of the webhook's own. In
	// front of it is one for all tokens that were found right, of ten seconds, which no flag changes.
	tokenReviewCache = 2 * time.Second
)

// TokenCache is the longest time for which the API server takes a token after the webhook would refuse it.
const TokenCache = tokenReviewCache + 10*time.Second

// TokenReviewServer is where the webhook that the API server asks about tokens has to listen, and its certificate.
type TokenReviewServer struct{ Address, CertFile, KeyFile string }

// TokenReview returns what the webhook has to be started with. It is empty without Options.TokenReview.
func (c *ControlPlane) TokenReview() TokenReviewServer {
	if !c.options.TokenReview {
		return TokenReviewServer{}
	}

	return TokenReviewServer{
		Address: Address(c.ports.TokenReview), CertFile: c.webhook.certificate, KeyFile: c.webhook.key,
	}
}

// prepareTokenReview makes the webhook's certificate, and the kubeconfig by which kube-apiserver finds it.
func (c *ControlPlane) prepareTokenReview(now time.Time) (err error) {
	if c.ports.TokenReview, err = FreePort(c.ports.TokenReview); err != nil {
		return err
	}

	if c.webhook, err = c.authority.issue("token-review", "keyturn-login-webhook", nil, now); err != nil {
		return err
	}

	return WriteKubeconfig(c.tokenReviewConfig(), &rest.Config{
		Host:            "https://" + Address(c.ports.TokenReview) + tokenReviewPath,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.authority.path()},
	})
}

func (c *ControlPlane) tokenReviewConfig() string {
	return filepath.Join(c.dir, "pki", "token-review.kubeconfig")
}

func (c *ControlPlane) tokenReviewArguments() []string {
	if !c.options.TokenReview {
		return nil
	}

	return []string{
		"--authentication-token-webhook-config-file=" + c.tokenReviewConfig(),
		"--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=" + tokenReviewCache.String(),
	}
}
