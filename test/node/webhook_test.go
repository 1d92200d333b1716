//go:build node

package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/test/internal/installation"
)

// webhookName is the name of the Service for API servers, and of the ConfigMap's neighbour, its certificate.
const webhookName = "keyturn-login-webhook"

// webhookAnswers gets the time since the installation at which the port for API servers answered first, or an error.
var webhookAnswers = make(chan error, 1)

// watchWebhook notes when the port for API servers answers: the kubelet puts the certificate into Pods that run already when it looks at
// them again, once in a minute.
func watchWebhook(since time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()

	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()

	for {
		_, err := review(ctx, "no token")
		if err == nil {
			figure("port for API servers", "answered behind its Service %.0f s after kubectl apply", time.Since(since).Seconds())
		}

		if err == nil || ctx.Err() != nil {
			webhookAnswers <- err

			return
		}

		<-ticker.C
	}
}

// testWebhook asks the port for API servers about a token, as an API server does: by the cluster IP, with the authority that the operator
// publishes.
func testWebhook(t *testing.T) {
	lin := people[0]
	token := login(t, lin, "kubernetes")

	must(t, <-webhookAnswers)

	status, err := review(t.Context(), token)
	if want := "keyturn:" + lin.Namespace + ":" + lin.Username; err != nil || !status.Authenticated || status.User.Username != want {
		t.Errorf("the review says %+v, %v, want it to be %s", status, err, want)
	}

	if status, err := review(t.Context(), "no token"); err != nil || status.Authenticated {
		t.Errorf("the review of a wrong token says %+v, %v", status, err)
	}
}

func review(ctx context.Context, token string) (authenticationv1.TokenReviewStatus, error) {
	none := authenticationv1.TokenReviewStatus{}

	authority := &corev1.ConfigMap{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: installation.Namespace, Name: "keyturn-webhook-ca"}, authority); err != nil {
		return none, err
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority.Data["ca.crt"])) {
		return none, errors.New("the ConfigMap has no certificate in ca.crt")
	}

	service, err := serviceAddress(ctx, webhookName)
	if err != nil {
		return none, err
	}

	address := net.JoinHostPort(service, "443")
	name := webhookName + "." + installation.Namespace + ".svc"
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		DisableKeepAlives: true,
	}

	body, err := json.Marshal(&authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"},
		Spec:     authenticationv1.TokenReviewSpec{Token: token},
	})
	if err != nil {
		return none, err
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+name+"/webhooks/tokenreview", bytes.NewReader(body))
	if err != nil {
		return none, err
	}

	request.Header.Set("Content-Type", "application/json")

	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return none, err
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return none, fmt.Errorf("it answers %s", response.Status)
	}

	answer := &authenticationv1.TokenReview{}
	err = json.NewDecoder(response.Body).Decode(answer)

	return answer.Status, err
}
