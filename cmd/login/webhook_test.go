package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// writeCertificate puts a certificate of that serial number, and its key, in place.
func writeCertificate(t *testing.T, o *webhookOptions, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		o.certFile: {Type: "CERTIFICATE", Bytes: certificate}, o.keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificateIsFollowed: one that is missing is waited for, one that is broken leaves the old one in use.
func TestCertificateIsFollowed(t *testing.T) {
	g := gomega.NewWithT(t)
	dir := t.TempDir()
	port, err := (&webhookOptions{
		bindAddress: "127.0.0.1:0", certFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key"),
	}).listen()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	port.interval = 20 * time.Millisecond
	server := port.server(http.NotFoundHandler(), serverTimeouts)
	ended := make(chan error, 1)
	go port.serve(server, ended)
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan struct{})
	go func() { port.followCertificate(ctx); close(followed) }()

	shown := func() (int64, error) {
		dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the certificate itself is looked at
		connection, err := dialer.DialContext(t.Context(), "tcp", port.Addr().String())
		if err != nil {
			return 0, err
		}
		defer func() { _ = connection.Close() }()
		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	_, err = shown()
	g.Expect(err).To(gomega.HaveOccurred(), "without a certificate")
	for _, serial := range []int64{1, 2} {
		writeCertificate(t, port.options, serial)
		g.Eventually(shown, 10*time.Second, 10*time.Millisecond).Should(gomega.Equal(serial))
	}
	g.Expect(os.WriteFile(port.options.certFile, []byte("broken"), 0o600)).To(gomega.Succeed())
	g.Consistently(shown, 100*time.Millisecond, 10*time.Millisecond).Should(gomega.Equal(int64(2)))

	old := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}} // as above
	_, err = old.DialContext(t.Context(), "tcp", port.Addr().String())
	g.Expect(err).To(gomega.HaveOccurred(), "TLS 1.2")

	both := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}} // as above
	connection, err := both.DialContext(t.Context(), "tcp", port.Addr().String())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = connection.Close() }()
	g.Expect(connection.(*tls.Conn).ConnectionState().NegotiatedProtocol).To(gomega.Equal("http/1.1"))

	cancel()
	g.Eventually(followed, 10*time.Second).Should(gomega.BeClosed())
	g.Expect(server.Close()).To(gomega.Succeed())
	g.Expect(errors.Is(<-ended, http.ErrServerClosed)).To(gomega.BeTrue())
}

// TestNoWebhookPort: without an address nothing listens, and nothing waits.
func TestNoWebhookPort(t *testing.T) {
	port, err := (&webhookOptions{}).listen()
	if err != nil {
		t.Fatal(err)
	}
	port.followCertificate(t.Context())
	ended := make(chan error, 1)
	port.serve(port.server(http.NotFoundHandler(), serverTimeouts), ended)
	port.close()
	if len(ended) > 0 {
		t.Error("something was served")
	}
}
