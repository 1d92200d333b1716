package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"

	"github.com/keyturn/keyturn/internal/httpserver"
)

// defaultAudience is kubeadm's --service-account-issuer of API servers, and so the default of their --api-audiences.
const defaultAudience = "https://kubernetes.default.svc.cluster.local"

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

// validate returns an error for flags that make no sense.
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

// listen opens the port for API servers. It returns nil if there is no --webhook-bind-address. A missing certificate is no error: the
// people's port works without it.
func (o *webhookOptions) listen(ports *httpserver.Server) (*httpserver.Port, error) {
	if o.bindAddress == "" {
		slog.Info("Tokens are not reviewed for API servers: there is no --webhook-bind-address")
		return nil, nil
	}
	port, err := ports.ListenTLS(o.bindAddress, maxAPIServers, o.certFile, o.keyFile)
	if err != nil {
		return nil, fmt.Errorf("open the port for API servers: %w", err)
	}
	port.OnCertificate = func(err error) {
		if err != nil {
			slog.Warn("Certificate of the port for API servers cannot be followed: it is tried again", "error", err, "interval", httpserver.CertificateInterval)
			return
		}
		slog.Info("Tokens are reviewed for API servers", "address", port.Address())
	}
	return port, nil
}
