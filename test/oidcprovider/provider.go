package oidcprovider

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

//go:embed server/*.mjs
var scripts embed.FS

const (
	// Host is where the provider is reached. Another one than the login server's, which is 127.0.0.1 in tests: browsers then keep the
	// cookies of the two apart, and see two sites.
	Host = "localhost"
	// Tenant is the ID of EntraIssuer's.
	Tenant = "1d6e8a3f-52c7-4b90-a1de-93f04c7b2e55"
	// ClientID is that of Keyturn at both issuers.
	ClientID = "7be1d2c4-0f6a-4a39-b8d3-5e90c2f1a764"
)

const (
	// startTimeout is how long the server may take to start. It takes about a second on an idle machine.
	startTimeout = 30 * time.Second
	// stopGrace is what the server gets to end.
	stopGrace = 5 * time.Second
)

// Options of a provider.
type Options struct {
	// Dir is an existing folder, in which the provider writes its files.
	Dir string
	// Port of the provider; any that is free if that one is not, or if it is zero.
	Port int
	// RedirectURIs are those that the client may name.
	RedirectURIs []string
	// People whom the provider knows; SamplePeople where there are none.
	People []Person
}

// Provider is a running one.
type Provider struct {
	process      *process.Process
	origin       string
	clientSecret string
	certificates *certificates
	control      *control
}

// settings of the server, as its script reads them.
type settings struct {
	Origin          string   `json:"origin"`
	Port            int      `json:"port"`
	ControlSocket   string   `json:"controlSocket"`
	CertificateFile string   `json:"certificateFile"`
	KeyFile         string   `json:"keyFile"`
	Tenant          string   `json:"tenant"`
	ClientID        string   `json:"clientID"`
	ClientSecret    string   `json:"clientSecret"`
	RedirectURIs    []string `json:"redirectURIs"`
	People          []Person `json:"people"`
}

// Start starts a provider and waits until it answers. It installs Node.js and the npm package where they are missing, and fails where that
// is not possible. The provider ends with this process, if not before.
func Start(ctx context.Context, options Options) (*Provider, error) {
	node, err := install(ctx, options.Dir)
	if err != nil {
		return nil, err
	}

	port, err := controlplane.FreePort(options.Port)
	if err != nil {
		return nil, err
	}

	p := &Provider{origin: "https://" + Host + ":" + strconv.Itoa(port), clientSecret: rand.Text()}
	if p.certificates, err = makeCertificates(time.Now()); err != nil {
		return nil, err
	}

	if p.control, err = newControl(); err != nil {
		return nil, err
	}

	settingsFile, err := p.writeSettings(options, port)
	if err != nil {
		return nil, err
	}

	p.process, err = process.Start(process.Command{
		Name: "the OpenID provider", Path: node, Args: []string{filepath.Join(options.Dir, "server.mjs"), settingsFile},
		LogFile: filepath.Join(options.Dir, "oidc-provider.log"),
	})
	if err != nil {
		return nil, err
	}

	if err := p.waitReady(ctx); err != nil {
		p.Stop()

		return nil, err
	}

	return p, nil
}

// writeSettings writes the files that the server reads, and returns the path of its settings.
func (p *Provider) writeSettings(options Options, port int) (string, error) {
	path := func(name string) string { return filepath.Join(options.Dir, name) }

	people := options.People
	if len(people) == 0 {
		people = SamplePeople()
	}

	content, err := json.Marshal(settings{ //nolint:gosec // the server has to know the client's secret
		Origin: p.origin, Port: port, ControlSocket: p.control.socket(), CertificateFile: path("tls.crt"), KeyFile: path("tls.key"),
		Tenant: Tenant, ClientID: ClientID, ClientSecret: p.clientSecret, RedirectURIs: options.RedirectURIs, People: people,
	})
	if err != nil {
		return "", fmt.Errorf("encoding the settings of the provider: %w", err)
	}

	files := map[string][]byte{
		"settings.json": content, "ca.crt": p.certificates.authority, "tls.crt": p.certificates.certificate, "tls.key": p.certificates.key,
	}
	for name, content := range files {
		if err := controlplane.WriteFile(path(name), content); err != nil {
			return "", err
		}
	}

	return path("settings.json"), nil
}

func (p *Provider) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("after %s", startTimeout))
	defer cancel()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.certificates.authority)

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()

	client := &http.Client{Timeout: 5 * time.Second, Transport: transport}

	return p.process.WaitReady(ctx, process.HTTPReady(client, p.EntraIssuer()+"/.well-known/openid-configuration"))
}

// EntraIssuer is a tenant of Entra ID, as its documents describe it.
func (p *Provider) EntraIssuer() string { return p.origin + "/" + Tenant + "/v2.0" }

// CommonIssuer is where Entra ID has the discovery document for all tenants. The issuer in it is a template, which is no issuer.
func (p *Provider) CommonIssuer() string { return p.origin + "/common/v2.0" }

// GenericIssuer is a provider as the standard describes it.
func (p *Provider) GenericIssuer() string { return p.origin + "/generic" }

// PasswordChangeURL is where people would change their password.
func (p *Provider) PasswordChangeURL() string { return p.origin + "/change-password" }

// Origin is the beginning of all of the provider's addresses.
func (p *Provider) Origin() string { return p.origin }

// Server is the host and the port of it, as the Secret of a client names them.
func (p *Provider) Server() string { return strings.TrimPrefix(p.origin, "https://") }

// ClientSecret is that of Keyturn at both issuers, another one in every run.
func (p *Provider) ClientSecret() string { return p.clientSecret }

// CA is the certificate that the provider's is signed by, in PEM.
func (p *Provider) CA() []byte { return p.certificates.authority }

// PublicKeyFingerprint is what Chromium takes in its option --ignore-certificate-errors-spki-list.
func (p *Provider) PublicKeyFingerprint() string { return p.certificates.fingerprint }

// LogFile is where the provider's output goes.
func (p *Provider) LogFile() string { return p.process.LogFile() }

// Done is closed when the provider has ended.
func (p *Provider) Done() <-chan struct{} { return p.process.Done() }

// Err says how the provider ended; nil while it runs.
func (p *Provider) Err() error { return p.process.Err() }

// Stop ends the provider and returns when it is gone.
func (p *Provider) Stop() {
	p.process.Stop(stopGrace)
	p.control.close()
}
