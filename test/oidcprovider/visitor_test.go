package oidcprovider_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/keyturn/keyturn/test/oidcprovider"
)

// redirectURI is registered at the provider. Nothing listens there: a visitor stops before it.
const redirectURI = "http://127.0.0.1:1/login/callback/contoso"

// visitor is a person with a browser, and the client that sent the person to the provider.
type visitor struct {
	t        *testing.T
	ctx      context.Context //nolint:containedctx // how go-oidc takes the HTTP client
	client   *http.Client
	provider *oidc.Provider
	config   oauth2.Config
	verifier string
}

func visit(t *testing.T, p *oidcprovider.Provider, issuer string) *visitor {
	t.Helper()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA())

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)

	v := &visitor{t: t, verifier: oauth2.GenerateVerifier(), client: &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(request *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(request.URL.String(), redirectURI) {
				return http.ErrUseLastResponse
			}

			return nil
		},
	}}
	v.ctx = oidc.ClientContext(t.Context(), v.client)

	if v.provider, err = oidc.NewProvider(v.ctx, issuer); err != nil {
		t.Fatal(err)
	}

	v.config = oauth2.Config{
		ClientID: oidcprovider.ClientID, ClientSecret: p.ClientSecret(), Endpoint: v.provider.Endpoint(),
		RedirectURL: redirectURI, Scopes: []string{oidc.ScopeOpenID, "profile"},
	}

	return v
}

// answer is where the provider has led somebody: a page of its own, or back to the client.
type answer struct {
	page    string
	address *url.URL
	// back holds the parameters of the way back to the client; nil for a page.
	back url.Values
}

func (v *visitor) start(options ...oauth2.AuthCodeOption) answer {
	v.t.Helper()

	return v.get(v.config.AuthCodeURL(rand.Text(), append(options, oauth2.S256ChallengeOption(v.verifier))...))
}

func (v *visitor) get(address string) answer {
	v.t.Helper()

	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		v.t.Fatal(err)
	}

	return v.do(request)
}

func (v *visitor) post(address string, form url.Values) answer {
	v.t.Helper()

	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}

	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	return v.do(request)
}

func (v *visitor) do(request *http.Request) answer {
	v.t.Helper()

	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}

	if location, err := response.Location(); err == nil {
		return answer{address: location, back: location.Query()}
	}

	return answer{page: string(body), address: response.Request.URL}
}

// logIn starts a login, fills in the form and returns where that leads to.
func (v *visitor) logIn(username, password string, options ...oauth2.AuthCodeOption) answer {
	v.t.Helper()

	form := v.start(options...)
	if !strings.Contains(form.page, `name="password"`) {
		v.t.Fatalf("want a form, have %s %s", form.address, form.page)
	}

	return v.post(form.address.String(), url.Values{"username": {username}, "password": {password}, "action": {"login"}})
}

// claims exchanges the code of an answer, has the ID token verified, and returns what it says.
func (v *visitor) claims(a answer) map[string]any {
	v.t.Helper()

	if a.back == nil {
		v.t.Fatalf("the provider leads to its page %s: %s", a.address, a.page)
	}

	token, err := v.config.Exchange(v.ctx, a.back.Get("code"), oauth2.VerifierOption(v.verifier))
	if err != nil {
		v.t.Fatal(err)
	}

	raw, _ := token.Extra("id_token").(string)

	verified, err := v.provider.Verifier(&oidc.Config{ClientID: oidcprovider.ClientID}).Verify(v.ctx, raw)
	if err != nil {
		v.t.Fatal(err)
	}

	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		v.t.Fatal(err)
	}

	return claims
}
