package directories

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
	certificateLifetime = 30 * 24 * time.Hour
	// clockSkew lets certificates begin a little early, for machines whose clock is set back.
	clockSkew = time.Hour
)

// certificates are an authority and what it has signed for one server. They last for one run.
type certificates struct {
	// authority is PEM.
	authority []byte
	// authorityFile, certificateFile and keyFile are paths.
	authorityFile, certificateFile, keyFile string
	// name is a DNS name in the server's certificate.
	name  string
	roots *x509.CertPool
}

// makeCertificates writes the certificates of a server with that DNS name and address into dir.
func makeCertificates(dir, name string, address net.IP, now time.Time) (*certificates, error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test directory, on this machine alone"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(certificateLifetime),
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

	c := &certificates{
		authority: encode("CERTIFICATE", authorityDER), authorityFile: filepath.Join(dir, "ca.crt"),
		certificateFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key"), name: name, roots: x509.NewCertPool(),
	}
	c.roots.AppendCertsFromPEM(c.authority)

	for path, content := range map[string][]byte{
		c.authorityFile: c.authority, c.certificateFile: encode("CERTIFICATE", serverDER), c.keyFile: encode("PRIVATE KEY", keyDER),
	} {
		if err := controlplane.WriteFile(path, content); err != nil {
			return nil, err
		}
	}

	return c, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// client is how a client that trusts the authority connects.
func (c *certificates) client() *tls.Config {
	return &tls.Config{RootCAs: c.roots, ServerName: c.name, MinVersion: tls.VersionTLS12}
}
