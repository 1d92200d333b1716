package oidcprovider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificates of a provider last for one run.
const (
	certificateLifetime = 30 * 24 * time.Hour
	// clockSkew lets them begin a little early, for machines whose clock is set back.
	clockSkew = time.Hour
)

// certificates are the authority and what the server shows.
type certificates struct {
	// authority, certificate and key are PEM.
	authority, certificate, key []byte
	// fingerprint is the base64 of the SHA-256 of the server's public key.
	fingerprint string
}

func makeCertificates(now time.Time) (*certificates, error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Keyturn's sample provider, on this machine alone"},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(certificateLifetime),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: Host},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{Host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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

	public, err := x509.MarshalPKIXPublicKey(&serverKey.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}

	hash := sha256.Sum256(public)
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }

	return &certificates{
		authority: encode("CERTIFICATE", authorityDER), certificate: encode("CERTIFICATE", serverDER), key: encode("PRIVATE KEY", keyDER),
		fingerprint: base64.StdEncoding.EncodeToString(hash[:]),
	}, nil
}
