package httpserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// writeCertificate puts a certificate of that serial number, which lasts as many hours, and its key, into a folder.
func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Duration(serial) * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: certificate}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestCertificateIsFollowed: a server waits for a certificate that is missing, serves with a new one as soon as it is there, and
// keeps the old one when the new one is broken. TLS 1.2 and HTTP/2 are not served.
func TestCertificateIsFollowed(t *testing.T) {
	g := gomega.NewWithT(t)
	server, dir, reports := &Server{}, t.TempDir(), make(chan error, 10)
	certFile := filepath.Join(dir, "tls.crt")
	port := listenFor(t, server, 10, certFile, filepath.Join(dir, "tls.key"))
	port.certificate.interval = 20 * time.Millisecond
	port.OnCertificate = func(err error) { reports <- err }
	start(t, server)

	shown := func() (int64, error) {
		dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // The test looks at the certificate itself.
		connection, err := dialer.DialContext(t.Context(), "tcp", port.Address())
		if err != nil {
			return 0, err
		}
		defer func() { _ = connection.Close() }()
		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	_, err := shown()
	g.Expect(err).To(gomega.HaveOccurred(), "without a certificate")
	g.Expect(port.CertificateExpires()).To(gomega.BeZero(), "without a certificate")
	g.Eventually(reports, 10*time.Second).Should(gomega.Receive(gomega.HaveOccurred()))
	for _, serial := range []int64{1, 2} {
		writeCertificate(t, dir, serial)
		g.Eventually(shown, 10*time.Second, 10*time.Millisecond).Should(gomega.Equal(serial))
		g.Expect(time.Until(port.CertificateExpires())).To(gomega.BeNumerically("~", time.Duration(serial)*time.Hour, time.Minute))
	}
	g.Expect(reports).To(gomega.Receive(gomega.BeNil()))
	g.Expect(os.WriteFile(certFile, []byte("broken"), 0o600)).To(gomega.Succeed())
	g.Consistently(shown, 100*time.Millisecond, 10*time.Millisecond).Should(gomega.Equal(int64(2)))

	old := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}} // As above.
	_, err = old.DialContext(t.Context(), "tcp", port.Address())
	g.Expect(err).To(gomega.HaveOccurred(), "TLS 1.2")

	both := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}} // As above.
	connection, err := both.DialContext(t.Context(), "tcp", port.Address())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = connection.Close() }()
	g.Expect(connection.(*tls.Conn).ConnectionState().NegotiatedProtocol).To(gomega.Equal("http/1.1"))
}
