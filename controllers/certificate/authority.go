package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// authorityLifetime is long, since the authority's certificate is in files on control-plane nodes, where nothing renews it.
	authorityLifetime = 10 * 365 * 24 * time.Hour
	// authorityNotice is how long before the end of the authority the log says that it has to be replaced.
	authorityNotice = 365 * 24 * time.Hour
	// lifetime of a certificate, and renewBefore how long before its end the next one is issued.
	lifetime, renewBefore = 90 * 24 * time.Hour, 30 * 24 * time.Hour
	// authorityCommonName is the name of the authority, by which its certificates are known.
	authorityCommonName = "Keyturn"
	// backdate is how far clocks of API servers may be behind.
	backdate = time.Hour
)

var (
	errNotPEM       = errors.New("it is not a certificate with its key, both as PEM")
	errNotAuthority = errors.New("it is not the certificate of an authority")
	errEnded        = errors.New("it has ended")
)

// pair is a certificate with its private key, both as PEM: the content of a Secret of type kubernetes.io/tls.
type pair struct{ certificate, key []byte }

func pairOf(secret *corev1.Secret) pair {
	return pair{certificate: secret.Data[corev1.TLSCertKey], key: secret.Data[corev1.TLSPrivateKeyKey]}
}

func (p pair) data() map[string][]byte {
	return map[string][]byte{corev1.TLSCertKey: p.certificate, corev1.TLSPrivateKeyKey: p.key}
}

// authority issues certificates.
type authority struct {
	pair

	parsed *x509.Certificate
	signer crypto.Signer
}

// newAuthority makes an authority whose lifetime begins at now.
func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: authorityCommonName},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLifetime),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	made, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return readAuthority(made)
}

// readAuthority reads an authority that newAuthority has made.
func readAuthority(p pair) (*authority, error) {
	both, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		return nil, errNotPEM // The error of X509KeyPair could quote the key.
	}
	signer, isSigner := both.PrivateKey.(crypto.Signer)
	if !isSigner || !both.Leaf.IsCA {
		return nil, errNotAuthority
	}
	return &authority{pair: p, parsed: both.Leaf, signer: signer}, nil
}

// issue makes a certificate of a server for one DNS name. It ends with the authority at the latest.
func (a *authority) issue(name string, now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("generate key: %w", err)
	}
	ends := now.Add(lifetime)
	if ends.After(a.parsed.NotAfter) {
		ends = a.parsed.NotAfter
	}
	return sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-backdate), NotAfter: ends,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.parsed, key, a.signer)
}

// renewalTime returns when the certificate of a pair has to be renewed: long ago if the authority has not issued it, if it is for another
// name, if it cannot be read, or if its time begins after now, as when the clock was wrong. One that lasts as long as the authority is
// renewed with it.
func (a *authority) renewalTime(p pair, name string, now time.Time) time.Time {
	both, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		return time.Time{}
	}
	leaf := both.Leaf
	if leaf.CheckSignatureFrom(a.parsed) != nil || leaf.VerifyHostname(name) != nil || now.Before(leaf.NotBefore) {
		return time.Time{}
	}
	if !leaf.NotAfter.Before(a.parsed.NotAfter) {
		return leaf.NotAfter
	}
	return leaf.NotAfter.Add(-renewBefore)
}

// sign makes a certificate after a template, and returns it with its key.
func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (pair, error) {
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, fmt.Errorf("encode key: %w", err)
	}
	return pair{certificate: encode("CERTIFICATE", certificate), key: encode("PRIVATE KEY", private)}, nil
}

func encode(kind string, content []byte) []byte {
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: kind, Bytes: content}) // A buffer takes everything.
	return text.Bytes()
}
