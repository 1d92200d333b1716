package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
)

const (
	lifetime = 30 * 24 * time.Hour
	// clockSkew lets certificates begin a little early, for machines whose clock is set back.
	clockSkew = time.Hour
)

// Certificates are an authority and what it has signed for one server, as PEM. They last for one run.
type Certificates struct {
	Authority, Certificate, Key []byte

	name string
}

// Make makes the certificates of a server with that DNS name and address.
func Make(name string, address net.IP, now time.Time) (*Certificates, error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test directory, on this machine alone"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{name}, IPAddresses: []net.IP{address},
	}

	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}

	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}

	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return nil, fmt.Errorf("making the authority: %w", err)
	}

	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, &serverKey.PublicKey, authorityKey)
	if err != nil {
		return nil, fmt.Errorf("making the certificate: %w", err)
	}

	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}

	return &Certificates{
		Authority: encode("CERTIFICATE", authorityDER), Certificate: encode("CERTIFICATE", serverDER), Key: encode("PRIVATE KEY", keyDER), name: name,
	}, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Client is how a client connects that trusts the authority, and no other.
func (c *Certificates) Client() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.Authority)

	return &tls.Config{RootCAs: roots, ServerName: c.name, MinVersion: tls.VersionTLS12}
}

// Server is how the server is shown to clients.
func (c *Certificates) Server() (*tls.Config, error) {
	certificate, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("reading back a certificate: %w", err)
	}

	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, nil
}

// Files are the paths of Certificates.
type Files struct{ Authority, Certificate, Key string }

// Write writes the certificates into files in dir.
func (c *Certificates) Write(dir string) (Files, error) {
	files := Files{Authority: filepath.Join(dir, "ca.crt"), Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}

	for path, content := range map[string][]byte{files.Authority: c.Authority, files.Certificate: c.Certificate, files.Key: c.Key} {
		if err := controlplane.WriteFile(path, content); err != nil {
			return Files{}, err
		}
	}

	return files, nil
}
