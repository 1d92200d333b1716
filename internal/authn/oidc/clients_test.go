package oidc

import (
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn/outbound"
	"github.com/keyturn/keyturn/internal/provider"
)

// declared returns a provider as it is declared, its Secret, and what has this and the certificates.
func declared(h *hostile) (*v1alpha1.IdentityProvider, *corev1.Secret, client.Client) {
	p := h.settings().Provider
	p.Name, p.UID = "contoso", "uid-1"
	p.Spec.OIDC.ClientSecretRef.Name = "contoso"
	p.Spec.OIDC.CAConfigMapRef = &v1alpha1.CAConfigMapReference{Name: "contoso", Key: "ca.crt"}
	meta := metav1.ObjectMeta{Name: "contoso", Namespace: provider.DefaultNamespace}
	secret := &corev1.Secret{ObjectMeta: meta, Type: v1alpha1.SecretTypeOIDCClient, Data: map[string][]byte{
		v1alpha1.ClientSecretKey: []byte(clientSecret), v1alpha1.ServersKey: []byte(h.Listener.Addr().String()),
	}}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	reader := fake.NewClientBuilder().WithObjects(secret, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"ca.crt": authority}}).Build()
	return p, secret, reader
}

// TestClients: a provider keeps its client until something of it changes, and its figures are told by its name.
func TestClients(t *testing.T) {
	h := newHostile(t)
	p, secret, reader := declared(h)
	told := map[string]int{}
	clients := &Clients{
		Source: provider.Source{Reader: reader, Namespace: provider.DefaultNamespace}, Clock: h.clock,
		OnRequest: func(name string, _ time.Duration) { told[name]++ },
	}
	of := func() *Client {
		t.Helper()
		c, err := clients.Of(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := of()
	if _, err := h.login(first); err != nil || told["contoso"] != 3 {
		t.Errorf("%v; the durations of %v requests were told, want those of three of contoso", err, told)
	}
	for range outbound.MaxFailures {
		first.gate.Breaker.Record(false)
	}
	if of() != first || !clients.Stats()["contoso"].BreakerOpen {
		t.Errorf("a provider that has not changed has another client, or figures %v", clients.Stats())
	}
	secret.Data[v1alpha1.ClientSecretKey] = []byte("planted: a new one")
	if err := reader.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	first.answered.add("planted-state")
	second := of()
	if second.answered.add("planted-state") {
		t.Error("a client does not know what the one before it has answered")
	}
	if second == first || clients.Stats()["contoso"].BreakerOpen {
		t.Error("a provider whose Secret has changed has its old client")
	}
	p = p.DeepCopy()
	p.UID = types.UID("uid-2")
	if of() == second || len(clients.Stats()) != 1 || len(clients.clients) != 1 {
		t.Error("a provider that was created anew has the client of the old one, or figures beside it")
	}
	p = p.DeepCopy()
	p.Name, p.UID = "fabrikam", types.UID("uid-3")
	if third := of(); third == second || third.answered != second.answered {
		t.Error("the providers do not share the memory of what is answered")
	}
	p.Spec.OIDC.ClientSecretRef.Name = "missing"
	if _, err := clients.Of(t.Context(), p); err == nil {
		t.Error("a provider without a Secret has a client")
	} else if e, ok := errors.AsType[*provider.SettingsError](err); !ok || e.Reason != v1alpha1.ConditionReasonSecretNotFound {
		t.Errorf("without a Secret: %v", err)
	}
}

// TestFullClients: when as many providers have a client as may count, one that comes then begins with an empty cache. One of them that changes does not.
func TestFullClients(t *testing.T) {
	h := newHostile(t)
	declared, _, reader := declared(h)
	clients := &Clients{Source: provider.Source{Reader: reader, Namespace: provider.DefaultNamespace}, Clock: h.clock}
	of := func(number int, generation int64) *Client {
		t.Helper()
		p := declared.DeepCopy()
		p.Name, p.Generation = fmt.Sprintf("p%02d", number), generation
		p.UID = types.UID(p.Name)
		c, err := clients.Of(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second := of(0, 1), of(1, 1)
	for number := range provider.MaxProviders {
		of(number, 1)
	}
	changed := of(1, 2)
	if changed == second || of(0, 1) != first || len(clients.Stats()) != provider.MaxProviders {
		t.Errorf("after a change of one provider, there are %d clients", len(clients.Stats()))
	}
	of(provider.MaxProviders, 1)
	if n := len(clients.Stats()); n != 1 {
		t.Errorf("with one provider more, there are %d clients, want its own", n)
	}
	if of(0, 1) == first || of(1, 2) == changed {
		t.Error("a client that was dropped is still used")
	}
}
