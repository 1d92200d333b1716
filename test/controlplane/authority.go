package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates of the servers and clients are made anew at every start, so they only have to outlast one; the
// authority's lasts as long as a folder of state may be kept.
const (
	authorityLifetime   = 10 * 365 * 24 * time.Hour
	certificateLifetime = 365 * 24 * time.Hour
	// clockSkew lets certificates begin a little early, for machines whose clock is set back by a time server.
	clockSkew = time.Hour
)

// authority is the certificate authority of one control plane, kept in a folder.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// addresses are those at which the servers are reached.
	addresses []net.IP
}

// keyPair holds the paths of a certificate and its key.
type keyPair struct{ certificate, key string }

// openAuthority reads the authority in dir, or makes one there if there is none or it does not last for the
// certificates it is to issue at now.
func openAuthority(dir string, now time.Time) (*authority, error) {
	key, err := openKey(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, err
	}

	a := &authority{dir: dir, key: key, addresses: []net.IP{net.IPv4(127, 0, 0, 1)}}

	switch stored, err := os.ReadFile(a.path()); {
	case err == nil:
		if a.certificate, err = parseCertificate(stored); err != nil {
			return nil, fmt.Errorf("reading %s: %w", a.path(), err)
		}

		if now.Add(certificateLifetime).Before(a.certificate.NotAfter) {
			return a, nil
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}

	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "keyturn-control-plane"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	a.certificate = template

	if a.certificate, err = a.sign(a.path(), template, &key.PublicKey); err != nil {
		return nil, err
	}

	return a, nil
}

// path is where the authority's certificate lies.
func (a *authority) path() string { return filepath.Join(a.dir, "ca.crt") }

// issue makes a certificate for a server on this machine that is at the same time one for a client of the given name
// and groups, as Kubernetes reads them from a certificate. Earlier files of that name are replaced; the key is kept.
func (a *authority) issue(file, name string, groups []string, now time.Time) (keyPair, error) {
	pair := keyPair{
		certificate: filepath.Join(a.dir, file+".crt"),
		key:         filepath.Join(a.dir, file+".key"),
	}

	key, err := openKey(pair.key)
	if err != nil {
		return keyPair{}, err
	}

	_, err = a.sign(pair.certificate, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: groups},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(certificateLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: a.addresses,
	}, &key.PublicKey)

	return pair, err
}

func (a *authority) sign(path string, template *x509.Certificate, key *ecdsa.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}

	template.SerialNumber = serial

	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", path, err)
	}

	if a.certificate == template {
		if a.certificate, err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("reading back %s: %w", path, err)
		}
	}

	if err := writePEM(path, "CERTIFICATE", der); err != nil {
		return nil, err
	}

	return x509.ParseCertificate(der)
}

// openKey reads the private key at path, or makes one there.
func openKey(path string) (*ecdsa.PrivateKey, error) {
	stored, err := os.ReadFile(filepath.Clean(path))
	if err == nil {
		block, _ := pem.Decode(stored)
		if block == nil {
			return nil, fmt.Errorf("%s holds no PEM block", path)
		}

		return x509.ParseECPrivateKey(block.Bytes)
	}

	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading a key: %w", err)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}

	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}

	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func parseCertificate(encoded []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return nil, errors.New("no PEM block in it")
	}

	return x509.ParseCertificate(block.Bytes)
}

func writePEM(path, kind string, der []byte) error {
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// WriteFile writes a file that only its owner may read, in one step: an interrupted process leaves the old content or
// the new, never half of it.
func WriteFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(file.Name()) // gone after the rename

	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}

	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}

	return nil
}
