package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// certificateInterval is how often the certificate's files are looked at, beside what the file system tells at once.
const certificateInterval = 10 * time.Second

// defaultAudience is what kubeadm, and who follows it, gives an API server as --service-account-issuer, and so as
// --api-audiences.
const defaultAudience = "https://kubernetes.default.svc.cluster.local"

var errNoCertificate = errors.New("there is no certificate yet")

// webhookOptions are the flags of the port for API servers.
type webhookOptions struct {
	bindAddress string
	certFile    string
	keyFile     string
	audiences   string
}

func (o *webhookOptions) add(flags *flag.FlagSet) {
	flags.StringVar(&o.bindAddress, "webhook-bind-address", "", "Address of the port for API servers, with TLS: /webhooks/tokenreview. Empty: there is none.")
	flags.StringVar(&o.certFile, "webhook-cert-file", "", "Certificate of that port (PEM). It is followed when it changes, and waited for while it is missing.")
	flags.StringVar(&o.keyFile, "webhook-key-file", "", "Private key of that certificate (PEM).")
	flags.StringVar(&o.audiences, "webhook-audiences", defaultAudience, "Audiences of the API servers that ask, separated by commas: their --api-audiences, or else their --service-account-issuer.")
}

// validate tells of flags that cannot be meant.
func (o *webhookOptions) validate() error {
	switch {
	case o.bindAddress == "" && (o.certFile != "" || o.keyFile != ""):
		return errors.New("--webhook-cert-file and --webhook-key-file are for the port of --webhook-bind-address: set it too")
	case o.bindAddress == "":
		return nil
	case o.certFile == "" || o.keyFile == "":
		return errors.New("--webhook-bind-address needs --webhook-cert-file and --webhook-key-file: tokens pass through that port")
	case len(o.audienceList()) == 0:
		return errors.New("--webhook-audiences names none: give the API server's --api-audiences")
	}
	return nil
}

func (o *webhookOptions) audienceList() []string {
	var list []string
	for audience := range strings.SplitSeq(o.audiences, ",") {
		if audience = strings.TrimSpace(audience); audience != "" {
			list = append(list, audience)
		}
	}
	return list
}

// webhookPort is the port for API servers. Without a port there is none, and nothing that it is told does anything.
type webhookPort struct {
	*port
	options  *webhookOptions
	interval time.Duration
	// watcher has the certificate; nil until there is one.
	watcher atomic.Pointer[certwatcher.CertWatcher]
}

// listen opens the port, if there is to be one.
func (o *webhookOptions) listen() (*webhookPort, error) {
	if o.bindAddress == "" {
		return &webhookPort{options: o}, nil
	}
	opened, err := listen(o.bindAddress, maxAPIServers)
	if err != nil {
		return nil, fmt.Errorf("open the port for API servers: %w", err)
	}
	return &webhookPort{options: o, port: opened, interval: certificateInterval}, nil
}

func (p *webhookPort) close() {
	if p.port != nil {
		_ = p.Close()
	}
}

// followCertificate keeps the certificate as it is in its files until ctx ends. People are served without it, so a Secret
// that is missing, or is made later, is waited for.
func (p *webhookPort) followCertificate(ctx context.Context) {
	if p.port == nil {
		slog.Info("Tokens are not reviewed for API servers: there is no --webhook-bind-address")
		return
	}
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for told := false; ; told = true {
		watcher, err := certwatcher.New(p.options.certFile, p.options.keyFile)
		if err == nil {
			p.watcher.Store(watcher)
			slog.Info("Tokens are reviewed for API servers", "address", p.Addr().String())
			err = watcher.WithWatchInterval(p.interval).Start(ctx)
		}
		if err != nil && !told {
			slog.Warn("Certificate of the port for API servers cannot be followed: it is tried again", "error", err, "interval", p.interval)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// certificate is what a client is shown.
func (p *webhookPort) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if watcher := p.watcher.Load(); watcher != nil {
		return watcher.GetCertificate(hello)
	}
	return nil, errNoCertificate
}

// server returns the server of the port. It speaks HTTP/1.1 only: with HTTP/2 an API server sends everything over one
// connection, hence to one replica, until that one goes.
func (p *webhookPort) server(handler http.Handler, t timeouts) *http.Server {
	server := newHTTPServer(handler, t)
	if p.port != nil {
		p.serves(server)
	}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: p.certificate}
	return server
}

// serve serves the port, if there is one, and says how that ended.
func (p *webhookPort) serve(server *http.Server, ended chan<- error) {
	if p.port != nil {
		ended <- server.ServeTLS(p.port, "", "")
	}
}
