package main

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthenticationv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
)

// pluginInfo returns the request of kubectl that runs this program as a credential plugin; nil where a person runs it.
func (p *program) pluginInfo() (*clientauthenticationv1.ExecCredential, error) {
	text := p.getenv(execInfoVariable)
	if text == "" {
		return nil, nil //nolint:nilnil // a person is an answer, and no error
	}
	info := &clientauthenticationv1.ExecCredential{}
	if err := json.Unmarshal([]byte(text), info); err != nil {
		return nil, fmt.Errorf("%s is not an ExecCredential", execInfoVariable)
	}
	if want := clientauthenticationv1.SchemeGroupVersion.String(); info.APIVersion != want {
		return nil, fmt.Errorf("the kubeconfig asks for an ExecCredential of %q: set apiVersion: %s in its exec section", info.APIVersion, want)
	}
	return info, nil
}

// writeCredential writes the answer that kubectl reads.
func (p *program) writeCredential(session *stored) error {
	credential := &clientauthenticationv1.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauthenticationv1.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status: &clientauthenticationv1.ExecCredentialStatus{
			Token: session.Token, ExpirationTimestamp: new(metav1.NewTime(session.ExpiresAt)),
		},
	}
	if err := json.NewEncoder(p.stdout).Encode(credential); err != nil {
		return fmt.Errorf("answer kubectl: %w", err)
	}
	return nil
}
